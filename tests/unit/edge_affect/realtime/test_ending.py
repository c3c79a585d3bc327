"""A stream ends in time however it is told to, whatever hangs meanwhile."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import fields
from types import FrameType

import pytest

import edge_affect as ea
from edge_affect.clock import NS_PER_S, SystemClock
from edge_affect.errors import RunnerError, SourceError, StreamStateError
from edge_affect.events import EventLog
from edge_affect.runners.base import Stepped, StreamState, Tensors
from edge_affect.sinks.queued import QueuedSink
from edge_affect.sources.base import Closing, SourceInfo
from edge_affect.testing import FakeModel, FakeRunner, ScriptedSource, camera_script
from edge_affect.types import Estimate, Frame, Health, HealthState
from tests.fakes.threads import Threads

CLOCK = SystemClock()
MOST_NS = 2 * NS_PER_S
SIMULATED_HANG_S = 20.0
"""Longer than any test waits: what hangs for it was not woken."""


class SlowDoor(Closing):
    """A camera whose driver takes for ever to open, until it is closed."""

    def __init__(self) -> None:
        self.opening = threading.Event()
        self.closed = threading.Event()

    @property
    def info(self) -> SourceInfo:
        return SourceInfo("slow door", live=True)

    @property
    def ended(self) -> bool:
        return self.closed.is_set()

    def __enter__(self) -> SlowDoor:
        self.opening.set()
        if self.closed.wait(SIMULATED_HANG_S):
            raise SourceError("slow door: closed while it opened")
        raise AssertionError("nobody woke the door")

    def read(self, timeout_ns: int) -> Frame | None:
        self.closed.wait(timeout_ns / NS_PER_S)
        return None

    def close(self) -> None:
        self.closed.set()

    def once_it_opens(self, call: Callable[[], None]) -> threading.Thread:
        """Call ``call`` from a thread of its own, which is returned."""

        def wait() -> None:
            assert self.opening.wait(SIMULATED_HANG_S)
            call()

        thread = threading.Thread(target=wait)
        thread.start()
        return thread


def live(**settings: object) -> ea.AffectStream:
    """Return a stream of a live camera that goes on for a minute."""
    source = ScriptedSource(camera_script(60), clock=CLOCK)
    settings = {"model": FakeModel(), **settings}
    return ea.AffectStream(source, purpose="research", **settings)  # type: ignore[arg-type]


@pytest.fixture
def threads() -> Threads:
    """Return what tells which threads the test left."""
    return Threads()


@pytest.fixture
def alarm() -> Iterator[None]:
    """Give the alarm signal back afterwards."""
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("who", ["thread", "signal"])
def test_a_stop_wakes_a_stream_that_opens(
    who: str, alarm: None, threads: Threads
) -> None:
    """A camera that hangs while it opens: an orderly end, at once, no estimate."""
    del alarm
    door = SlowDoor()
    stream = ea.AffectStream(door, purpose="research", model=FakeModel())
    begun_ns = CLOCK.now_ns()
    if who == "thread":
        door.once_it_opens(stream.stop)
    else:
        signal.signal(signal.SIGALRM, lambda *_: stream.stop())
        signal.setitimer(signal.ITIMER_REAL, 0.1)
    with stream:
        assert list(stream) == []
    assert CLOCK.now_ns() - begun_ns < MOST_NS
    assert stream.stats.cells == 0
    assert threads.left() == []


def test_a_device_that_fails_to_open_is_still_told(threads: Threads) -> None:
    """Only a failure that a stop caused is kept quiet."""

    class Absent(SlowDoor):
        def __enter__(self) -> SlowDoor:
            raise SourceError("camera 7: there is none")

    stream = ea.AffectStream(Absent(), purpose="research", model=FakeModel())
    with pytest.raises(SourceError, match="camera 7"):
        stream.__enter__()
    assert threads.left() == []


@pytest.mark.parametrize("delay_s", [0.0, 0.0002, 0.001, 0.005])
def test_a_stream_may_be_closed_while_another_thread_opens_it(
    delay_s: float, threads: Threads
) -> None:
    """Neither raises, and no thread is left, however the two meet."""
    for _ in range(15):
        stream = live()
        closer = threading.Timer(delay_s, stream.close)
        closer.start()
        # Closed before it was opened, it is a used stream.
        with contextlib.suppress(StreamStateError), stream:
            pass
        closer.join()
        assert threads.left() == []


def test_a_close_reaches_a_stream_that_hangs_while_it_opens(threads: Threads) -> None:
    """Whoever closes waits for whoever opens, who is woken."""
    door = SlowDoor()
    stream = ea.AffectStream(door, purpose="research", model=FakeModel())
    closer = door.once_it_opens(stream.close)
    begun_ns = CLOCK.now_ns()
    with stream:
        pass
    closer.join()
    assert CLOCK.now_ns() - begun_ns < MOST_NS
    assert threads.left() == []


def test_a_signal_may_interrupt_stop_anywhere_and_call_it_again(
    alarm: None, threads: Threads
) -> None:
    """A lock that is not re-entrant would wait for itself, sooner or later."""
    del alarm
    calls = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal calls
        calls += 1
        stream.stop()

    stream = live()
    with stream:
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
        until_ns = CLOCK.now_ns() + NS_PER_S // 2
        while CLOCK.now_ns() < until_ns:
            stream.stop()
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert calls > 100
    assert threads.left() == []


class Stuck:
    """A sink that blocks in one of its calls until it is let go."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.gate = threading.Event()
        self.indices: list[int] = []
        self.closed = False

    def open(self, header: ea.RunHeader) -> None:
        del header
        self._pass("open")

    def write(self, estimate: Estimate) -> None:
        self._pass("write")
        self.indices.append(estimate.index)

    def close(self) -> None:
        self._pass("close")
        self.closed = True

    def _pass(self, where: str) -> None:
        if where == self.where:
            self.gate.wait(SIMULATED_HANG_S)


@pytest.mark.parametrize("where", ["open", "write", "close"])
def test_a_sink_that_hangs_delays_neither_estimates_nor_the_end(where: str) -> None:
    """It is left behind, and named."""
    stuck = Stuck(where)
    stream = live(sinks=[stuck])
    with stream:
        seen = [estimate.index for estimate, _ in zip(stream, range(20), strict=False)]
        begun_ns = CLOCK.now_ns()
    assert seen == list(range(20))
    assert CLOCK.now_ns() - begun_ns < MOST_NS + NS_PER_S // 10
    assert "Stuck did not finish and was left behind" in stream.info.notes
    stuck.gate.set()


def test_a_slow_sink_gets_every_estimate_in_order(threads: Threads) -> None:
    """What waited while it was slow is written before the record ends."""
    slow = Stuck("write")
    stream = live(sinks=[slow])
    with stream:
        seen = [estimate.index for estimate, _ in zip(stream, range(20), strict=False)]
        assert slow.indices == []
        slow.gate.set()
    assert slow.indices[:20] == seen
    assert slow.closed
    assert threads.left() == []


def test_a_sink_may_close_the_stream_that_feeds_it(threads: Threads) -> None:
    """From its own thread, which nobody can wait for then."""

    class Closes(Stuck):
        def write(self, estimate: Estimate) -> None:
            super().write(estimate)
            if estimate.index == 3:
                stream.close()

    sink = Closes("")
    stream = live(sinks=[sink])
    with stream:
        assert len(list(stream)) >= 4
    assert sink.closed
    assert threads.left() == []


class Hangs(FakeRunner):
    """Its face graph hangs in one call until it is interrupted, if that helps."""

    def __init__(self, *, helps: bool) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.helps = helps
        self.interrupts = self.calls = 0

    def _step(self, state: StreamState, which: str, inputs: Tensors) -> Stepped:
        if which == "face":
            self.calls += 1
            if self.calls == 5:
                self.gate.wait(SIMULATED_HANG_S)
                raise RunnerError("face: was interrupted")
        return super()._step(state, which, inputs)

    def interrupt(self, state: StreamState) -> None:
        self.interrupts += 1
        if self.helps:
            self.gate.set()


def test_a_graph_that_hangs_is_interrupted_and_the_stream_goes_on(
    threads: Threads,
) -> None:
    """It costs a second or so, and one frame; then the face is ok again."""
    runner = Hangs(helps=True)
    with live(model=FakeModel(runner=runner)) as stream:
        for estimate in stream:
            if runner.interrupts and estimate.health.face is ea.HealthState.OK:
                break
    assert runner.calls > 5
    assert threads.left() == []


def test_a_graph_that_nothing_interrupts_is_left_behind() -> None:
    """Closing takes two seconds all the same; the model stays as it is."""
    runner = Hangs(helps=False)
    stream = live(model=FakeModel(runner=runner))
    with stream:
        while runner.calls < 5:
            CLOCK.sleep_until(CLOCK.now_ns() + NS_PER_S // 100)
        begun_ns = CLOCK.now_ns()
    assert CLOCK.now_ns() - begun_ns < MOST_NS + NS_PER_S // 10
    runner.gate.set()


def test_a_stop_by_sigterm_ends_a_stream_in_order(threads: Threads) -> None:
    """The handler that a service installs calls ``stop`` and nothing else."""
    before = signal.signal(signal.SIGTERM, lambda *_: stream.stop())
    stream = live()
    try:
        with stream:
            for estimate in stream:
                if estimate.index == 5:
                    os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert stream.stats.cells > 5
    assert threads.left() == []


def test_closing_one_stream_leaves_another_of_its_model_alone() -> None:
    """A reader that hangs is no step: nobody's graph is interrupted."""

    class Hung(SlowDoor):
        def __enter__(self) -> SlowDoor:
            return self

        def read(self, timeout_ns: int) -> Frame | None:
            self.opening.wait(SIMULATED_HANG_S)
            return None

    runner, door = Hangs(helps=True), Hung()
    runner.calls = 100  # none of its calls is the one that hangs
    model = FakeModel(runner=runner)
    with ea.AffectStream(door, purpose="research", model=model):
        pass
    assert runner.interrupts == 0
    door.opening.set()


def test_a_sink_runs_neither_in_real_time_nor_on_the_loop_s_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its thread comes of the one that opens the stream, not of the stepping one."""
    asked: list[str] = []
    monkeypatch.setattr(
        "edge_affect.realtime.process._take_turns",
        lambda _: asked.append(threading.current_thread().name),
    )
    makers: list[str] = []
    start = threading.Thread.start

    def note(thread: threading.Thread) -> None:
        if thread.name.startswith("edge_affect-sink"):
            makers.append(threading.current_thread().name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", note)
    settings = ea.RealtimeSettings(priority=10)
    source = ScriptedSource(camera_script(60), clock=CLOCK)
    stream = ea.AffectStream(
        source,
        model=FakeModel(),
        config=ea.StreamConfig("research", realtime=settings),
        sinks=[Stuck("")],
    )
    with stream:
        assert next(iter(stream)) is not None
    assert asked == ["edge_affect-step"]
    assert makers == ["MainThread"]


def test_no_event_is_pushed_out_of_a_sink_s_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Estimates go when a sink is too slow; what changed is still told, in order."""
    monkeypatch.setattr("edge_affect.sinks.queued.CAPACITY", 3)

    class Told(Stuck):
        def __init__(self) -> None:
            super().__init__("open")
            self.events: list[ea.Event] = []

        def tell(self, event: ea.Event) -> None:
            self.events.append(event)

    told = Told()
    queued = QueuedSink(told, lambda *_: None)
    queued.open(ea.RunHeader(*[None] * len(fields(ea.RunHeader))))  # type: ignore[arg-type]
    log = EventLog()
    for index in range(20):
        health = Health((HealthState.OK, HealthState.LOST)[index % 2], HealthState.LOST)
        estimate = Estimate(index, 0, index * 33.3, 0, True, 0, health)
        queued.put(estimate)
        for event in log.see(estimate):
            queued.put(event)
    told.gate.set()
    queued.end(None)
    assert queued.join(5)
    assert told.indices == [17, 18, 19]
    assert queued.lost == 17
    assert [event.index for event in told.events] == list(range(20))
