"""The degradation ladder: what is left out when steps miss their budget."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from edge_affect.clock import NS_PER_S

MISSES_DOWN = 3
"""Misses within ``MISS_WINDOW_NS`` that go one rung down."""
MISS_WINDOW_NS = NS_PER_S
CLIMB_AFTER_NS = 2 * NS_PER_S
"""Clean time before one rung up; doubled whenever the climb fails."""
CLIMB_AGAIN_NS = NS_PER_S
"""Clean time before one rung more when there was no miss since the last climb."""
CLIMB_AFTER_MOST_NS = 60 * NS_PER_S
HEAT_RUNG = 2
"""Where a hot board goes, and no lower by heat alone: vision in every second cell."""


@dataclass(frozen=True, slots=True)
class Rung:
    """What one rung still does."""

    name: str
    detect_share: int
    """Detections are this many times rarer than at rung 0."""
    vision_every: int
    """A frame is seen n cells after the last one that was, or later; 0: none is."""
    gives_values: bool
    """Whether estimates still carry values."""


RUNGS = (
    Rung("full", 1, 1, True),
    Rung("detect_less", 4, 1, True),
    Rung("vision_half", 4, 2, True),
    Rung("vision_quarter", 4, 4, True),
    Rung("hold", 4, 0, True),
    Rung("lost", 4, 0, False),
)
"""From full service down."""


class Ladder:
    """Goes down on misses and up again when they cease; one per stream."""

    def __init__(self) -> None:
        self.rung = 0
        self._misses: deque[int] = deque(maxlen=MISSES_DOWN)
        self._clean_since_ns: int | None = None
        self._wait_ns = CLIMB_AFTER_NS
        self._climbed_ns: int | None = None

    @property
    def policy(self) -> Rung:
        """What the present rung does."""
        return RUNGS[self.rung]

    def update(self, t_ns: int, *, missed: bool, hot: bool = False) -> int:
        """Take one step's outcome at ``t_ns``; return the rung for the next step.

        Args:
            t_ns: When the step was done.
            missed: Whether it overran its budget.
            hot: Whether the board is too hot for full service.
        """
        if self._clean_since_ns is None:
            self._clean_since_ns = t_ns
        highest = HEAT_RUNG if hot else 0
        if missed:
            self._miss(t_ns)
        elif self.rung < highest:
            self.rung, self._clean_since_ns = highest, t_ns
        elif self.rung > highest and t_ns - self._clean_since_ns >= self._climb_wait_ns:
            self.rung -= 1
            self._clean_since_ns = self._climbed_ns = t_ns
        return self.rung

    @property
    def _climb_wait_ns(self) -> int:
        climbing = self._climbed_ns == self._clean_since_ns
        return CLIMB_AGAIN_NS if climbing else self._wait_ns

    def _miss(self, t_ns: int) -> None:
        self._clean_since_ns = t_ns
        self._misses.append(t_ns)
        burst = len(self._misses) == MISSES_DOWN
        if not burst or t_ns - self._misses[0] > MISS_WINDOW_NS:
            return
        self._misses.clear()
        self._judge_climb(t_ns)
        self.rung = min(self.rung + 1, len(RUNGS) - 1)

    def _judge_climb(self, t_ns: int) -> None:
        """Set the wait by how the last climb went, once: a deeper fall says no more."""
        if self._climbed_ns is None:
            return
        failed = t_ns - self._climbed_ns <= CLIMB_AFTER_NS + MISS_WINDOW_NS
        longer_ns = min(2 * self._wait_ns, CLIMB_AFTER_MOST_NS)
        self._wait_ns = longer_ns if failed else CLIMB_AFTER_NS
        self._climbed_ns = None
