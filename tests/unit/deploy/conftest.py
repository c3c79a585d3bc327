"""Exported graphs as the exporter leaves them, made of the tiny bundle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from deploy.pack import CARD_KEYS

TINY = Path(__file__).resolve().parents[2] / "data" / "tiny_bundle"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Return a folder with graphs and card."""
    folder = tmp_path / "export"
    folder.mkdir()
    for path in TINY.glob("*.onnx"):
        shutil.copy(path, folder)
    manifest = json.loads((TINY / "manifest.json").read_bytes())
    card = {key: manifest[key] for key in CARD_KEYS}
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return folder
