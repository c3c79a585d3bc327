"""A tiny bundle with random weights, and altered copies of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TINY = Path(__file__).resolve().parents[3] / "data" / "tiny_bundle"
Edit = Callable[[Callable[[dict[str, Any]], object]], Path]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Return a copy of the tiny bundle that a test may damage."""
    return Path(shutil.copytree(TINY, tmp_path / "tiny"))


@pytest.fixture
def edited(tiny: Path) -> Edit:
    """Return a function that alters the copy's manifest and returns the copy."""

    def edit(change: Callable[[dict[str, Any]], object]) -> Path:
        path = tiny / "manifest.json"
        manifest = json.loads(path.read_bytes())
        change(manifest)
        path.write_text(json.dumps(manifest), encoding="utf-8")
        return tiny

    return edit
