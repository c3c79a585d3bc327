"""How far two runs lie apart, summed up as they go: nothing grows with their length."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(slots=True)
class Difference:
    """Two runs of one tensor; ``add`` takes a step of each."""

    low: float = math.inf
    """Lowest value of ours."""
    high: float = -math.inf
    """Highest value of ours."""
    largest: float = 0.0
    """Largest absolute difference; NaN once a value was."""
    total: float = 0.0
    """Sum of absolute differences."""
    count: int = 0
    """Numbers compared."""

    def add(self, ours: Floats, theirs: Floats) -> None:
        """Take one step's values, of one shape."""
        away = np.abs(ours.astype(np.float64) - theirs)
        self.low = min(self.low, float(ours.min()))
        self.high = max(self.high, float(ours.max()))
        # Unlike Python's max, NumPy's keeps a NaN.
        self.largest = float(np.maximum(self.largest, away.max()))
        self.total += float(away.sum())
        self.count += away.size

    @property
    def mean(self) -> float:
        """Mean absolute difference; NaN once a value was."""
        return self.total / self.count

    @property
    def span(self) -> float:
        """Range of ours; tiny rather than 0, to divide by."""
        return max(self.high - self.low, 1e-9)


@dataclass(slots=True)
class ClassFlips:
    """Steps whose likeliest class differs; ``add`` takes the logits of each side."""

    margins: list[float] = field(default_factory=list)
    """Of each such step: our largest logit less our second."""

    def add(self, ours: Floats, theirs: Floats) -> None:
        """Take one step's ``(1, K)`` logits."""
        if int(ours.argmax()) != int(theirs.argmax()):
            second, first = np.partition(ours.ravel(), -2)[-2:]
            self.margins.append(float(first - second))

    def over(self, margin: float) -> int:
        """Return how many of them we were sure of by more than ``margin``."""
        return sum(one > margin for one in self.margins)
