"""How late estimates come: from a frame's arrival, or from when they were due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from edge_affect.clock import Clock
from edge_affect.sinks.base import RunHeader
from edge_affect.types import Estimate


@dataclass(slots=True)
class Delays:
    """A sink that times every estimate from its frame's arrival, or when it was due.

    Never from the start of the work: what waited in a queue is late as well.
    """

    clock: Clock
    """The stream's."""
    arrived_ns: Callable[[int], int]
    """Tells when the frame of an index arrived."""
    wait_ns: int
    """How long the stream waits for a cell's frame before it goes on without."""
    in_loop: ClassVar[bool] = True
    """A thread of its own would time the handing over too."""
    values_ns: list[int] = field(default_factory=list)
    """Delay of each estimate."""
    ages_ns: list[int] = field(default_factory=list)
    """Time from capture to each estimate that has a frame."""
    lowest: int = 0
    """Lowest rung so far."""
    low_ns: int = 0
    """When an estimate below full service came last."""

    def open(self, header: RunHeader) -> None:
        """Need no header."""

    def write(self, estimate: Estimate) -> None:
        """Time one estimate."""
        now_ns = self.clock.now_ns()
        from_ns = estimate.t_ns + 1 + self.wait_ns
        if estimate.frame is not None:
            from_ns = self.arrived_ns(estimate.frame)
            self.ages_ns.append(now_ns - estimate.t_ns)
        self.values_ns.append(now_ns - from_ns)
        self.lowest = max(self.lowest, estimate.rung)
        if estimate.rung:
            self.low_ns = now_ns

    def close(self) -> None:
        """Have nothing to close."""
