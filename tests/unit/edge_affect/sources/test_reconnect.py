"""A device that is lost, hangs or flaps, and comes back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import edge_affect as ea
from edge_affect.clock import NS_PER_MS, NS_PER_S, SimClock, SystemClock
from edge_affect.errors import SourceError, WrongRateError
from edge_affect.sources.base import Closing, SourceInfo
from edge_affect.sources.camera import CameraSource
from edge_affect.sources.capture import CameraSettings
from edge_affect.sources.given import as_audio, as_source, sound_presence
from edge_affect.sources.reconnect import Reconnecting
from edge_affect.testing import FakeModel, make_chunk, make_frame
from edge_affect.types import AudioChunk, Frame
from tests.fakes.capture import HANG_LIMIT_S, FakeCapture

PERIOD_NS = NS_PER_S // 30
POLL_NS = 100 * NS_PER_MS


class Plug(Closing):
    """A device that is there, gone or silent as a function of time."""

    def __init__(self, clock: SimClock, state: Callable[[int], str], kind: str) -> None:
        self.clock, self.state, self.kind = clock, state, kind
        self.count = 0
        self.closed = False
        self.is_stuck: Callable[[int], bool] = lambda t_ns: False

    @property
    def info(self) -> SourceInfo:
        return SourceInfo("plug", live=True)

    @property
    def ended(self) -> bool:
        return self.closed

    def __enter__(self) -> Plug:
        state = self.state(self.clock.now_ns())
        if state == "gone":
            raise SourceError("plug: cannot be opened")
        if state == "unplugged":
            raise OSError(-9996, "Invalid input device")
        return self

    def read(self, timeout_ns: int) -> Frame | AudioChunk | None:
        now_ns = self.clock.now_ns()
        state = self.state(now_ns)
        if state == "gone":
            raise SourceError("plug: stopped")
        if state == "unplugged":
            raise OSError(-9988, "Stream closed")
        if state == "lies" and self.count > 60:
            raise WrongRateError("plug: gives 44100 samples a second")
        if state == "silent" or timeout_ns < PERIOD_NS:
            self.clock.advance_to(now_ns + timeout_ns)
            return None
        self.clock.advance_to(now_ns + PERIOD_NS)
        self.count += 1
        make = make_frame if self.kind == "video" else make_chunk
        return make(self.count - 1, self.clock.now_ns())

    def close(self) -> None:
        self.closed = True

    @property
    def hangs(self) -> bool:
        return self.closed and self.is_stuck(self.clock.now_ns())


class Bench:
    """A reconnected plug and every item that it gave."""

    def __init__(self, state: Callable[[int], str], kind: str = "video") -> None:
        self.clock = SimClock()
        self.made: list[Plug] = []
        self.tries_ns: list[int] = []
        self.items: list[Frame | AudioChunk] = []
        self.state, self.kind = state, kind
        self.is_stuck: Callable[[int], bool] = lambda t_ns: False
        self.source = Reconnecting(self.make, self.clock)

    def make(self) -> Plug:
        self.tries_ns.append(self.clock.now_ns())
        self.made.append(Plug(self.clock, self.state, self.kind))
        self.made[-1].is_stuck = self.is_stuck
        return self.made[-1]

    def run(self, seconds: float) -> None:
        while self.clock.now_ns() < seconds * NS_PER_S:
            item = self.source.read(POLL_NS)
            if item is not None:
                self.items.append(item)


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def gone(from_s: float, until_s: float) -> Callable[[int], str]:
    """Return a state that is gone for a while."""
    return lambda t_ns: "gone" if from_s <= t_ns / NS_PER_S < until_s else "there"


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_reconnecting_gives_items_again_with_one_count_and_none_from_before(
    kind: str,
) -> None:
    """After 0.4 s without it the device is back, counted on, and a gap is marked."""
    bench = Bench(gone(1, 1.4), kind)
    with bench.source:
        bench.run(4)
    indexes = [item.index for item in bench.items]
    assert indexes == sorted(set(indexes))
    jumps = [
        number
        for number in range(1, len(indexes))
        if indexes[number] != indexes[number - 1] + 1
    ]
    assert len(jumps) == 1
    back = bench.items[jumps[0]]
    assert back.index - indexes[jumps[0] - 1] == 3  # two were held back
    assert back.t_capture_ns < 2.4 * NS_PER_S
    if kind == "audio":
        gaps = [item.gap_before for item in bench.items]  # type: ignore[union-attr]
        assert [number for number, gap in enumerate(gaps) if gap] == jumps


def test_reconnecting_takes_an_error_of_the_system_for_a_loss() -> None:
    """PyAudio tells of a microphone that was pulled out by OSErrors."""
    bench = Bench(
        lambda t_ns: "unplugged" if 1 <= t_ns / NS_PER_S < 1.6 else "there", "audio"
    )
    with bench.source:
        bench.run(4)
    assert len(bench.made) > 2
    assert bench.items[-1].t_capture_ns > 3.9 * NS_PER_S


def test_reconnecting_waits_twice_as_long_after_each_try_up_to_five_seconds() -> None:
    """Tries come after 0.25, 0.5, 1, 2, 4, 5 and 5 s."""
    bench = Bench(gone(1, 100))
    with bench.source:
        bench.run(22)
    tries = bench.tries_ns[1:]
    waits = [(b - a) / NS_PER_S for a, b in pairwise(tries)]
    assert waits == pytest.approx([0.5, 1, 2, 4, 5, 5], abs=0.001)


def test_reconnecting_tries_a_camera_that_shows_up_again_at_once() -> None:
    """However long it was away, it gives frames within 1 s of its return."""
    bench = Bench(gone(1, 61.1))
    bench.source = Reconnecting(
        bench.make,
        bench.clock,
        present=lambda: bench.state(bench.clock.now_ns()) == "there",
    )
    with bench.source:
        bench.run(63)
    back = next(i for i in bench.items if i.t_capture_ns > 2 * NS_PER_S)
    assert back.t_arrival_ns < 62.1 * NS_PER_S


def test_reconnecting_notices_a_silent_device_within_half_a_second() -> None:
    """A device that hangs is closed, and another is opened."""
    bench = Bench(lambda t_ns: "silent" if NS_PER_S <= t_ns < 2 * NS_PER_S else "there")
    with bench.source:
        bench.run(1.35)
        assert len(bench.made) == 1
        bench.run(1.6)
        assert bench.made[0].closed
        bench.run(12)
    assert bench.items[-1].t_capture_ns > 11 * NS_PER_S


def test_reconnecting_does_not_take_its_own_absence_for_the_device_s() -> None:
    """A reader that stood still for a minute, or slept with the machine, reads on."""
    bench = Bench(lambda t_ns: "there")
    with bench.source:
        bench.run(1)
        bench.clock.advance_to(61 * NS_PER_S)
        assert bench.source.read(0) is None  # nothing is there yet, at that instant
        bench.run(63)
    assert len(bench.made) == 1
    assert bench.items[-1].t_capture_ns > 62.9 * NS_PER_S


def test_reconnecting_bounds_what_a_dead_driver_holds_and_never_gives_up() -> None:
    """Four devices hang; a fifth is opened once the driver lets one go."""

    def is_stuck(t_ns: int) -> bool:
        return NS_PER_S <= t_ns < 90 * NS_PER_S

    bench = Bench(lambda t_ns: "silent" if is_stuck(t_ns) else "there")
    bench.is_stuck = bench.made[0].is_stuck = is_stuck
    with bench.source:
        bench.run(80)
        assert len(bench.made) == 4
        assert not bench.source.ended
        bench.run(110)
    assert bench.items[-1].t_capture_ns > 109 * NS_PER_S


def test_reconnecting_hears_a_device_that_lied_about_its_rate_no_second_time() -> None:
    """It is heard until it is found out; tried again, it must prove itself first."""
    bench = Bench(lambda t_ns: "lies", "audio")
    with bench.source:
        bench.run(3)
        heard = len(bench.items)
        assert heard > 30
        bench.run(120)
        assert len(bench.items) == heard
        waits = np.diff(bench.tries_ns[1:]) / NS_PER_S
        assert max(waits) > 5
        bench.state = lambda t_ns: "there"
        bench.run(160)
    assert len(bench.items) > heard + 300


def test_reconnecting_keeps_log_threads_and_files_flat_while_a_device_flaps(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Ten minutes at 1 Hz write at most a line per 10 s."""
    bench = Bench(lambda t_ns: "gone" if t_ns // (NS_PER_S // 2) % 2 else "there")
    threads, files = threading.active_count(), _open_files()
    with caplog.at_level(logging.WARNING), bench.source:
        bench.run(600)
    assert 1 <= len(caplog.records) <= 60
    assert threading.active_count() == threads
    assert _open_files() == files
    assert all(plug.closed for plug in bench.made)


def test_reconnecting_does_not_open_again_once_closed() -> None:
    """Closing while it is lost ends it."""
    bench = Bench(gone(1, 100))
    with bench.source:
        bench.run(3)
    made = len(bench.made)
    bench.source.close()
    assert bench.source.ended
    assert bench.source.read(10 * NS_PER_S) is None
    assert len(bench.made) == made


def test_reconnecting_fails_at_first_if_the_device_cannot_be_opened() -> None:
    """A wrong number is told at once, not tried for ever."""
    bench = Bench(gone(0, 1))
    with pytest.raises(SourceError, match="cannot be opened"):
        bench.source.__enter__()


def test_named_devices_are_reconnected_and_files_are_not() -> None:
    """A recording that fails has no more to give."""
    clock = SimClock()
    assert isinstance(as_source(0, clock), Reconnecting)
    assert isinstance(as_source("rtsp://cam/live", clock), Reconnecting)
    assert isinstance(as_audio("default", clock), Reconnecting)
    assert not isinstance(as_source("drive.mp4", clock), Reconnecting)
    assert not isinstance(as_source("simulated", clock), Reconnecting)
    assert as_audio(None, clock) is None


def test_a_microphone_that_shows_up_again_is_tried_at_once(tmp_path: Path) -> None:
    """The kernel's files tell; a machine without them waits its turn."""
    assert sound_presence(tmp_path / "absent") is None
    for name in ("pcmC0D0c", "pcmC0D0p", "pcmC1D0c"):
        (tmp_path / name).touch()
    present = sound_presence(tmp_path)
    assert present is not None
    bench = Bench(gone(1, 61.1), "audio")
    bench.source = Reconnecting(bench.make, bench.clock, present=present)
    with bench.source:
        bench.run(2)
        (tmp_path / "pcmC1D0c").unlink()
        bench.run(61.1)
        (tmp_path / "pcmC1D0c").touch()
        bench.run(63)
    back = next(i for i in bench.items if i.t_capture_ns > 2 * NS_PER_S)
    assert back.t_arrival_ns < 62.1 * NS_PER_S


def test_closing_a_stream_leaves_no_reader_while_a_lost_camera_is_opening(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Closing wakes the thread that waits for a device that does not open."""
    clock = SystemClock()
    opening, release = threading.Event(), threading.Event()
    captures = iter([FakeCapture([True])])

    def open_capture(device: int | str, settings: CameraSettings) -> FakeCapture:
        first = next(captures, None)
        if first is None:
            opening.set()
            release.wait(HANG_LIMIT_S)
        return first or FakeCapture([])

    source = Reconnecting(
        lambda: CameraSource(0, clock, open_capture=open_capture), clock
    )
    try:
        with ea.AffectStream(source, purpose="research", model=FakeModel()):
            assert opening.wait(HANG_LIMIT_S)
        names = [thread.name for thread in threading.enumerate()]
        assert not [name for name in names if name.startswith("edge_affect-read")]
        assert "did not end" not in caplog.text
    finally:
        release.set()
