"""The loop: one estimate per cell, in order, whatever the camera does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise, repeat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_affect.clock import NS_PER_MS, NS_PER_S, SimClock
from edge_affect.errors import UsageError
from edge_affect.realtime.accounts import REPEATED, SOURCE, FrameAccounts
from edge_affect.realtime.cell import Cell
from edge_affect.realtime.grid import LATE, SURPLUS
from edge_affect.realtime.loop import REFUSED, RUNG, LoopTiming, StreamLoop
from edge_affect.types import AudioChunk, Estimate, Frame, Health, HealthState

CELL_NS = NS_PER_S // 30
PIXELS = np.zeros((2, 2, 3), np.uint8)
START_NS = NS_PER_S


@dataclass
class StubStepper:
    """Costs what it is told and gives estimates without values."""

    clock: SimClock
    cost_ns: int = 0
    hops: dict[int, int] = field(default_factory=dict)

    def hear(self, chunk: AudioChunk) -> None:
        """Take no notice."""

    def choose_hop(self, t_ns: int) -> int | None:
        """Have no sound."""
        return self.hops.get(t_ns)

    def rest(self, t_ns: int) -> None:
        """Need none."""

    def step(self, cell: Cell) -> Estimate:
        """Let the clock run for the cost of a step."""
        self.clock.advance_to(self.clock.now_ns() + self.cost_ns)
        state = HealthState.OK if cell.frame else HealthState.STALE
        return Estimate(
            index=cell.index,
            t_ns=cell.t_ns,
            t_ms=0,
            age_ms=0,
            held=cell.frame is None,
            rung=cell.rung,
            health=Health(state, HealthState.LOST),
        )


class Bench:
    """A loop over a stub, fed by hand in simulated time."""

    def __init__(self, *, cost_ns: int = 0, budget_ns: int = 33 * NS_PER_MS) -> None:
        self.clock = SimClock(START_NS)
        self.stepper = StubStepper(self.clock, cost_ns)
        self.estimates: list[Estimate] = []
        self.loop = StreamLoop(
            self.stepper,
            self.clock,
            self.estimates.append,
            LoopTiming((30, 1), CELL_NS, budget_ns),
        )
        self._index = 0

    def frame(self, t_ns: int, index: int | None = None, delay_ns: int = 0) -> None:
        """Deliver a frame ``delay_ns`` after its capture."""
        index = self._index if index is None else index
        self._index = index + 1
        self.clock.advance_to(t_ns + delay_ns)
        if self.loop.accounts.arrive(index):
            self.loop.see(Frame(PIXELS, t_ns, t_ns + delay_ns, index))


def lowered(rung: int) -> tuple[Bench, int]:
    """Return a bench that has come down to ``rung``, and the first cell to come.

    From here on steps cost nothing; the ladder stays for two seconds.
    """
    bench = Bench(cost_ns=40 * NS_PER_MS)
    for t_ns in times(30, 2):
        if bench.estimates and bench.estimates[-1].rung == rung:
            break
        bench.frame(t_ns)
    bench.stepper.cost_ns = 0
    assert bench.loop.grid is not None
    return bench, bench.loop.grid.cell_of(bench.clock.now_ns()) + 1


def times(fps: float, seconds: float) -> Iterator[int]:
    """Yield capture times of a steady camera."""
    for number in range(int(fps * seconds)):
        yield START_NS + round(number * NS_PER_S / fps)


@pytest.mark.parametrize("fps", [5, 15, 23.976, 25, 29.97, 30, 50, 60])
def test_loop_gives_one_estimate_per_cell_at_any_frame_rate(fps: float) -> None:
    """Thirty estimates a second, numbered without a gap, times strictly rising."""
    bench = Bench()
    for t_ns in times(fps, 10):
        bench.frame(t_ns)
    indices = [e.index for e in bench.estimates]
    instants = [e.t_ns for e in bench.estimates]
    assert indices == list(range(len(indices)))
    assert len(indices) == pytest.approx(300, abs=30 / fps + 1)
    assert all(a < b for a, b in pairwise(instants))


def test_loop_uses_every_frame_of_a_thirty_hertz_camera() -> None:
    """A camera at the grid's rate loses nothing and holds nothing."""
    bench = Bench()
    for t_ns in times(30, 20):
        bench.frame(t_ns)
    assert not any(e.held for e in bench.estimates)
    assert dict(bench.loop.accounts.dropped) == {}
    assert bench.loop.accounts.processed == 600


@pytest.mark.parametrize("ppm", [100, -100])
def test_loop_slips_gracefully_for_a_simulated_hour(ppm: int) -> None:
    """At ± 100 ppm and ± 3 ms of jitter a phase slip costs at most two cells."""
    random = np.random.default_rng(ppm + 1_000)
    bench = Bench()
    count = 3_600 * 30
    period_ns = NS_PER_S / 30 * (1 + ppm * 1e-6)
    for number in range(count):
        jitter_ns = int(random.uniform(-3, 3) * NS_PER_MS)
        bench.frame(
            START_NS + round(number * period_ns) + jitter_ns, delay_ns=20_000_000
        )
    slips = 3_600 * 30 * abs(ppm) * 1e-6
    drops = sum(bench.loop.accounts.dropped.values())
    holds = sum(e.held for e in bench.estimates)
    assert drops + holds <= 2 * (slips + 1)
    assert bench.loop.accounts.waiting == 0
    indices = [e.index for e in bench.estimates]
    assert indices == list(range(len(indices)))


def test_loop_holds_the_cells_that_no_frame_reached() -> None:
    """A gap is filled with held cells, each for the last instant of its cell."""
    bench = Bench()
    bench.frame(START_NS)
    bench.frame(START_NS + 4 * CELL_NS)
    held = [e for e in bench.estimates if e.held]
    assert [e.index for e in held] == [1, 2, 3]
    grid = bench.loop.grid
    assert grid is not None
    assert [e.t_ns for e in held] == [grid.end_ns(k) - 1 for k in (1, 2, 3)]


def test_loop_never_falls_silent_without_frames() -> None:
    """Time alone brings one estimate per cell, before the first frame as well."""
    bench = Bench()
    for step in range(1, 101):
        now_ns = START_NS + step * CELL_NS
        bench.clock.advance_to(now_ns)
        bench.loop.wake(now_ns)
    assert len(bench.estimates) == pytest.approx(100, abs=3)
    assert all(e.held for e in bench.estimates)


def test_loop_drops_a_late_frame_with_its_reason() -> None:
    """A frame that comes after its cell was held is late."""
    bench = Bench()
    bench.frame(START_NS)
    bench.clock.advance_to(START_NS + 4 * CELL_NS)
    bench.loop.wake(START_NS + 4 * CELL_NS)
    bench.frame(START_NS + CELL_NS)
    assert dict(bench.loop.accounts.dropped) == {LATE: 1}


def _live(bench: Bench, delays_ns: Iterable[int]) -> None:
    """Deliver a frame per cell, each so late, and wake the loop whenever it is due."""
    for t_ns, delay_ns in zip(times(30, 600), delays_ns, strict=False):
        while (due_ns := bench.loop.due_ns()) and due_ns <= t_ns + delay_ns:
            bench.clock.advance_to(due_ns)
            bench.loop.wake(due_ns)
        bench.frame(t_ns, delay_ns=delay_ns)


@pytest.mark.parametrize("latency_ms", [0, 40, 120, 300, 700])
def test_loop_waits_for_a_camera_that_is_slower_than_it_was_said_to_be(
    latency_ms: int,
) -> None:
    """Every frame is seen however late the camera is, if it is always as late."""
    bench = Bench()
    _live(bench, repeat(latency_ms * NS_PER_MS, 150))
    assert not dict(bench.loop.accounts.dropped)
    assert bench.loop.accounts.processed == 150
    assert not any(e.held for e in bench.estimates)
    assert bench.loop.misses == 0


def test_loop_waits_for_a_camera_that_becomes_slower() -> None:
    """In the dark exposures grow: a few frames are late, then none."""
    bench = Bench()
    _live(bench, [*repeat(0, 60), *repeat(200 * NS_PER_MS, 90)])
    assert 0 < bench.loop.accounts.dropped[LATE] <= 8
    assert not any(e.held for e in bench.estimates[-60:])


def test_loop_forgets_a_stall() -> None:
    """Two seconds after a hiccup a missing frame is waited for as before it."""
    bench = Bench()
    hiccup = repeat(300 * NS_PER_MS, 4)
    _live(bench, [*repeat(0, 30), *hiccup, *repeat(0, 60)])
    assert bench.loop.grid is not None
    end_ns = bench.loop.grid.end_ns(bench.estimates[-1].index + 1)
    assert bench.loop.due_ns() == end_ns + CELL_NS


def test_loop_does_not_wait_for_a_camera_that_is_of_no_use() -> None:
    """Frames older than a second stay late; the stream goes on without them."""
    bench = Bench()
    _live(bench, repeat(1_500 * NS_PER_MS, 150))
    assert bench.loop.accounts.processed == 1  # the grid was laid by it
    due_ns = bench.loop.due_ns()
    assert due_ns is not None
    assert due_ns - bench.clock.now_ns() <= 2 * CELL_NS


def test_loop_measures_age_from_capture_and_misses_from_arrival() -> None:
    """A slow camera is not a miss; a slow step is."""
    bench = Bench(cost_ns=10 * NS_PER_MS)
    bench.frame(START_NS, delay_ns=50 * NS_PER_MS)
    assert bench.estimates[0].age_ms == 60
    assert bench.loop.misses == 0
    slow = Bench(cost_ns=40 * NS_PER_MS)
    slow.frame(START_NS)
    assert slow.loop.misses == 1


def test_loop_leaves_vision_out_when_it_cannot_keep_up() -> None:
    """Steady misses bring the ladder down, and its drops are counted as such."""
    bench = Bench(cost_ns=40 * NS_PER_MS)
    for number in range(60):
        bench.frame(START_NS + number * 2 * CELL_NS)
    assert bench.loop.accounts.dropped[RUNG] > 0
    assert max(e.rung for e in bench.estimates) >= 2


@pytest.mark.parametrize("phase", range(4))
@pytest.mark.parametrize(("rung", "every"), [(2, 2), (3, 4)])
def test_loop_keeps_vision_of_a_slow_camera_in_any_phase(
    rung: int, every: int, phase: int
) -> None:
    """Fifteen frames a second reach every other cell; none of the rungs is blind."""
    bench, cell = lowered(rung)
    done = len(bench.estimates)
    for number in range(20):
        bench.frame(START_NS + (cell + phase + 2 * number) * CELL_NS)
    seen = [e.index for e in bench.estimates[done:] if not e.held]
    assert [b - a for a, b in pairwise(seen)] == [every] * (40 // every - 1)


def test_loop_sees_every_other_frame_of_a_fast_camera_on_half_vision() -> None:
    """At the grid's rate half of the frames are dropped, each for the rung."""
    bench, cell = lowered(2)
    processed = bench.loop.accounts.processed
    dropped = bench.loop.accounts.dropped.get(RUNG, 0)
    for number in range(40):
        bench.frame(START_NS + (cell + number) * CELL_NS)
    assert bench.loop.accounts.processed == processed + 20
    assert bench.loop.accounts.dropped[RUNG] == dropped + 20


def test_loop_leaves_the_cell_of_a_dropped_frame_to_its_deadline() -> None:
    """A cell that the rung leaves out is held when it is over, not before."""
    bench, cell = lowered(2)
    bench.frame(START_NS + (cell + 1) * CELL_NS)
    bench.frame(START_NS + (cell + 2) * CELL_NS)
    assert bench.estimates[-1].index == cell + 1
    due_ns = bench.loop.due_ns()
    assert due_ns is not None
    bench.clock.advance_to(due_ns)
    bench.loop.wake(due_ns)
    last = bench.estimates[-1]
    assert (last.index, last.held) == (cell + 2, True)


@pytest.mark.parametrize("rung", [2, 3, 4])
def test_loop_makes_no_estimate_for_an_instant_to_come(rung: int) -> None:
    """Ages are never negative, whatever the rung leaves out."""
    bench, cell = lowered(rung)
    for number in range(40):
        bench.frame(START_NS + (cell + number) * CELL_NS)
    assert bench.loop.accounts.dropped[RUNG] > 0
    assert all(e.age_ms >= 0 for e in bench.estimates)


def test_loop_accounts_for_a_frame_that_it_refuses() -> None:
    """A frame that is no picture is dropped as such, then raised."""
    bench = Bench()
    assert bench.loop.accounts.arrive(0)
    with pytest.raises(UsageError, match="before"):
        bench.loop.see(Frame(PIXELS, START_NS, START_NS - 1, 0))
    assert bench.loop.accounts.waiting == 0
    assert dict(bench.loop.accounts.dropped) == {REFUSED: 1}


def test_loop_skips_what_a_stall_swallowed_and_goes_on() -> None:
    """After a suspend of ten minutes the next estimate is a current one."""
    bench = Bench()
    bench.frame(START_NS)
    later_ns = START_NS + 600 * NS_PER_S
    bench.clock.advance_to(later_ns)
    bench.loop.catch_up(later_ns)
    bench.frame(later_ns)
    assert len(bench.estimates) < 5
    assert bench.estimates[-1].t_ns == later_ns
    assert bench.loop.skipped > 17_900


def test_loop_counts_what_the_source_lost_or_repeated() -> None:
    """Jumps of the source's count are drops, and so are repeated frames."""
    bench = Bench()
    bench.frame(START_NS, index=0)
    bench.frame(START_NS + 3 * CELL_NS, index=3)
    bench.frame(START_NS + 4 * CELL_NS, index=3)
    assert dict(bench.loop.accounts.dropped) == {SOURCE: 2, REPEATED: 1}
    assert bench.loop.accounts.captured == 5


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(
        st.integers(-40, 400).map(lambda ms: ms * NS_PER_MS // 2),
        min_size=1,
        max_size=80,
    ),
    jumps=st.lists(st.integers(-1, 3), min_size=80, max_size=80),
)
def test_loop_accounts_hold_for_any_camera(gaps: list[int], jumps: list[int]) -> None:
    """Captured is processed plus dropped, estimates rise, for frames in any order."""
    bench = Bench()
    t_ns, index = START_NS, 0
    for gap_ns, jump in zip(gaps, jumps, strict=False):
        t_ns = max(0, t_ns + gap_ns)
        index = max(0, index + jump)
        bench.frame(t_ns, index=index)
    accounts = bench.loop.accounts
    assert accounts.captured == accounts.processed + sum(accounts.dropped.values())
    assert [e.index for e in bench.estimates] == list(range(len(bench.estimates)))
    instants = [e.t_ns for e in bench.estimates]
    assert all(a < b for a, b in pairwise(instants))
    assert {SURPLUS, LATE, SOURCE, REPEATED, RUNG} >= accounts.dropped.keys()


def test_frames_that_nobody_accounts_for_are_found_out() -> None:
    """Captured frames that vanish are a fault of the loop, and end it."""
    accounts = FrameAccounts()
    for number in range(3):
        assert accounts.arrive(number)
        accounts.check()  # three may be under way
    assert accounts.arrive(3)
    with pytest.raises(AssertionError, match="4 are not accounted for"):
        accounts.check()
    accounts.drop("late", 3)
    accounts.process()
    accounts.process()
    with pytest.raises(AssertionError, match="-1 are not accounted for"):
        accounts.check()


@pytest.mark.parametrize("waits", [False, True])
def test_a_stall_counts_every_late_cell_and_lowers_nothing(
    waits: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Whether a frame waits or not: 0.6 s are late, and one verdict on the machine."""
    bench = Bench()
    for t_ns in times(30, 1):
        bench.frame(t_ns)
    stalled_ns = bench.clock.now_ns() + 600 * NS_PER_MS
    if waits:
        bench.frame(stalled_ns)
    else:
        bench.clock.advance_to(stalled_ns)
        bench.loop.wake(stalled_ns)
    assert 14 <= bench.loop.misses <= 18
    for t_ns in times(30, 4):
        if t_ns > bench.clock.now_ns():
            bench.frame(t_ns)
    assert {estimate.rung for estimate in bench.estimates} == {0}
