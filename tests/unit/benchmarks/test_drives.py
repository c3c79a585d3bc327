"""Figures on the simulated driver: which rows are judged, and against what."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import drives
from benchmarks.progress import Progress
from benchmarks.split import Split
from benchmarks.subject import Subject
from edge_affect.commands.terminal import Terminal


def test_drives_are_judged_by_drive_through_the_whole_stream(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each drive is a unit; a model that always says the same has no concordance."""
    monkeypatch.setattr(drives, "DRIVES", 2)
    monkeypatch.setattr(drives, "DRIVE_S", 1.0)
    split = Split(subject, "sim_A", "test", "affect")
    records = drives.measure_drives(split, Path(), Progress(Terminal(sys.stderr)))
    ccc = [r for r in records if r.metric == "ccc"]
    assert [(r.head, r.split) for r in ccc] == [
        (axis, part)
        for axis in ("valence", "arousal")
        for part in ("test", "test/00", "test/01")
    ]
    told = [r.value for r in records if r.metric == "ratio"]
    assert told == [1, 1, 1]
    assert all(abs(r.value) < 0.2 for r in ccc)
    assert records[0].n == 2 * (30 - drives.SETTLED_CELLS)
