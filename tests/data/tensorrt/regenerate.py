"""Record which names TensorRT's Python bindings have: one JSON file for each version.

From the checkout's root: ``python tests/data/tensorrt/regenerate.py WHEEL…``, each the
file of a ``tensorrt*_bindings`` wheel for this very Python, as ``pip download
--no-deps`` leaves it. Needs gcc, nm and no GPU: the bindings ask TensorRT's libraries
for a handful of functions, so empty libraries with these names let them be imported and
looked at. Only names are kept: of classes, of their members, of enum values.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

_LOOK = """
import enum, json, sys
sys.path.insert(0, sys.argv[1])
import tensorrt_bindings.tensorrt as trt

def public(names):
    return sorted(name for name in names if not name.startswith("_"))

def look(scope, prefix, classes, enums):
    for name in public(vars(scope)):
        value = vars(scope)[name]
        # Some nested enums are named twice: by themselves and by an older name.
        if not isinstance(value, type) or f"{prefix}{name}" in {**classes, **enums}:
            continue
        members = getattr(value, "__members__", None)
        if members is not None:
            enums[f"{prefix}{name}"] = sorted(members)
            continue
        classes[f"{prefix}{name}"] = public(dir(value))
        look(value, f"{prefix}{name}.", classes, enums)

classes, enums = {}, {}
look(trt, "", classes, enums)
functions = [n for n in public(vars(trt)) if callable(getattr(trt, n))]
functions = [n for n in functions if not isinstance(getattr(trt, n), type)]
print(json.dumps({"classes": classes, "enums": enums, "functions": functions}))
"""


def main(wheels: list[str]) -> None:
    """Write a list for each wheel."""
    for wheel in wheels:
        found = re.fullmatch(r"(\w+)-([\d.]+)-.*\.whl", Path(wheel).name)
        if found is None:
            raise SystemExit(f"{wheel}: expected a wheel of tensorrt bindings")
        package, version = found.groups()
        names = recorded(Path(wheel))
        short = ".".join(version.split(".")[:2])
        text = json.dumps(
            {"package": package, "version": version, **names}, indent=1, sort_keys=True
        )
        (HERE / f"{short}.json").write_text(f"{text}\n", encoding="utf-8")


def recorded(wheel: Path) -> dict[str, object]:
    """Return the names that the bindings in ``wheel`` have."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        (binary,) = (folder / "tensorrt_bindings").glob("tensorrt*.so")
        _write_stubs(binary, folder)
        # The package's own __init__ loads libraries that are not there.
        (folder / "tensorrt_bindings" / "__init__.py").write_text("")
        done = subprocess.run(
            [sys.executable, "-c", _LOOK, str(folder)],
            env={**os.environ, "LD_LIBRARY_PATH": str(folder)},
            capture_output=True,
            check=True,
            text=True,
        )
    names: dict[str, object] = json.loads(done.stdout)
    return names


def _write_stubs(binary: Path, folder: Path) -> None:
    """Write empty libraries under the names that ``binary`` is linked to."""
    line = ["nm", "-D", "--undefined-only", str(binary)]
    listed = subprocess.run(line, capture_output=True, check=True, text=True).stdout
    # Symbols of the system's libraries carry a version, after an @.
    missing = re.findall(r" [Uw] ((?!_?Py)\w+)$", listed, re.MULTILINE)
    source = folder / "stub.c"
    source.write_text(
        "".join(f"void *{name}(void) {{ return 0; }}\n" for name in missing)
    )
    for library in set(re.findall(rb"libnv\w+\.so\.\d+", binary.read_bytes())):
        out = folder / library.decode()
        line = ["gcc", "-w", "-shared", "-fPIC", "-o", str(out), str(source)]
        subprocess.run([*line, f"-Wl,-soname,{out.name}"], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
