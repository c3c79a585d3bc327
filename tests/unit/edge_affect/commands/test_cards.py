from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_affect.cli import main
from edge_affect.commands.cards import columns

TINY = Path(__file__).resolve().parents[3] / "data" / "tiny_bundle"


def test_inspect_shows_a_bundle_s_card(capsys: pytest.CaptureFixture[str]) -> None:
    """Heads, labels, teachers, graphs, timing and trust are on the card."""
    assert main(["inspect", str(TINY)]) == 0
    out = capsys.readouterr().out
    for part in ("tiny 0.0.1", "expression", "taught by", "contempt", "cpu-fp32"):
        assert part in out
    assert "30 cells per second; voice hop 100 ms" in out
    assert "not shipped with this edge_affect" in out


def test_inspect_answers_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs read the manifest with the digest."""
    assert main(["inspect", str(TINY), "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    manifest = json.loads((TINY / "manifest.json").read_text())
    assert card["name"] == manifest["name"]
    assert card["heads"]["expression"]["labels"] == list(
        manifest["heads"]["expression"]["labels"]
    )
    assert len(card["digest"]) == 64


def test_verify_needs_leave_for_a_bundle_that_was_not_shipped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Sound digests are not trust; the flag is named."""
    assert main(["verify", str(TINY)]) == 1
    assert "--allow-unsigned" in capsys.readouterr().err
    assert main(["verify", str(TINY), "--allow-unsigned"]) == 0
    assert "tiny 0.0.1: 3 graph files" in capsys.readouterr().out


def test_inspect_of_no_bundle_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A directory without a manifest is refused."""
    assert main(["inspect", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_columns_are_as_wide_as_they_must_be() -> None:
    """Empty columns go, numbers stand right, a table without rows says so."""
    lines = columns(("a", "b", "n"), [("x", "", "1"), ("yyy", "", "22")], right=(2,))
    assert lines == ["  a     n", "  x     1", "  yyy  22"]
    assert columns(("a",), []) == ["  none"]
