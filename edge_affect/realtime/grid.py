"""The grid of cells: which cell a frame belongs to, and when a cell is due."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from edge_affect.clock import NS_PER_S

SURPLUS = "surplus"
"""Reason of a drop: the frame's cell is taken and the next one is too far."""
LATE = "late"
"""Reason of a drop: the frame's cell was stepped without it."""

REMEMBERED_CELLS = 60
"""Cells after which it is forgotten how long a frame needed: two seconds."""
LONGEST_WAIT_NS = NS_PER_S
"""A frame that needs more is of no use."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells of equal width from ``t0_ns``, counted from 0, in exact integers."""

    t0_ns: int
    """Start of cell 0, monotonic ns."""
    rate: tuple[int, int] = (30, 1)
    """Cells per second as numerator and denominator."""

    @classmethod
    def around(cls, t_ns: int, rate: tuple[int, int] = (30, 1)) -> Grid:
        """Return the grid that has ``t_ns`` in the middle of cell 0."""
        return cls(t_ns - NS_PER_S * rate[1] // (2 * rate[0]), rate)

    @property
    def cell_ns(self) -> int:
        """Width of a cell, rounded down to a whole ns."""
        return NS_PER_S * self.rate[1] // self.rate[0]

    def cell_of(self, t_ns: int) -> int:
        """Return the cell that holds the instant ``t_ns``; negative before cell 0."""
        return (t_ns - self.t0_ns) * self.rate[0] // (NS_PER_S * self.rate[1])

    def end_ns(self, cell: int) -> int:
        """Return the first instant after ``cell``."""
        span = (cell + 1) * NS_PER_S * self.rate[1]
        return self.t0_ns - (-span // self.rate[0])


class CellPlanner:
    """Gives every cell its frame, or none, in order of arrival.

    A frame goes to its own cell; if that has a frame already, to the next one when
    it lies within half a cell of it; else it is dropped.
    """

    def __init__(self, grid: Grid, wait_ns: int) -> None:
        """Start before cell 0.

        Args:
            grid: The cells.
            wait_ns: How long after its end a cell without a frame waits for one; more
                while frames need it.
        """
        self.grid = grid
        self.next_cell = 0
        self._wait_ns = self._least_wait_ns = wait_ns
        self._needed_ns: deque[tuple[int, int]] = deque()
        self._last_has_frame = False

    @property
    def wait_ns(self) -> int:
        """How long after its end a cell without a frame waits for one."""
        return self._wait_ns

    def place(self, t_capture_ns: int) -> int | str:
        """Return the cell for a frame, or the reason why it is dropped."""
        cell = self.grid.cell_of(t_capture_ns)
        if cell >= self.next_cell:
            return cell
        if cell < self.next_cell - 1 or not self._last_has_frame:
            return LATE
        to_next_ns = self.grid.end_ns(cell) - t_capture_ns
        return self.next_cell if 2 * to_next_ns <= self.grid.cell_ns else SURPLUS

    def allow_for(self, t_capture_ns: int, t_arrival_ns: int) -> None:
        """Wait as long as this frame needed, until it is forgotten.

        A camera that tells when its frames were captured may be slower than the usual
        latency, by which the wait was chosen: all of its frames would come too late.
        """
        cell = self.grid.cell_of(t_capture_ns)
        needed_ns = t_arrival_ns - self.grid.end_ns(cell) + self.grid.cell_ns
        if needed_ns <= LONGEST_WAIT_NS:
            self._needed_ns.append((cell, needed_ns))
            self._wait_ns = max(self._wait_ns, needed_ns)

    def due_ns(self) -> int:
        """Return when the next cell is stepped without a frame."""
        return self.grid.end_ns(self.next_cell) + self._wait_ns

    def stepped(self, *, has_frame: bool) -> None:
        """Note that the next cell was stepped."""
        self.next_cell += 1
        self._last_has_frame = has_frame
        self._forget()

    def _forget(self) -> None:
        """Forget what frames of long ago needed; also while none come any more."""
        before = self.next_cell - REMEMBERED_CELLS
        if self._needed_ns and self._needed_ns[0][0] < before:
            while self._needed_ns and self._needed_ns[0][0] < before:
                self._needed_ns.popleft()
            needed = (needed_ns for _, needed_ns in self._needed_ns)
            self._wait_ns = max(self._least_wait_ns, *needed, 0)

    def skip_to(self, cell: int) -> int:
        """Leave cells out until ``cell``; return how many."""
        skipped = max(0, cell - self.next_cell)
        self.next_cell += skipped
        self._last_has_frame &= not skipped
        self._forget()
        return skipped
