"""The model card: figures of a result file in their places."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.model_card import PROSE, card_of, figures_table
from benchmarks.records import Record, Result, load_result
from edge_affect.errors import DataError

ROOT = Path(__file__).resolve().parents[3]
RESULT = ROOT / "benchmarks" / "results" / "accuracy.json"
OURS = Record(
    metric="recall",
    value=0.9,
    set="scenes",
    split="covered",
    head="locator",
    stage="locator",
    low=0.88,
    high=0.92,
    n=400,
    model="ours-s",
    target="cpu-int8",
)
PEER = replace(OURS, value=0.6, model="yunet", target=None)
LEAD = replace(OURS, value=0.3, low=0.25, high=0.35, against="yunet")


def test_figures_stand_beside_their_peers() -> None:
    """One row: ours with its interval, the peer, and by how much ours leads."""
    row = figures_table([OURS, PEER, LEAD], ["locator"]).splitlines()[-1]
    assert row == (
        "| scenes covered, locator (n = 400) | locator: recall "
        "| 0.900 (0.880 to 0.920) | yunet 0.600; ours less it 0.300 (0.250 to 0.350) |"
    )


def test_figures_leave_other_heads_and_single_units_out() -> None:
    """A speaker's own figure, and what is about another head, are not in the table."""
    speaker = replace(OURS, split="covered/a")
    voice = replace(OURS, head="voice")
    assert figures_table([speaker, voice], ["locator"]).count("\n") == 1


def test_card_fills_every_place() -> None:
    """Nothing of the marks is left, and the bundle is named."""
    bundle = {"name": "edge-affect-s", "version": "0.3.0", "digest": "abc"}
    result = Result({}, {"bundle": bundle, "target": "cpu-int8"}, (OURS,))
    page = card_of("<!-- bundle -->\n\n<!-- figures: locator -->\n", result, "a.json")
    assert "`edge-affect-s` 0.3.0" in page
    assert "0.900" in page
    assert "<!--" not in page


def test_card_of_another_result_is_refused() -> None:
    """A comparison measures two bundles: it is no card's."""
    with pytest.raises(DataError, match=r"run\.bundle"):
        card_of("<!-- bundle -->", Result({}, {}, ()), "a.json")


def test_model_card_is_what_the_results_say() -> None:
    """The committed page is what the committed figures of the shipped bundle give."""
    page = (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8")
    prose = PROSE.read_text(encoding="utf-8")
    assert page == card_of(prose, load_result(RESULT), RESULT.name)
    shipped = json.loads(RESULT.read_text(encoding="utf-8"))["run"]["bundle"]
    assert shipped["name"] in page
