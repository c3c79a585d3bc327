"""Every real clip through the command line, and the demo: what a user is promised."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import edge_affect as ea
from edge_affect import bundles, cli
from edge_affect.model.bundle import shipped_folder
from edge_affect.sinks.jsonl import read_record
from edge_affect.sources.simulated import SimulatedSource
from edge_affect.types import HealthState

av = pytest.importorskip("av", reason="PyAV is not installed")
pytestmark = pytest.mark.skipif(
    not shipped_folder(bundles.DEFAULT).is_dir(), reason="no bundle is shipped"
)

Line = Mapping[str, Any]

GRID_CLIPS = tuple(
    f"grid_{name}.mpg"
    for name in ("bbaf2n", "brbk7n", "lbax4n", "lbbc2a", "lrwp9a", "lwbsza")
)
FACE_ENTERS = "noface_face.mov"
CLIPS = (*GRID_CLIPS, FACE_ENTERS, "pexels_silent.mp4")
PICTURE = "multi_face.jpg"
"""The one still among the clips."""
ENTRY_FRAME = 96
"""Frame of ``FACE_ENTERS`` from which the face is there."""
CELL_HZ = 30
SIGNED = ("valence", "arousal", "valence_ahead", "arousal_ahead")
SPREADS = ("valence_std", "arousal_std")
RunClip = Callable[[str], list[Line]]


@dataclass(frozen=True, slots=True)
class Video:
    """What PyAV says of a clip's pictures."""

    duration_s: float
    """Length of the video track, s."""
    times_s: tuple[float, ...]
    """Presentation time of each frame, s."""


def read_video(path: Path) -> Video:
    """Return the times of a clip, read without the code under test."""
    with av.open(str(path)) as container:
        track = container.streams.video[0]
        times = tuple(float(frame.time) for frame in container.decode(track))
        return Video(float(track.duration * track.time_base), times)


@pytest.fixture(scope="module")
def clips(data_root: Path) -> Path:
    """Return the folder of clips."""
    return data_root / "clips"


@pytest.fixture(scope="module")
def run_clip(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> RunClip:
    """Return what runs a clip through the command line, once for all tests."""
    folder = tmp_path_factory.mktemp("records")
    records: dict[str, list[Line]] = {}

    def run(name: str) -> list[Line]:
        if name not in records:
            clip, out = clips / name, folder / f"{name}.jsonl"
            if not clip.exists():
                pytest.skip(f"the data root has no clips/{name}")
            purpose = ("--purpose", "research")
            assert cli.main(["run", str(clip), *purpose, "--out", str(out)]) == 0
            records[name] = list(read_record(out)[1])
        return records[name]

    return run


def face_ok_share(lines: list[Line]) -> float:
    """Return the share of cells whose face is ``ok``."""
    faces = [line["health"]["face"] for line in lines]
    return faces.count("ok") / len(faces)


def check_values(line: Line) -> None:
    """Check that whatever an estimate tells is finite and in range."""
    told = {name: line[name] for name in (*SIGNED, *SPREADS, "confidence")}
    if line["health"]["face"] == "ok":
        assert None not in told.values()
        assert line["expression"] is not None
    for name, value in told.items():
        if value is None:
            continue
        assert math.isfinite(value)
        if name in SPREADS:
            assert value > 0
        else:
            assert (0 if name == "confidence" else -1) <= value <= 1
    if line["expression"] is not None:
        shares = line["expression"].values()
        assert all(0 <= share <= 1 for share in shares)
        assert math.isclose(sum(shares), 1, abs_tol=1e-6)


@pytest.mark.parametrize("name", CLIPS)
def test_clip_gives_one_estimate_per_cell(
    name: str, clips: Path, run_clip: RunClip
) -> None:
    """Cells are counted without a gap, thirty for each second of the video."""
    lines = run_clip(name)
    video = read_video(clips / name)
    assert [line["index"] for line in lines] == list(range(len(lines)))
    assert abs(len(lines) - CELL_HZ * video.duration_s) <= 1
    assert all(a["t_ms"] < b["t_ms"] for a, b in pairwise(lines))
    assert all(
        line["index"] == math.floor(line["t_ms"] * CELL_HZ / 1_000)
        for line in lines
        if line["held"]
    )


@pytest.mark.parametrize("name", [*CLIPS, PICTURE])
def test_clip_gives_values_in_range(name: str, run_clip: RunClip) -> None:
    """Every number that is told is finite and in its range; a face tells them all."""
    lines = run_clip(name)
    assert lines
    for line in lines:
        check_values(line)


@pytest.mark.parametrize("name", CLIPS)
def test_clip_accounts_for_every_frame(
    name: str, clips: Path, run_clip: RunClip
) -> None:
    """As many frames as PyAV decodes were used once or dropped for a reason."""
    lines = run_clip(name)
    used = [line["frame"] for line in lines if line["frame"] is not None]
    assert all(a < b for a, b in pairwise(used))
    dropped = sum(lines[-1]["dropped"].values())
    assert len(read_video(clips / name).times_s) == len(used) + dropped


@pytest.mark.parametrize("name", GRID_CLIPS)
def test_clip_of_a_speaker_has_its_face_and_voice(name: str, run_clip: RunClip) -> None:
    """A frontal face is ``ok`` in at least 95 % of the cells, and sound is used."""
    lines = run_clip(name)
    assert face_ok_share(lines) >= 0.95
    assert sum(line["hop"] is not None for line in lines) > len(lines) / 2


def test_clip_whose_face_enters_is_lost_until_then(
    clips: Path, run_clip: RunClip
) -> None:
    """No cell before the cut claims a face; within ten cells after it, one has it."""
    lines = run_clip(FACE_ENTERS)
    times_s = read_video(clips / FACE_ENTERS).times_s
    # The grid has the first frame in the middle of cell 0.
    entry_ms = (times_s[ENTRY_FRAME] - times_s[0] + 0.5 / CELL_HZ) * 1_000
    before = [line for line in lines if line["t_ms"] < entry_ms - 1]
    after = lines[len(before) :]
    assert len(before) > 100
    assert {line["health"]["face"] for line in before} == {"lost"}
    assert "ok" in [line["health"]["face"] for line in after[:10]]


def test_picture_gives_one_estimate(run_clip: RunClip) -> None:
    """A still of several people is a clip of one cell with a face."""
    lines = run_clip(PICTURE)
    assert [line["health"]["face"] for line in lines] == ["ok"]


def test_clips_are_all_run(clips: Path) -> None:
    """No clip of the data root is missing from the tests above."""
    assert {path.name for path in clips.iterdir()} <= {*CLIPS, PICTURE}


@pytest.mark.slow
def test_demo_has_its_face() -> None:
    """The driver of the demo is seen in at least 95 % of twenty seconds' cells."""
    source = SimulatedSource(duration_s=20)
    with ea.AffectStream(source, purpose="research") as stream:
        estimates = list(stream)
        stats = stream.stats
    assert len(estimates) == 600
    ok = sum(e.health.face is HealthState.OK for e in estimates)
    assert ok >= 0.95 * len(estimates)
    assert stats.captured == 600
    assert stats.captured == stats.processed + sum(stats.dropped.values())
