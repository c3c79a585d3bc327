"""Run the runtime's tests from the wheel, its source removed, on every Python here.

    python tests/wheel_matrix.py [--this]

Builds sdist and wheel once. For each Python 3.10-3.13 that this machine has: a new
environment with the wheel and what it depends on; every runtime module is imported
there; then pytest is added and runs those tests that need no workshop, from a copy that
lies nowhere near the source.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePath

ROOT = Path(__file__).parents[1]
MINORS = range(10, 14)
TEST_TOOLS = ("hypothesis", "pytest>=9", "pytest-randomly")
WORKSHOP = {
    *("benchmarks", "brevitas", "deploy", "onnx", "onnxscript", "quantize"),
    *("safetensors", "soundfile", "torch", "training"),
}
"""A test file that imports one of these, anywhere, does not test the runtime alone."""
ABOUT_THE_CHECKOUT = ROOT / "tests" / "project"


def main() -> int:
    """Test the wheel; return 1 when it fails on any Python."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--this", action="store_true", help="on this Python only")
    pythons = _this() if parser.parse_args().this else _pythons()
    with tempfile.TemporaryDirectory(prefix="edge_affect-wheel-") as folder:
        wheel = _build(Path(folder))
        tests = _copy_tests(Path(folder) / "checkout")
        failed = [
            version
            for version, python in pythons.items()
            if not _passes(python, wheel, Path(folder) / version, tests)
        ]
    done = ", ".join(version for version in pythons if version not in failed)
    print(f"wheel: passed on Python {done or 'none'}", flush=True)
    if failed:
        print(f"wheel: FAILED on Python {', '.join(failed)}", file=sys.stderr)
    return 1 if failed or not pythons else 0


def _this() -> dict[str, str]:
    return {f"3.{sys.version_info.minor}": sys.executable}


def _pythons() -> dict[str, str]:
    """Return version → interpreter, the first of each version that works."""
    found = {}
    for minor in MINORS:
        name = f"python3.{minor}"
        python = next(filter(_works, _candidates(name)), None)
        if python:
            found[f"3.{minor}"] = python
        else:
            print(f"wheel: no {name} with venv on this machine", flush=True)
    return found


def _candidates(name: str) -> Iterator[str]:
    """Yield where ``name`` may be: PATH, this interpreter's base, pyenv's versions."""
    if name == f"python3.{sys.version_info.minor}":
        yield sys.executable
    for folder in os.get_exec_path():
        yield str(Path(folder) / name)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    # The highest patch release first: 3.10.13 before 3.10.2.
    folders = pyenv.glob(f"versions/*/bin/{name}")
    yield from map(str, sorted(folders, key=lambda path: (len(str(path)), path))[::-1])


def _works(python: str) -> bool:
    """Whether it runs and can make an environment; pyenv's shims may do neither."""
    try:
        test = [python, "-c", "import ensurepip, venv"]
        return subprocess.run(test, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _build(folder: Path) -> Path:
    """Build the sdist, and from it the wheel; check that it holds the runtime alone."""
    build = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    _run(build, folder, quiet=True)
    (wheel,) = folder.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for name in names:
        if not name.startswith("edge_affect/") and ".dist-info/" not in name:
            sys.exit(f"{wheel.name}: holds {name}, expected edge_affect alone")
    for wanted in ("edge_affect/py.typed", "edge_affect/bundles/*/manifest.json"):
        if not any(PurePath(name).match(wanted) for name in names):
            sys.exit(f"{wheel.name}: holds no {wanted}")
    print(f"wheel: {wheel.name}, {wheel.stat().st_size / 1e6:.2f} MB", flush=True)
    return wheel


def _copy_tests(checkout: Path) -> Path:
    """Copy the tests of the runtime, and pytest's settings, away from the source."""
    shutil.copytree(ROOT / "tests", checkout / "tests", ignore=_not_runtime)
    shutil.copy(ROOT / "pyproject.toml", checkout)
    return checkout


def _not_runtime(folder: str, names: list[str]) -> list[str]:
    paths = [Path(folder) / name for name in names]
    return [
        path.name
        for path in paths
        if path in {ABOUT_THE_CHECKOUT, Path(__file__)}
        or path.name == "__pycache__"
        or (path.suffix == ".py" and WORKSHOP & set(_imported(path)))
    ]


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def _passes(python: str, wheel: Path, environment: Path, checkout: Path) -> bool:
    """Install the wheel for ``python``, import all of it, run the tests."""
    print(f"wheel: Python {environment.name} ({python})", flush=True)
    inside = str(environment / "bin" / "python")
    install = [inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        _run([python, "-m", "venv", str(environment)], checkout)
        _run([*install, str(wheel)], checkout)
        _run([inside, str(checkout / "tests" / "runtime_imports.py")], checkout)
        _run([*install, *TEST_TOOLS], checkout)
        _run([inside, "-m", "pytest", "--quiet", "-rfE"], checkout)
    except subprocess.CalledProcessError as error:
        print(f"wheel: {error}", file=sys.stderr)
        return False
    return True


def _run(command: list[str], cwd: Path, *, quiet: bool = False) -> None:
    """Run ``command`` where neither the source nor the data can be seen."""
    hidden = ("PYTHONPATH", "EDGE_AFFECT_DATA", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    stdout = subprocess.DEVNULL if quiet else None
    subprocess.run(command, cwd=cwd, env=env, stdout=stdout, check=True)


if __name__ == "__main__":
    sys.exit(main())
