"""The simulated driver as a source: times, order, pacing."""

from __future__ import annotations

import threading
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_affect.clock import NS_PER_MS, NS_PER_S, SimClock, SystemClock
from edge_affect.errors import StreamStateError, UsageError
from edge_affect.sources.base import iterate
from edge_affect.sources.simulated import (
    SimulatedSource,
    StillRenderer,
    Truth,
    driver_from_seed,
)
from edge_affect.sources.simulated.source import AUDIO_LATENCY_NS, DEFAULT_START_NS
from edge_affect.sources.simulated.timing import FrameTimes
from edge_affect.types import AudioChunk, Frame

STILL = StillRenderer(np.full((24, 32, 3), 90, np.uint8))
PPM = 1e-6
HOUR_S = 3600


class _Witness:
    """Draws nothing, and keeps what it was asked to draw."""

    def __init__(self) -> None:
        self.seen: list[tuple[Truth, int]] = []

    def render(self, truth: Truth, index: int) -> NDArray[np.uint8]:
        self.seen.append((truth, index))
        return np.zeros((16, 16, 3), np.uint8)


def _source(**changes: Any) -> SimulatedSource:
    settings: dict[str, Any] = {"renderer": STILL, "duration_s": 1.0}
    return SimulatedSource(**settings | changes)


def _items(source: SimulatedSource) -> tuple[list[Frame], list[AudioChunk]]:
    with source:
        items = list(iterate(source, NS_PER_S))
    frames = [item for item in items if isinstance(item, Frame)]
    return frames, [item for item in items if isinstance(item, AudioChunk)]


def _times(items: tuple[list[Frame], list[AudioChunk]]) -> list[tuple[int, int]]:
    both: list[Frame | AudioChunk] = [*items[0], *items[1]]
    return [(item.t_capture_ns, item.t_arrival_ns) for item in both]


def test_source_is_the_seed_s_alone() -> None:
    """The same seed films the same bytes with the same times."""
    runs = [_items(SimulatedSource(11, 0.3, size=(160, 120))) for _ in range(2)]
    assert _times(runs[0]) == _times(runs[1])
    for one, other in zip(runs[0][0], runs[1][0], strict=True):
        assert np.array_equal(one.data, other.data)
    for chunk, again in zip(runs[0][1], runs[1][1], strict=True):
        assert np.array_equal(chunk.samples, again.samples)
    other_seed, _ = _items(SimulatedSource(12, 0.1, size=(160, 120)))
    assert not np.array_equal(runs[0][0][0].data, other_seed[0].data)


def test_source_stamps_frames_and_chunks() -> None:
    """Frames come every period from the start, sound in chunks of 20 ms."""
    frames, chunks = _items(_source())
    assert len(frames) == 30
    assert len(chunks) == 50
    period = Fraction(NS_PER_S, 30)
    expected = [DEFAULT_START_NS + int(n * period) for n in range(30)]
    assert [frame.t_capture_ns for frame in frames] == expected
    assert {f.t_arrival_ns - f.t_capture_ns for f in frames} == {30 * NS_PER_MS}
    assert {c.t_arrival_ns - c.t_capture_ns for c in chunks} == {
        20 * NS_PER_MS + AUDIO_LATENCY_NS
    }
    assert [chunk.index for chunk in chunks] == list(range(50))
    assert sum(len(chunk.samples) for chunk in chunks) == 16_000


def test_source_shows_the_truth_of_the_capture() -> None:
    """Each frame is drawn with the state at its own capture time."""
    witness = _Witness()
    source = _source(renderer=witness, jitter_ns=3 * NS_PER_MS)
    frames, _ = _items(source)
    assert [index for _, index in witness.seen] == [frame.index for frame in frames]
    for frame, (truth, _) in zip(frames, witness.seen, strict=True):
        assert source.truth_at(frame.t_capture_ns) == truth


def test_source_without_sound_has_frames_alone() -> None:
    """With ``audio=False`` no chunk comes, and info says so."""
    source = _source(audio=False)
    frames, chunks = _items(source)
    assert len(frames) == 30
    assert not chunks
    assert not source.info.has_audio


@pytest.mark.parametrize(
    ("fps", "count"), [(15, 15), (25, 25), (60, 60), (29.97, 30), (Fraction(1, 2), 1)]
)
def test_source_runs_at_any_rate(fps: float | Fraction, count: int) -> None:
    """As many frames come as begin within the duration."""
    frames, _ = _items(_source(fps=fps))
    assert len(frames) == count


def test_source_last_chunk_may_be_short() -> None:
    """Sound ends with the duration, to the sample."""
    _, chunks = _items(_source(duration_s=0.05))
    assert [len(chunk.samples) for chunk in chunks] == [320, 320, 160]


def test_source_of_no_length_has_ended() -> None:
    """Nothing is to be read from a source of 0 s."""
    with _source(duration_s=0.0) as source:
        assert source.ended
        assert source.read(0) is None


def test_source_without_duration_goes_on() -> None:
    """``duration_s=None`` never ends and tells no length."""
    with _source(duration_s=None) as source:
        assert source.info.duration_ns is None
        items = [source.read(0) for _ in range(4_000)]
        assert None not in items
        assert not source.ended


def test_source_drifts_as_told() -> None:
    """Over an hour, 100 ppm are 10.8 frames' times, and no frame is lost."""
    times = FrameTimes(Fraction(30), rate_ppm=100.0)
    last = times.capture_ns(30 * HOUR_S)
    assert last == pytest.approx(HOUR_S * NS_PER_S * (1 + 100 * PPM), abs=1)
    source = _source(duration_s=HOUR_S, rate_ppm=-100.0, audio=False)
    count = 0
    with source:
        while not source.ended:
            frame = source.read(0)
            assert isinstance(frame, Frame)
            assert frame.index == count
            count += 1
            if count == 300:  # the rest of the hour is the same arithmetic
                break
    assert source._frames == -(-30 * HOUR_S * 10**6 // (10**6 - 100))


def test_source_jitters_as_told() -> None:
    """Jitter spreads evenly over its bounds, keeps the order, and is the seed's."""
    bound = 3 * NS_PER_MS
    regular = FrameTimes(Fraction(30))
    times = FrameTimes(Fraction(30), jitter_ns=bound, seed=5)
    captures = [times.capture_ns(n) for n in range(3_000)]
    moved = np.array([t - regular.capture_ns(n) for n, t in enumerate(captures)])
    assert np.abs(moved).max() <= bound
    assert np.abs(moved).max() > 0.98 * bound
    assert abs(moved.mean()) < 0.1 * bound
    assert moved.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)
    assert all(a < b for a, b in pairwise(captures))
    again = FrameTimes(Fraction(30), jitter_ns=bound, seed=5)
    assert [again.capture_ns(n) for n in range(50)] == captures[:50]
    other = FrameTimes(Fraction(30), jitter_ns=bound, seed=6)
    assert [other.capture_ns(n) for n in range(50)] != captures[:50]


def test_source_live_waits_for_each_arrival() -> None:
    """Live, each item is delivered at its arrival, from the clock's time on."""
    clock = SimClock(start_ns=7 * NS_PER_S)
    with _source(live=True, clock=clock) as source:
        items = []
        while not source.ended:
            item = source.read(NS_PER_S)
            assert item is not None
            assert clock.now_ns() == item.t_arrival_ns
            items.append(item)
    first = next(item for item in items if isinstance(item, Frame))
    assert first.t_capture_ns == 7 * NS_PER_S
    assert len(items) == 80
    assert clock.now_ns() >= 8 * NS_PER_S


def test_source_live_and_not_live_give_the_same() -> None:
    """But for the start, a live run delivers what an offline one does."""
    offline = _items(_source())
    live = _items(_source(live=True, clock=SimClock(DEFAULT_START_NS)))
    assert _times(offline) == _times(live)


def test_source_live_gives_up_in_time() -> None:
    """Nothing within the time-out is None; the item comes with a later read."""
    clock = SimClock()
    with _source(live=True, clock=clock, audio=False) as source:
        assert source.read(10 * NS_PER_MS) is None
        assert clock.now_ns() == 10 * NS_PER_MS
        assert not source.ended
        frame = source.read(NS_PER_S)
        assert isinstance(frame, Frame)
        assert frame.index == 0
        assert clock.now_ns() == 30 * NS_PER_MS


def test_source_live_loses_what_nobody_read() -> None:
    """Like a camera with four buffers: a late reader misses the older frames."""
    clock = SimClock()
    with _source(live=True, clock=clock, audio=False, duration_s=2.0) as source:
        assert source.read(NS_PER_S) is not None
        clock.advance_to(NS_PER_S)
        frames = [source.read(NS_PER_S) for _ in range(5)]
    indices = [frame.index for frame in frames if isinstance(frame, Frame)]
    assert indices == list(range(indices[0], indices[0] + 5))
    assert indices[3] == 29  # the newest of those that had arrived
    assert frames[0] is not None
    assert frames[0].t_arrival_ns == NS_PER_S


def test_source_live_read_is_freed_by_close() -> None:
    """A read that waits comes back with None when another thread closes."""
    results: list[object] = []
    clock = SystemClock()
    source = _source(live=True, clock=clock, latency_ns=60 * NS_PER_S, audio=False)
    with source:
        reader = threading.Thread(
            target=lambda: results.append(source.read(50 * NS_PER_S))
        )
        reader.start()
        source.close()
        reader.join(10)
    assert results == [None]


def test_source_closes_early_and_twice() -> None:
    """After closing there is nothing more, however often it is closed."""
    with _source() as source:
        assert source.read(0) is not None
        source.close()
        assert source.ended
        assert source.read(0) is None
        source.close()
    source.close()
    assert source.ended


def test_source_is_for_one_use() -> None:
    """Reading before opening and opening twice are errors of the caller."""
    source = _source()
    with pytest.raises(StreamStateError, match="with"):
        source.read(0)
    with source:
        pass
    with pytest.raises(StreamStateError, match="new source"):
        source.__enter__()


def test_source_live_knows_no_time_before_it_opens() -> None:
    """Truth needs a start; offline it is fixed, live it is the opening."""
    assert _source().truth_at(DEFAULT_START_NS).expression
    with pytest.raises(StreamStateError, match="open"):
        _source(live=True, clock=SimClock()).truth_at(0)


def test_source_takes_other_parts() -> None:
    """A driver made elsewhere is filmed instead of the seed's."""
    driver = driver_from_seed(21, renderer=STILL)
    source = SimulatedSource(3, 0.1, driver=driver)
    assert source.driver is driver
    frames, _ = _items(source)
    assert frames[0].data.shape == (24, 32, 3)
    assert source.truth_at(DEFAULT_START_NS) == driver.script.truth_at(0)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": -1}, "seed"),
        ({"duration_s": -0.1}, "duration_s"),
        ({"duration_s": float("inf")}, "duration_s"),
        ({"duration_s": float("nan")}, "duration_s"),
        ({"fps": 0}, "fps"),
        ({"fps": float("nan")}, "fps"),
        ({"size": (640, 8)}, "size"),
        ({"latency_ns": -1}, "latency_ns"),
        ({"jitter_ns": 17 * NS_PER_MS}, "jitter_ns"),
        ({"jitter_ns": -1}, "jitter_ns"),
        ({"rate_ppm": 2e5}, "rate_ppm"),
        ({"rate_ppm": float("nan")}, "rate_ppm"),
    ],
)
def test_source_refuses_what_no_camera_is(changes: dict[str, Any], named: str) -> None:
    """A value out of range is refused in one line that names it."""
    with pytest.raises(UsageError, match=named) as caught:
        _source(**changes)
    assert "\n" not in str(caught.value)
