"""One cell of a stream, and what turns cells into estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from edge_affect.types import AudioChunk, Estimate, Frame


@dataclass(frozen=True, slots=True)
class Cell:
    """All that an estimate depends on besides the cells before it."""

    index: int
    """Number of the cell."""
    t_ns: int
    """Its frame's capture, or the cell's end when held; monotonic."""
    frame: Frame | None
    """The frame that reached it; None: held."""
    hop: int | None
    """Voice hop that it uses; None: masked."""
    rung: int
    """Rung of the degradation ladder."""
    woke: bool = False
    """Whether the machine was suspended since the cell before: all is long ago."""


class Stepper(Protocol):
    """Turns cells into estimates; sound is heard in between."""

    def hear(self, chunk: AudioChunk) -> None:
        """Take one chunk of sound."""

    def choose_hop(self, t_ns: int) -> int | None:
        """Return the voice hop that a step at ``t_ns`` would use now."""

    def step(self, cell: Cell) -> Estimate:
        """Return the estimate of ``cell``, without stream time, age and drops."""

    def rest(self, t_ns: int) -> None:
        """Have time, now that the estimate of ``t_ns`` is out."""
