"""The whole path on real clips: one estimate per cell, in order, in range."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge_affect.cli import main
from edge_affect.realtime.stream import AffectStream
from edge_affect.sinks.jsonl import read_record
from edge_affect.sources.simulated import SimulatedSource

CELL_S = 1 / 30
FACE_APPEARS = 96
"""Frame of ``noface_face.mov`` at which a face cuts in."""
FOUND_WITHIN = 10
"""Cells from a face's first frame until it must be ``ok``."""
OK_SHARE = 0.95

av = pytest.importorskip("av", reason="av is not installed")


def _video_times(clip: Path) -> list[float]:
    """Return the time of each frame from the first, s."""
    with av.open(str(clip)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    return [t - times[0] for t in times]


def _run(clip: Path, folder: Path) -> list[dict[str, Any]]:
    record = folder / "est.jsonl"
    arguments = ["run", str(clip), "--purpose", "research", "--out", str(record)]
    assert main(arguments) == 0
    return read_record(record)[1]


def _clips(data_root: Path) -> list[Path]:
    return sorted(p for p in (data_root / "clips").iterdir() if p.suffix != ".jpg")


def _check_values(line: dict[str, Any]) -> None:
    for key in ("valence", "arousal", "valence_ahead", "arousal_ahead"):
        assert line[key] is None or -1 <= line[key] <= 1
    for key in ("valence_std", "arousal_std"):
        assert line[key] is None or (line[key] > 0 and math.isfinite(line[key]))
    assert line["confidence"] is None or 0 <= line["confidence"] <= 1
    if line["expression"] is not None:
        assert math.isclose(sum(line["expression"].values()), 1, abs_tol=1e-6)


def test_run_gives_one_estimate_per_cell_of_every_clip(
    data_root: Path, tmp_path: Path
) -> None:
    """Thirty estimates a second of clip, numbered, rising, finite and in range."""
    for clip in _clips(data_root):
        lines = _run(clip, tmp_path)
        assert [line["index"] for line in lines] == list(range(len(lines)))
        cells = math.floor(_video_times(clip)[-1] / CELL_S + 0.5) + 1
        # The last frame may have moved on, its own cell being taken.
        assert cells <= len(lines) <= cells + 1, clip.name
        assert all(a["t_ms"] < b["t_ms"] for a, b in pairwise(lines))
        for line in lines:
            _check_values(line)


def test_run_holds_the_face_of_every_frontal_clip(
    data_root: Path, tmp_path: Path
) -> None:
    """Each speaker's face is ``ok`` in at least 95 % of the cells."""
    clips = [clip for clip in _clips(data_root) if clip.name.startswith("grid_")]
    assert clips
    for clip in clips:
        states = [line["health"]["face"] for line in _run(clip, tmp_path)]
        assert states.count("ok") >= OK_SHARE * len(states), clip.name


def test_run_sees_no_face_where_there_is_none(data_root: Path, tmp_path: Path) -> None:
    """Lost in every cell before the face cuts in, and ``ok`` soon after."""
    clip = data_root / "clips" / "noface_face.mov"
    appears = math.floor(_video_times(clip)[FACE_APPEARS] / CELL_S + 0.5)
    states = [line["health"]["face"] for line in _run(clip, tmp_path)]
    assert set(states[:appears]) == {"lost"}
    assert states[appears + FOUND_WITHIN] == "ok"


def test_demo_driver_is_held() -> None:
    """The demo's driver is ``ok`` in at least 95 % of the cells, and accounted for."""
    source = SimulatedSource()
    with AffectStream(source, purpose="research") as stream:
        estimates = list(stream)
        stats = stream.stats
    assert len(estimates) == 600
    assert stats.face_ok_share >= OK_SHARE
    assert stats.captured == stats.processed + sum(stats.dropped.values())
