"""Bundles with more than the tiny one has."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from edge_affect.model.golden import GOLDEN_FILE, play
from edge_affect.runners.base import GraphFile
from edge_affect.runners.onnxruntime import OnnxRunner

TINY = Path(__file__).resolve().parents[1] / "data" / "tiny_bundle"


TENSORRT = ("trt-int8", "trt-fp16")


def two_target_bundle(folder: Path) -> Path:
    """Write the tiny bundle with graphs for cpu-int8 beside those for cpu-fp32."""
    return bundle_with(folder, ("cpu-int8",))


def bundle_with(folder: Path, targets: tuple[str, ...]) -> Path:
    """Write the tiny bundle with graphs for more targets beside those for cpu-fp32.

    They are float graphs too, with one weight altered for each: a test sees which ones
    ran. Types are the business of the workshop's own tests.
    """
    shutil.copytree(TINY, folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    for graph, entries in manifest["graphs"].items():
        plain = (folder / entries["cpu-fp32"]["file"]).read_bytes()
        for number, target in enumerate(targets):
            content = bytearray(plain)
            # The weights fill the middle of each file.
            content[len(content) // 2 + 4 * number] ^= 1
            file = f"{graph}.{target}.onnx"
            (folder / file).write_bytes(content)
            entries[target] = {
                "file": file,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def golden_bundle(
    folder: Path, version: str = "1.0.0", *, wrong_by: float = 0.0, name: str = "tiny"
) -> Path:
    """Write the tiny bundle with golden inputs, as ``python -m deploy pack`` would.

    Args:
        folder: Where to; it is made.
        version: MAJOR.MINOR.PATCH; each gives a digest of its own.
        wrong_by: Added to every golden output.
        name: Name of the bundle.
    """
    shutil.copytree(TINY, folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    content = _golden(folder, manifest["graphs"], wrong_by)
    (folder / GOLDEN_FILE).write_bytes(content)
    manifest |= {
        "schema": 2,
        "name": name,
        "version": version,
        "golden": {
            "file": GOLDEN_FILE,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "tolerances": {"cpu-fp32": 1e-3},
        },
    }
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _golden(folder: Path, graphs: dict[str, Any], wrong_by: float) -> bytes:
    files = [
        GraphFile(name, (folder / targets["cpu-fp32"]["file"]).read_bytes())
        for name, targets in graphs.items()
    ]
    runner = OnnxRunner(files)
    random = np.random.default_rng(5)
    arrays: dict[str, Any] = {}
    for graph, signature in runner.signatures.items():
        inputs = {
            name: random.normal(size=(3, *shape)).astype(np.float32)
            for name, shape in signature.inputs.items()
        }
        outputs = play(runner, graph, inputs)
        arrays |= {f"{graph}.in.{name}": values for name, values in inputs.items()}
        arrays |= {f"{graph}.out.{n}": v + wrong_by for n, v in outputs.items()}
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def zipped(folder: Path, out: Path) -> Path:
    """Put the files of a bundle into one archive."""
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return out
