"""Figures on the simulated driver: which rows are judged, and against what."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import drives
from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.split import Split
from benchmarks.subject import Subject
from edge_affect.commands.terminal import Terminal
from edge_affect.sources.simulated import SimulatedSource
from edge_affect.types import Estimate, Health, HealthState

CELL_NS = 33_333_333


def _measure(subject: Subject) -> list[Record]:
    split = Split(subject, "sim_A", "test", "affect")
    progress = Progress(Terminal(io.StringIO(), {}))
    return drives.measure_drives(split, Path(), progress)


def test_drives_are_judged_by_drive_through_the_whole_stream(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each drive is a unit; a model that always says the same has no concordance."""
    monkeypatch.setattr(drives, "DRIVES", 2)
    monkeypatch.setattr(drives, "DRIVE_S", 1.0)
    records = _measure(subject)
    assert [(r.head, r.metric, r.stage) for r in records if r.split == "test"] == [
        *((axis, *figure) for axis in ("valence", "arousal") for figure in _FIGURES),
        ("valence", "ratio", "affect"),
    ]
    assert [r.split for r in records[:3]] == ["test", "test/00", "test/01"]
    assert all(abs(r.value) < 0.2 for r in records if r.metric == "ccc")
    assert [r.value for r in records[-3:]] == [1, 1, 1]
    assert records[0].n == 2 * (30 - drives.SETTLED_CELLS)


_FIGURES = (("ccc", "affect"), ("ccc", "affect+ahead"), ("ratio", "affect+std"))


def _oracle(monkeypatch: pytest.MonkeyPatch, *, spread: float, told: int) -> None:
    """Put a stream in place that knows the truth; it tells every ``told``-th cell."""

    def analyze(source: SimulatedSource, **_: object) -> Iterator[Estimate]:
        for index in range(70):
            t_ns = index * CELL_NS
            now = source.truth_at(t_ns)
            later = source.truth_at(t_ns + 333_000_000)
            values: dict[str, Any] = {
                "valence": now.valence + 0.1,
                "arousal": now.arousal,
                "valence_std": spread,
                "arousal_std": spread,
                "valence_ahead": later.valence,
                "arousal_ahead": later.arousal,
            }
            known = values if index % told == 0 else {}
            health = Health(HealthState.OK, HealthState.OK)
            yield Estimate(index, t_ns, t_ns / 1e6, 0.0, False, 0, health, **known)

    monkeypatch.setattr(drives, "analyze", analyze)


def _whole(records: list[Record]) -> dict[tuple[str | None, ...], float]:
    return {(r.head, r.metric, r.stage): r.value for r in records if r.split == "test"}


def test_drives_judge_ahead_and_spread_against_the_truth_then(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ahead is judged on what comes, and a spread below the error holds no truth."""
    _oracle(monkeypatch, spread=0.05, told=1)
    found = _whole(_measure(subject))
    assert found["valence", "ccc", "affect+ahead"] == pytest.approx(1.0)
    assert found["arousal", "ccc", "affect"] == pytest.approx(1.0)
    assert found["valence", "ccc", "affect"] < 1.0
    assert found["valence", "ratio", "affect+std"] == 0.0
    assert found["arousal", "ratio", "affect+std"] == 1.0
    _oracle(monkeypatch, spread=0.11, told=1)
    assert _whole(_measure(subject))["valence", "ratio", "affect+std"] == 1.0


def test_drives_gain_nothing_by_silence(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half the cells without a value lower every figure, though the rest are right."""
    _oracle(monkeypatch, spread=1.0, told=2)
    found = _whole(_measure(subject))
    assert found.pop(("valence", "ratio", "affect")) == 0.5
    assert found["arousal", "ratio", "affect+std"] == 0.5
    assert found["arousal", "ccc", "affect"] < 0.9
    assert found["arousal", "ccc", "affect+ahead"] < 0.9
