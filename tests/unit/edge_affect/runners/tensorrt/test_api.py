from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeGuard

import pytest

from edge_affect.runners import tensorrt
from edge_affect.runners.tensorrt import calls
from tests.fakes.nvidia.tensorrt_api import VERSIONS, api_list

PACKAGE = Path(tensorrt.__file__).parent
MODULE = "TensorRT"
"""The protocol of the module itself."""
DUNDERS = {"__buffer__", "__getitem__", "__len__"}


class Names(NamedTuple):
    """All names of a version's bindings."""

    classes: dict[str, set[str]]
    """Class or enum → its members."""
    flat: set[str]
    """Every class, member, enum, enum value and function."""


def _names(version: str) -> Names:
    found = api_list(version)
    scopes = {**found["classes"], **found["enums"]}
    classes = {name: set(members) for name, members in scopes.items()}
    flat = {part for name in classes for part in name.split(".")}
    return Names(classes, flat.union(found["functions"], *classes.values()))


LISTS = {version: _names(version) for version in VERSIONS}
IN_SOME = set.union(*(names.flat for names in LISTS.values()))
IN_ALL = set.intersection(*(names.flat for names in LISTS.values()))


def _protocols() -> Iterator[tuple[str, set[str]]]:
    """Yield the class that each protocol stands for, and what it says it has."""
    for name, protocol in inspect.getmembers(calls, inspect.isclass):
        if protocol.__module__ == calls.__name__:
            annotated = set(vars(protocol).get("__annotations__", ()))
            defined = {n for n in vars(protocol) if not n.startswith("_")}
            yield name, (annotated | defined) - {"__version__"}


def _named(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every attribute that code names without a feature test around it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif _is_getattr(node) and len(node.args) < 3:
            yield from _strings(node)


def _tested(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every name that code asks for with a default."""
    for node in ast.walk(tree):
        if _is_getattr(node) and len(node.args) == 3:
            yield from _strings(node)


def _is_getattr(node: ast.AST) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("getattr", "hasattr")
    )


def _strings(node: ast.Call) -> Iterator[tuple[str, int]]:
    for part in ast.walk(node.args[1]):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value, part.lineno


def _sources() -> Iterator[tuple[str, ast.AST]]:
    for path in PACKAGE.glob("*.py"):
        if path.name != "calls.py":
            yield path.name, ast.parse(path.read_text(encoding="utf-8"))


def _ours() -> set[str]:
    """Return names that TensorRT's bindings share with our own classes and files."""
    return {"read", "write"} | {
        node.name
        for _, tree in _sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_protocols_name_what_every_version_has(version: str) -> None:
    """A type checker holds code against protocols; this holds them against lists."""
    classes = LISTS[version].classes
    for name, members in _protocols():
        has = set(classes) if name == MODULE else classes.get(name)
        assert has is not None, f"TensorRT {version} has no {name}"
        assert members <= has, f"TensorRT {version}: {name} lacks {members - has}"


def test_code_names_nothing_that_a_version_lacks() -> None:
    """A name that one list lacks is asked for with getattr and a default."""
    lacking = IN_SOME - IN_ALL - _ours()
    offences = [
        f"{file}:{line}: {name}"
        for file, tree in _sources()
        for name, line in _named(tree)
        if name in lacking
    ]
    assert not offences


def test_feature_tests_ask_for_names_that_exist() -> None:
    """A name that no version has would make its branch dead."""
    asked = [name for _, tree in _sources() for name, _ in _tested(tree)]
    flags = {name for name in asked if name.isupper()}
    assert {"STRONGLY_TYPED", "EXPLICIT_BATCH"} <= flags <= IN_SOME - IN_ALL


def test_code_takes_tensorrt_by_its_protocols_alone() -> None:
    """Whoever imports the module gives it its protocol's type at once."""
    for file, tree in _sources():
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [name.name for name in node.names]
                module = getattr(node, "module", None)
                assert "tensorrt" not in (module, *names), f"{file}:{node.lineno}"


def test_code_never_asks_for_a_version() -> None:
    """Versions go into keys and texts; which calls there are is asked of the module."""
    for file, tree in _sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare):
                parts = [node.left, *node.comparators]
                named = {n.attr for p in parts for n in ast.walk(p) if _is_attribute(n)}
                assert "__version__" not in named, f"{file}:{node.lineno}"


def _is_attribute(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return isinstance(node, ast.Attribute)


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("flags = trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH", True),
        ("config.set_flag(trt.BuilderFlag.FP16)", True),
        ("builder.platform_has_fast_int8", True),
        ("getattr(trt.BuilderFlag, 'FP16')", True),
        ("getattr(trt.BuilderFlag, 'FP16', None)", False),
        ("context.execute_async_v3(handle)", False),
    ],
)
def test_the_check_finds_what_it_looks_for(line: str, *, is_found: bool) -> None:
    """The test above can fail: these lines show for what."""
    names = {name for name, _ in _named(ast.parse(line))}
    assert bool(names & (IN_SOME - IN_ALL - _ours())) is is_found
