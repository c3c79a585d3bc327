"""A stream ends when it is told to, whatever its devices do, and leaves no thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

import edge_affect as ea
from edge_affect.clock import NS_PER_MS, NS_PER_S, SystemClock
from edge_affect.errors import SourceError
from edge_affect.sources.base import Closing, SourceInfo
from edge_affect.sources.camera import CameraSource
from edge_affect.sources.reconnect import Reconnecting, RetrySettings
from edge_affect.testing import FakeModel, make_chunk, make_frame
from edge_affect.types import AudioChunk, Estimate, Frame, HealthState
from tests.fakes.threads import Threads

CLOCK = SystemClock()
MOST_NS = 2 * NS_PER_S
PERIOD_S = {"video": 0.01, "audio": 0.1}
RETRY = RetrySettings(
    first_wait_ns=10 * NS_PER_MS,
    longest_wait_ns=20 * NS_PER_MS,
    hang_ns=150 * NS_PER_MS,
    most_hangs=5,
)


class Outlet:
    """What devices are plugged into: there, gone, silent, or hanging until closed."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.state = "there"
        self.index = 0
        self.let_go = threading.Event()
        self.source: Reconnecting[Frame | AudioChunk] = Reconnecting(
            lambda: Device(self), CLOCK, RETRY
        )

    def camera(self) -> Reconnecting[Frame]:
        """Return a camera whose driver is plugged in here."""
        return Reconnecting(
            lambda: CameraSource(0, CLOCK, open_capture=lambda *_: Driver(self)),
            CLOCK,
            RETRY,
        )

    def next(self) -> Frame | AudioChunk:
        self.index += 1
        if self.kind == "video":
            return make_frame(self.index, CLOCK.now_ns())
        return make_chunk(self.index, CLOCK.now_ns() - NS_PER_S // 10)


class Driver:
    """A camera's driver, which hangs for good in a read, whoever closes it."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        if outlet.state == "gone":
            raise SourceError("camera: there is none")

    def grab(self) -> bool:
        state = self._outlet.state
        if state in ("hangs", "silent"):
            self._outlet.let_go.wait(20)
        else:
            CLOCK.sleep_until(CLOCK.now_ns() + NS_PER_S // 100)
        return state == "there"

    def stamp_ns(self) -> int | None:
        return None

    def retrieve(self) -> tuple[bool, Any]:
        self._outlet.index += 1
        return True, make_frame(self._outlet.index, CLOCK.now_ns()).data

    def release(self) -> None:
        """Have nothing to release."""


class Device(Closing):
    """One opening of what is plugged in."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._closed = threading.Event()

    @property
    def info(self) -> SourceInfo:
        audio = self._outlet.kind == "audio"
        return SourceInfo("device", live=True, has_video=not audio, has_audio=audio)

    @property
    def ended(self) -> bool:
        return self._closed.is_set()

    def __enter__(self) -> Device:
        if self._outlet.state == "gone":
            raise SourceError("device: there is none")
        return self

    def read(self, timeout_ns: int) -> Frame | AudioChunk | None:
        if self._outlet.state == "silent":
            self._closed.wait(timeout_ns / NS_PER_S)
            return None
        if self._outlet.state == "hangs":
            self._closed.wait(20)  # whatever the time-out
        elif self._closed.wait(PERIOD_S[self._outlet.kind]):
            return None
        if self._outlet.state == "gone":
            raise SourceError("device: was unplugged")
        return None if self.ended else self._outlet.next()

    def close(self) -> None:
        self._closed.set()


class StoppingMachine(RuleBasedStateMachine):
    """A live stream that anything happens to; in the end it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.threads = Threads()
        self.outlets = {kind: Outlet(kind) for kind in PERIOD_S}
        self.told_to_stop = threading.Event()
        self.stream = ea.AffectStream(
            self.outlets["video"].camera(),
            cast("ea.AudioSource", self.outlets["audio"].source),
            purpose="research",
            model=FakeModel(),
            sinks=[self],
        )
        self.stream.__enter__()
        self.estimates: Iterator[Estimate] = iter(self.stream)
        self.newest = -1

    def open(self, header: ea.RunHeader) -> None:
        """Be a sink."""

    def write(self, estimate: Estimate) -> None:
        """Stop from the stepping thread once that is wanted."""
        if self.told_to_stop.is_set():
            self.stream.stop()

    def close(self) -> None:
        """Be a sink."""

    @rule(
        kind=st.sampled_from(sorted(PERIOD_S)),
        state=st.sampled_from(("there", "gone", "silent", "hangs")),
    )
    def plug(self, kind: str, state: str) -> None:
        """Pull a device out, put one in, or let it hang."""
        self.outlets[kind].state = state

    @rule(count=st.integers(1, 4))
    def read(self, count: int) -> None:
        """Read some estimates; a stream that was stopped gives what it had."""
        for _ in range(count):
            estimate = next(self.estimates, None)
            if estimate is None:
                return
            assert estimate.index > self.newest
            self.newest = estimate.index

    @rule()
    def look(self) -> None:
        """Ask for what never waits."""
        self.stream.latest()
        self.stream.take_events()

    @rule()
    def stop(self) -> None:
        """Stop from this thread, however often."""
        self.stream.stop()

    @precondition(lambda self: not self.told_to_stop.is_set())
    @rule()
    def stop_from_callback(self) -> None:
        """Stop from the next estimate's sink."""
        self.told_to_stop.set()

    @rule()
    def stop_from_thread(self) -> None:
        """Stop from a thread of its own."""
        threading.Thread(target=self.stream.stop).start()

    def teardown(self) -> None:
        """Close it, twice: in time, with every frame accounted for, no thread left."""
        begun_ns = CLOCK.now_ns()
        self.stream.close()
        self.stream.close()
        assert CLOCK.now_ns() - begun_ns < MOST_NS
        # Nobody can end a thread that waits in a driver; nothing else is left.
        left = self.threads.left()
        assert left == [name for name in left if name == "edge_affect-camera 0"]
        self.outlets["video"].let_go.set()
        while self.threads.left():
            assert CLOCK.now_ns() - begun_ns < 5 * MOST_NS
            CLOCK.sleep_until(CLOCK.now_ns() + NS_PER_S // 100)
        stats = self.stream.stats
        assert stats.captured == stats.processed + sum(stats.dropped.values())


TestStopping = StoppingMachine.TestCase
TestStopping.settings = settings(max_examples=25, stateful_step_count=12)


@pytest.mark.parametrize("fault", ["gone", "silent"])
def test_a_stream_is_well_again_soon_after_its_camera_is_back(fault: str) -> None:
    """Lost, then ok: within a second of the device's return."""
    threads = Threads()
    camera = Outlet("video")
    with ea.AffectStream(camera.source, purpose="research", model=FakeModel()) as live:
        estimates = iter(live)
        wait_for(estimates, HealthState.OK)
        camera.state = fault
        lost = wait_for(estimates, HealthState.LOST)
        assert lost.valence is None
        camera.state = "there"
        back_ns = CLOCK.now_ns()
        found = wait_for(estimates, HealthState.OK)
        assert found.t_ns - back_ns < NS_PER_S
        assert found.valence is not None
    assert threads.left() == []


def wait_for(estimates: Iterator[Estimate], state: HealthState) -> Estimate:
    """Return the first estimate with the face in that state."""
    for _ in range(300):
        estimate = next(estimates)
        if estimate.health.face is state:
            return estimate
    raise AssertionError(f"the face was never {state.value}")


@pytest.mark.parametrize("forever", [True, False])
@pytest.mark.parametrize("call", [1, 2, 3, 7])
def test_any_write_of_a_sink_may_fail(
    call: int,
    forever: bool,  # noqa: FBT001 - a parameter
) -> None:
    """No estimate is lost by it, whichever call it is."""
    threads = Threads()

    class Full:
        calls = 0

        def open(self, header: ea.RunHeader) -> None:
            self.fail()

        def write(self, estimate: Estimate) -> None:
            self.fail()

        def close(self) -> None:
            self.fail()

        def fail(self) -> None:
            self.calls += 1
            if self.calls == call or (forever and self.calls > call):
                raise OSError(28, "No space left on device")

    camera = Outlet("video")
    stream = ea.AffectStream(
        camera.source, purpose="research", model=FakeModel(), sinks=[Full()]
    )
    with stream:
        indices = [
            estimate.index for estimate, _ in zip(stream, range(12), strict=False)
        ]
    assert indices == list(range(12))
    assert threads.left() == []
