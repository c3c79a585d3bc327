"""When a simulated camera takes its frames: rate, drift and jitter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from edge_affect.clock import NS_PER_S
from edge_affect.errors import UsageError

_LARGEST_DENOMINATOR = 1001
_LARGEST_PPM = 100_000
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """Deterministic capture times; frame n does not depend on what was asked before."""

    fps: Fraction
    """Nominal frames per second."""
    rate_ppm: float = 0.0
    """How much longer each period is than nominal, parts per million."""
    jitter_ns: int = 0
    """Largest distance of a frame from its regular time, less than half a period."""
    seed: int = 0
    """Seed of the jitter."""

    def __post_init__(self) -> None:
        """Refuse values that no camera can have."""
        if self.fps <= 0:
            raise UsageError(f"fps: got {self.fps}, expected more than 0")
        if not abs(self.rate_ppm) < _LARGEST_PPM:
            raise UsageError(
                f"rate_ppm: got {self.rate_ppm}, expected less than {_LARGEST_PPM}"
            )
        if not 0 <= 2 * self.jitter_ns < self.period_ns:
            raise UsageError(
                f"jitter_ns: got {self.jitter_ns}, expected 0 to less than half the "
                f"period of {int(self.period_ns)} ns"
            )

    @property
    def period_ns(self) -> Fraction:
        """Exact time between two frames, drift included."""
        drift = 1 + Fraction(self.rate_ppm) / 1_000_000
        return NS_PER_S * drift / self.fps

    def capture_ns(self, index: int) -> int:
        """Return when frame ``index`` is taken, from the start; never before it."""
        regular = int(index * self.period_ns)
        if self.jitter_ns == 0:
            return regular
        span = 2 * self.jitter_ns + 1
        return max(0, regular - self.jitter_ns + _scatter(self.seed, index) % span)


def fraction_of(fps: float | Fraction) -> Fraction:
    """Return a rate as a fraction; 29.97 and the like become simple ones.

    Raises:
        UsageError: It is not a finite number.
    """
    if not math.isfinite(fps):
        raise UsageError(f"fps: got {fps}, expected a number more than 0")
    return Fraction(fps).limit_denominator(_LARGEST_DENOMINATOR)


def _scatter(seed: int, index: int) -> int:
    """Return 64 well mixed bits of the two numbers (SplitMix64's finaliser)."""
    bits = (index * 0x9E3779B97F4A7C15 + seed * 0xD1342543DE82EF95 + 1) & _MASK
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _MASK
    return bits ^ (bits >> 31)
