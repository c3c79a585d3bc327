"""A runner of known cost: it takes simulated time, and fails when it is told to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.soak.script import Do
from edge_affect.clock import NS_PER_MS, SimClock
from edge_affect.errors import RunnerError
from edge_affect.runners.base import StreamState, Tensors
from edge_affect.testing import FakeRunner

COST_NS = {"face": 4 * NS_PER_MS, "voice": 2 * NS_PER_MS, "affect": 1 * NS_PER_MS}
"""Usual time of each graph; a frame and a hop together take a fifth of the budget."""
JITTER = 0.5
"""Share by which a cost varies, either way."""
HEAT_NS = 500 * NS_PER_MS
"""Time in which a hot machine grows slower by once its usual cost."""


class StubRunner(FakeRunner):
    """The graphs of ``FakeRunner`` at a price in simulated time."""

    def __init__(self, clock: SimClock, seed: int) -> None:
        """Start well.

        Args:
            clock: Moves on by the cost of every step.
            seed: Of the costs' jitter.
        """
        super().__init__()
        self._clock = clock
        self._shares = np.random.default_rng(seed).uniform(-JITTER, JITTER, 997)
        self._calls = 0
        self._fault: Do | None = None
        self._value = 0
        self._since_ns = 0

    def fail(self, how: Do, value: int) -> None:
        """Fail from now on; ``value`` is how slow, or how long it hangs, ns."""
        self._fault, self._value = how, value
        self._since_ns = self._clock.now_ns()

    def mend(self) -> None:
        """Be well from now on."""
        self._fault = None

    def _step(
        self, state: StreamState, which: str, inputs: Tensors
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
        self._calls += 1
        share = 1 + float(self._shares[self._calls % len(self._shares)])
        cost_ns = round(COST_NS[which] * share * self._slowness())
        if self._fault is Do.MODEL_HANG and self._value:
            cost_ns, self._value = self._value, 0
        self._clock.advance_to(self._clock.now_ns() + cost_ns)
        if self._fault is Do.MODEL_RAISE:
            raise RunnerError(f"{which}: the graph failed")
        results, after = super()._step(state, which, inputs)
        if self._fault is Do.MODEL_NAN:
            results = {name: np.full_like(x, np.nan) for name, x in results.items()}
        return results, after

    def _patches(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return one pixel of each part: a long run spends its time elsewhere."""
        return image[0, 1, 7::14, 7::14]

    def _slowness(self) -> float:
        if self._fault is Do.MODEL_SLOW:
            return self._value
        if self._fault is Do.MODEL_HEAT:
            hot_ns = self._clock.now_ns() - self._since_ns
            return min(self._value, 1 + hot_ns / HEAT_NS)
        return 1.0
