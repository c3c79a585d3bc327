"""A file played as though it were live."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_affect.clock import NS_PER_MS, NS_PER_S, SimClock
from edge_affect.errors import UsageError
from edge_affect.sources.base import iterate
from edge_affect.sources.media import MediaSource
from edge_affect.sources.replay import ReplaySource
from edge_affect.types import AudioChunk, Frame
from tests.fakes.media_files import click, write_clip, write_pictures

START_NS = 77 * NS_PER_S


def _played(
    path: Path, timeout_ns: int, speed: float = 1.0
) -> list[tuple[int, Frame | AudioChunk]]:
    """Return each item with the time at which it was handed over."""
    clock = SimClock(START_NS)
    with ReplaySource(MediaSource(path), clock, speed) as source:
        return [(clock.now_ns(), item) for item in iterate(source, timeout_ns)]


def test_replay_delivers_each_item_when_it_arrives(tmp_path: Path) -> None:
    """The clock stands at the item's arrival, and distances are the file's."""
    path = write_clip(tmp_path / "a.mkv", sound=click(0.5))
    with MediaSource(path) as source:
        original = list(iterate(source, 0))
    played = _played(path, NS_PER_S)
    shift_ns = START_NS - original[0].t_arrival_ns
    assert len(played) == len(original)
    for (now_ns, item), before in zip(played, original, strict=True):
        assert type(item) is type(before)
        assert item.index == before.index
        assert item.t_arrival_ns == now_ns == before.t_arrival_ns + shift_ns
        assert item.t_capture_ns == before.t_capture_ns + shift_ns


def test_replay_is_the_same_however_often_it_is_asked(tmp_path: Path) -> None:
    """Short time-outs give None in between, never other items or times."""
    path = write_pictures(tmp_path / "a.mp4", 10)
    patient = [item.t_arrival_ns for _, item in _played(path, NS_PER_S)]
    hasty = [item.t_arrival_ns for _, item in _played(path, NS_PER_MS)]
    assert hasty == patient


def test_replay_waits_no_longer_than_asked(tmp_path: Path) -> None:
    """Before an item is due, read comes back after the time-out."""
    clock = SimClock(START_NS)
    path = write_clip(tmp_path / "a.mkv", frame_ms=[0, 900])
    with ReplaySource(MediaSource(path), clock) as source:
        assert source.read(0) is not None
        assert source.read(100 * NS_PER_MS) is None
        assert clock.now_ns() == START_NS + 100 * NS_PER_MS
        assert not source.ended
        assert source.read(NS_PER_S) is not None
        assert clock.now_ns() == START_NS + 900 * NS_PER_MS


def test_replay_plays_faster(tmp_path: Path) -> None:
    """At twice the speed the distances are half."""
    path = write_clip(tmp_path / "a.mkv", frame_ms=[0, 100, 300])
    arrivals = [item.t_arrival_ns - START_NS for _, item in _played(path, NS_PER_S, 2)]
    assert arrivals == [0, 50 * NS_PER_MS, 150 * NS_PER_MS]


def test_replay_is_live(tmp_path: Path) -> None:
    """It says of itself what a live source says."""
    with ReplaySource(
        MediaSource(write_pictures(tmp_path / "a.mp4")), SimClock()
    ) as it:
        assert it.info.live
        assert it.info.name == "a.mp4"


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
def test_replay_refuses_a_speed_that_goes_nowhere(speed: float) -> None:
    """A speed is a number above 0."""
    with pytest.raises(UsageError, match="speed"):
        ReplaySource(MediaSource("a.mp4"), SimClock(), speed)
