from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import edge_affect

RUNTIME = Path(edge_affect.__file__).parent
NEVER = {
    *("brevitas", "cloudpickle", "dill", "joblib", "marshal", "onnx", "pickle"),
    *("shelve", "torch", "torchvision", "transformers"),
    *("benchmarks", "deploy", "quantize", "training"),
}


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def test_runtime_modules_import_nothing_but_the_runtime() -> None:
    """Every module imports in a new interpreter without any optional package."""
    script = Path(__file__).parents[2] / "runtime_imports.py"
    run = subprocess.run(
        [sys.executable, str(script)],
        cwd=RUNTIME.parent,
        env={
            **os.environ,
            "PYTHONPATH": str(RUNTIME.parent),
            "PYTHONWARNINGS": "error",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_runtime_sources_never_import_the_workshop() -> None:
    """No line of the runtime, in whatever function, imports torch, onnx or pickle."""
    offences = [
        f"{path.relative_to(RUNTIME)}: {name}"
        for path in RUNTIME.rglob("*.py")
        for name in _imported(ast.parse(path.read_text(encoding="utf-8")))
        if name in NEVER
    ]
    assert not offences
