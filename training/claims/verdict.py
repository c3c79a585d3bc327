"""Read claims off finished runs: paired over seeds, with a 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from training.claims.base import Claim

Figures = Mapping[tuple[str, int], Mapping[str, float]]
"""(arm, seed) → figure's name → value."""
CONFIDENCE = 0.95
"""Of the interval that decides."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the runs say about one claim."""

    claim: Claim
    difference: float
    """Mean over pairs of better minus than; NaN without a seed that has both."""
    low: float
    """Lower end of the interval; NaN below two pairs."""
    high: float
    """Upper end of the interval."""
    pairs: int
    """How many: seeds, or the claim's units."""

    @property
    def word(self) -> str:
        """``supported``, ``contradicted``, ``inconclusive`` or ``not run``."""
        if self.pairs == 0:
            return "not run"
        if self.low > 0:
            return "supported"
        return "contradicted" if self.high < 0 else "inconclusive"


def judge(claim: Claim, figures: Figures) -> Verdict:
    """Compare the two figures of ``claim`` over the seeds that have both.

    The interval is Student's t over paired differences: of seeds, which hold the spread
    between runs, not that between clips; or of the claim's units, which hold that
    between units, not that between runs.
    """
    if claim.units:
        found = [_of_seeds(claim, figures, f"/{unit}") for unit in claim.units]
        differences = [float(np.mean(seeds)) for seeds in found if seeds]
    else:
        differences = _of_seeds(claim, figures, "")
    if not differences:
        return Verdict(claim, math.nan, math.nan, math.nan, 0)
    mean = float(np.mean(differences))
    low, high = _interval(differences)
    return Verdict(claim, mean, low, high, len(differences))


def _of_seeds(claim: Claim, figures: Figures, unit: str) -> list[float]:
    """Return the difference in one unit for each seed that has both figures."""
    pairs = [
        (
            _figure(figures, claim.better, seed, unit),
            _figure(figures, claim.than, seed, unit),
        )
        for seed in sorted({seed for _, seed in figures})
    ]
    return [a - b for a, b in pairs if math.isfinite(a) and math.isfinite(b)]


def _figure(figures: Figures, of: tuple[str, str], seed: int, unit: str) -> float:
    arm, name = of
    return float(figures.get((arm, seed), {}).get(name + unit, math.nan))


def _interval(differences: Sequence[float]) -> tuple[float, float]:
    if len(differences) < 2:
        return math.nan, math.nan
    mean, error = float(np.mean(differences)), float(stats.sem(differences))
    if error == 0:
        return mean, mean
    reach = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1))
    return mean - reach, mean + reach
