from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[2] / "data"


def test_committed_test_graphs_are_what_their_script_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``python tests/data/regenerate.py`` gives the committed files, byte for byte."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    script = runpy.run_path(str(DATA / "regenerate.py"))
    monkeypatch.setitem(script["main"].__globals__, "HERE", tmp_path)
    script["main"]()
    made = sorted(tmp_path.glob("*/*"))
    assert len(made) == 10
    for path in made:
        committed = DATA / path.relative_to(tmp_path)
        assert path.read_bytes() == committed.read_bytes(), path.name
