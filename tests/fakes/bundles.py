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


def two_target_bundle(folder: Path) -> Path:
    """Write the tiny bundle with graphs for cpu-int8 beside those for cpu-fp32.

    They are float graphs too, with one weight altered: a test sees which ones ran.
    """
    shutil.copytree(TINY, folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    for graph, targets in manifest["graphs"].items():
        content = bytearray((folder / targets["cpu-fp32"]["file"]).read_bytes())
        content[len(content) // 2] ^= 1  # the weights fill the middle of each file
        file = f"{graph}.cpu-int8.onnx"
        (folder / file).write_bytes(content)
        targets["cpu-int8"] = {
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
