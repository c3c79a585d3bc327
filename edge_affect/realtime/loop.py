"""The one loop: frames, sound and time in, one estimate per cell out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from edge_affect.clock import NS_PER_MS, NS_PER_S, Clock
from edge_affect.errors import UsageError
from edge_affect.pixels import check_pixels
from edge_affect.realtime.accounts import FrameAccounts
from edge_affect.realtime.cell import Cell, Stepper
from edge_affect.realtime.grid import CellPlanner, Grid
from edge_affect.realtime.health import LATE_VOICE
from edge_affect.realtime.ladder import Ladder
from edge_affect.types import AudioChunk, Estimate, Frame, HealthState

RUNG = "rung"
"""Reason of a drop: on the ladder's rung it is too soon for vision again."""
REFUSED = "refused"
"""Reason of a drop: the frame is no picture of its format, or has impossible times."""
FILL_NS = 60 * NS_PER_S
"""A gap between frames that is longer is left out, not filled with held cells."""
STALL_NS = NS_PER_S
"""A live loop that was not run for longer leaves out the cells in between."""
WOKE_NS = NS_PER_S
"""A machine that was suspended for longer begins anew when it wakes up."""


@dataclass(frozen=True, slots=True)
class LoopTiming:
    """Times that a loop keeps."""

    rate: tuple[int, int]
    """Cells per second, as numerator and denominator."""
    wait_ns: int
    """How long after its end a cell without a frame waits for one; more while frames
    need it."""
    budget_ns: int
    """Time from arrival, or from being due, to the estimate."""


class StreamLoop:
    """Gives cells their frames, steps them in order and keeps the accounts.

    Live and offline streams drive the same loop; they differ in who calls it.
    """

    def __init__(
        self,
        stepper: Stepper,
        clock: Clock,
        emit: Callable[[Estimate], None],
        timing: LoopTiming,
        is_hot: Callable[[int], bool] = lambda _: False,
    ) -> None:
        """Start without a grid; the first frame, or ``begin``, lays it.

        Args:
            stepper: Turns cells into estimates.
            clock: Tells when an estimate is ready.
            emit: Takes every estimate, in order.
            timing: Cells, waits and budget.
            is_hot: Tells at once whether the board is too hot for full service at a
                time in ns; by default it never is.
        """
        self._stepper = stepper
        self._clock = clock
        self._emit = emit
        self._timing = timing
        self._is_hot = is_hot
        self._planner: CellPlanner | None = None
        self._ladder = Ladder()
        self._seen_cell: int | None = None
        self._slept_ns = clock.slept_ns()
        self._missed = False
        self.accounts = FrameAccounts()
        """Frames captured, processed and dropped."""
        self.cells = 0
        """Cells that were stepped."""
        self.skipped = 0
        """Cells that a stall or a gap in the source's time left out."""
        self.misses = 0
        """Steps that overran their budget."""
        self.face_ok = 0
        """Cells whose face was ``ok``."""
        self.masked_hops = 0
        """Cells whose voice hop was not computed in time."""

    @property
    def grid(self) -> Grid | None:
        """The grid; None before the first frame."""
        return None if self._planner is None else self._planner.grid

    def begin(self, t_ns: int) -> Grid:
        """Lay the grid with ``t_ns`` in the middle of cell 0; return it."""
        grid = Grid.around(t_ns, self._timing.rate)
        self._planner = CellPlanner(grid, self._timing.wait_ns)
        return grid

    def due_ns(self) -> int | None:
        """Return when the next cell is stepped without a frame; None before a grid."""
        return None if self._planner is None else self._planner.due_ns()

    def hear(self, chunk: AudioChunk) -> None:
        """Take one chunk of sound."""
        self._stepper.hear(chunk)

    def see(self, frame: Frame) -> None:
        """Take one frame that was counted: step the cells before it, then its own.

        A frame that the rung leaves out steps only the cells before it: its own may
        still get another frame, or its deadline comes.

        Raises:
            UsageError: The frame is no picture of its format, or arrived before it was
                captured.
        """
        self._refuse_unfit(frame)
        if self._planner is None:
            self.begin(frame.t_capture_ns)
        planner = self._require_planner()
        planner.allow_for(frame.t_capture_ns, frame.t_arrival_ns)
        cell = planner.place(frame.t_capture_ns)
        if isinstance(cell, str):
            self.accounts.drop(cell)
            return
        if (cell - planner.next_cell) * planner.grid.cell_ns > FILL_NS:
            self.skipped += planner.skip_to(cell)
        while planner.next_cell < cell:
            # What was due before the frame came is late from then on.
            self._hold(min(frame.t_arrival_ns, planner.due_ns()))
        if self._shall_see(cell):
            self.accounts.process()
            self._seen_cell = cell
            self._step(frame.t_capture_ns, frame, frame.t_arrival_ns)
        else:
            self.accounts.drop(RUNG)
        self._judge()

    def wake(self, now_ns: int) -> None:
        """Step every cell that is due at ``now_ns`` without a frame."""
        planner = self._require_planner()
        while planner.due_ns() <= now_ns:
            self._hold(planner.due_ns())
        self._judge()

    def _judge(self) -> None:
        """Give the ladder one verdict on all cells of a turn.

        A stall makes many cells late at once, and says no more than one of them.
        """
        now_ns, missed = self._clock.now_ns(), self._missed
        self._missed = False
        self._ladder.update(now_ns, missed=missed, hot=self._is_hot(now_ns))

    def catch_up(self, now_ns: int) -> None:
        """After a stall of over a second leave out the cells that it swallowed."""
        planner = self._planner
        if planner is not None and now_ns - planner.due_ns() > STALL_NS:
            cell = planner.grid.cell_of(now_ns - planner.wait_ns)
            self.skipped += planner.skip_to(cell)

    def _refuse_unfit(self, frame: Frame) -> None:
        try:
            _check(frame)
        except UsageError:
            self.accounts.drop(REFUSED)
            raise

    def _shall_see(self, cell: int) -> bool:
        """Tell whether the rung still has vision, and for long enough had none.

        Counted from the cell that was seen last: a slow camera may reach every other
        cell alone, and those need not be the even ones.
        """
        every = self._ladder.policy.vision_every
        if not every or self._seen_cell is None:
            return bool(every)
        return cell - self._seen_cell >= every

    def _require_planner(self) -> CellPlanner:
        if self._planner is None:
            self.begin(self._clock.now_ns())
        assert self._planner is not None  # noqa: S101 - begin just made it
        return self._planner

    def _woke(self) -> bool:
        before_ns, self._slept_ns = self._slept_ns, self._clock.slept_ns()
        return self._slept_ns - before_ns > WOKE_NS

    def _hold(self, from_ns: int) -> None:
        planner = self._require_planner()
        last_ns = planner.grid.end_ns(planner.next_cell) - 1
        self._step(last_ns, None, from_ns)

    def _step(self, t_ns: int, frame: Frame | None, from_ns: int) -> None:
        planner = self._require_planner()
        hop = self._stepper.choose_hop(t_ns)
        rung, woke = self._ladder.rung, self._woke()
        cell = Cell(planner.next_cell, t_ns, frame, hop, rung, woke)
        planner.stepped(has_frame=frame is not None)
        estimate = self._stepper.step(cell)
        now_ns = self._clock.now_ns()
        missed = now_ns - from_ns > self._timing.budget_ns
        self.misses += missed
        self._missed |= missed
        self.cells += 1
        self.face_ok += estimate.health.face is HealthState.OK
        self.masked_hops += LATE_VOICE in estimate.health.reasons
        self.accounts.check()
        self._emit(
            replace(
                estimate,
                t_ms=(t_ns - planner.grid.t0_ns) / NS_PER_MS,
                age_ms=(now_ns - t_ns) / NS_PER_MS,
                dropped=self.accounts.dropped,
            )
        )
        self._stepper.rest(t_ns)


def _check(frame: Frame) -> None:
    check_pixels(frame.data, frame.pixel_format)
    if frame.t_capture_ns > frame.t_arrival_ns:
        raise UsageError(
            f"frame {frame.index}: got a capture {frame.t_capture_ns} ns after its "
            f"arrival {frame.t_arrival_ns} ns, expected it before"
        )
