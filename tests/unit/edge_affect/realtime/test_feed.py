"""What stands between readers and the loop: the newest frame, and time to rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edge_affect.clock import NS_PER_MS, NS_PER_S, SimClock
from edge_affect.config import StreamConfig
from edge_affect.errors import RunnerError, UsageError
from edge_affect.realtime.accounts import BUSY
from edge_affect.realtime.budget import StageTimes
from edge_affect.realtime.feed import LoopFeed
from edge_affect.realtime.loop import REFUSED, LoopTiming, StreamLoop
from edge_affect.realtime.stepper import CellStepper
from edge_affect.runners.base import StreamState
from edge_affect.testing import FakeModel, FakeRunner, make_chunk, make_frame
from edge_affect.types import AudioChunk, Estimate, Frame, HealthState

PERIOD_NS = NS_PER_S // 30
BUDGET_NS = 33 * NS_PER_MS


class Noting(FakeRunner):
    """Notes when it is kept warm."""

    def __init__(self, clock: SimClock) -> None:
        super().__init__()
        self._clock = clock
        self.warmed_ns: list[int] = []
        self.is_broken = False

    def keep_warm(self, state: StreamState) -> None:
        self.warmed_ns.append(self._clock.now_ns())
        if self.is_broken:
            raise RunnerError("the GPU is lost")


class Bench:
    """A feed whose time passes by hand."""

    def __init__(self) -> None:
        self.clock = SimClock(NS_PER_S)
        self.runner = Noting(self.clock)
        self.estimates: list[Estimate] = []
        self.loop = StreamLoop(
            CellStepper(
                FakeModel(runner=self.runner, tracks=False),
                StreamConfig("research"),
                StageTimes(self.clock),
            ),
            self.clock,
            self.estimates.append,
            LoopTiming((30, 1), PERIOD_NS, BUDGET_NS),
        )

    def see(self, count: int) -> None:
        """Let so many frames come, one in each cell."""
        for _ in range(count):
            number = len(self.estimates)
            self.clock.advance_to(NS_PER_S + number * PERIOD_NS)
            assert self.loop.accounts.arrive(number)
            self.loop.see(make_frame(number, self.clock.now_ns()))


def test_of_frames_that_piled_up_the_newest_is_seen() -> None:
    """After a stall the estimate is of what is there now, not of five frames ago."""
    bench = Bench()
    bench.see(1)
    feed = LoopFeed(bench.loop, bench.clock)
    for number in range(1, 6):  # the readers went on while the loop stood still
        bench.clock.advance_to(NS_PER_S + number * PERIOD_NS)
        feed.take(make_frame(number, bench.clock.now_ns()))
    feed.end()
    feed.run()
    newest = bench.estimates[-1]
    assert newest.frame == 5
    assert newest.health.face is HealthState.OK
    assert newest.age_ms * NS_PER_MS <= BUDGET_NS + PERIOD_NS
    assert bench.loop.accounts.dropped == {BUSY: 4}
    assert [e.frame for e in bench.estimates if e.frame is not None] == [0, 5]


def test_a_model_that_reads_no_face_is_kept_warm_once_a_second() -> None:
    """While faces come it is warm by itself."""
    bench = Bench()
    bench.see(90)
    assert bench.runner.warmed_ns == []
    gone_ns = bench.clock.now_ns()
    for number in range(1, 5 * 30):
        bench.clock.advance_to(gone_ns + number * PERIOD_NS)
        bench.loop.wake(bench.clock.now_ns())
    assert len(bench.runner.warmed_ns) == 4
    bench.see(30)
    assert len(bench.runner.warmed_ns) == 4


def test_a_model_that_cannot_be_kept_warm_goes_on() -> None:
    """An empty seat and a launch that fails end nothing: no step has failed yet."""
    bench = Bench()
    bench.see(30)
    bench.runner.is_broken = True
    gone_ns = bench.clock.now_ns()
    for number in range(1, 3 * 30):
        bench.clock.advance_to(gone_ns + number * PERIOD_NS)
        bench.loop.wake(bench.clock.now_ns())
    assert len(bench.runner.warmed_ns) == 2
    bench.see(1)
    assert bench.estimates[-1].health.face is HealthState.OK


def test_one_bad_frame_among_good_ones_costs_only_itself() -> None:
    """A stream is not ended by a picture of no size; the frame is counted."""
    bench = Bench()
    bench.see(3)
    feed = LoopFeed(bench.loop, bench.clock)
    good = make_frame(3, bench.clock.now_ns() + PERIOD_NS)
    bench.clock.advance_to(good.t_arrival_ns)
    feed.take(replace(good, data=good.data[0]))
    feed.end()
    feed.run()
    assert bench.loop.accounts.dropped == {REFUSED: 1}


def test_a_source_of_nothing_but_bad_frames_is_told() -> None:
    """It is made wrong: its first frame says so."""
    bench = Bench()
    feed = LoopFeed(bench.loop, bench.clock)
    good = make_frame(0, bench.clock.now_ns())
    feed.take(replace(good, data=good.data[0]))
    with pytest.raises(UsageError):
        feed.run()


class Heard(StreamLoop):
    """Counts chunks, and takes longer for a frame than a frame's period."""

    heard = 0
    on_frame: Callable[[], None]

    def hear(self, chunk: AudioChunk) -> None:
        self.heard += 1

    def see(self, frame: Frame) -> None:
        self.accounts.process()
        self.on_frame()

    def due_ns(self) -> int | None:
        return None


def test_sound_is_heard_while_every_step_takes_longer_than_a_frame() -> None:
    """Two chunks come in each period and a half, and a frame always waits."""
    bench = Bench()
    loop = bench.loop = Heard(
        bench.loop._stepper, bench.clock, bench.estimates.append, bench.loop._timing
    )
    feed = LoopFeed(loop, bench.clock)
    frames = iter(range(1, 200))

    def step() -> None:
        bench.clock.advance_to(bench.clock.now_ns() + 40 * NS_PER_MS)
        number = next(frames)
        if number == 100:
            feed.stop()
        for _ in range(2):
            feed.take(make_chunk(number, bench.clock.now_ns(), 320))
        feed.take(make_frame(number, bench.clock.now_ns()))

    loop.on_frame = step
    feed.take(make_frame(0, bench.clock.now_ns()))
    feed.run()
    assert loop.heard >= 196  # what comes with the stop is not heard any more
    assert feed.lost_samples == 0


def test_sound_dearer_than_real_time_never_silences_the_stream() -> None:
    """With the camera gone, cells are stepped between chunks all the same."""
    bench = Bench()
    feed = LoopFeed(bench.loop, bench.clock)
    heard = 0

    def hear(chunk: AudioChunk) -> None:
        nonlocal heard
        heard += 1
        bench.clock.advance_to(bench.clock.now_ns() + 110 * NS_PER_MS)
        feed.take(make_chunk(heard + 1, bench.clock.now_ns()))
        if heard == 100:
            feed.stop()

    bench.loop.hear = hear  # type: ignore[method-assign]
    feed.take(make_chunk(0, bench.clock.now_ns()))
    feed.run()
    assert heard == 100
    seconds = (bench.clock.now_ns() - NS_PER_S) / NS_PER_S
    assert len(bench.estimates) + bench.loop.skipped > 25 * (seconds - 1.5)
    assert all(e.health.face is HealthState.LOST for e in bench.estimates)


def test_one_bad_chunk_costs_only_itself() -> None:
    """Sound of another type is left out and told once; the stream goes on."""
    bench = Bench()
    feed = LoopFeed(bench.loop, bench.clock)
    bad = make_chunk(0, bench.clock.now_ns())
    feed.take(replace(bad, samples=bad.samples.astype(np.float64)))
    feed.take(make_frame(0, bench.clock.now_ns()))
    feed.end()
    feed.run()
    assert len(bench.estimates) == 1
