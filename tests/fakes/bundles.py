"""Bundles with more than the tiny one has."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

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
