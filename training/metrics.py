"""Figures that reports and selections are made of, with their intervals; numpy only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError

BOOTSTRAP_DRAWS = 2000
"""Resamplings behind an interval."""
ECE_BINS = 15
"""Bins of equal mass in the expected calibration error."""

Ints = NDArray[np.int64]
AnyFloats = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % interval."""

    value: float
    low: float
    """2.5th percentile of the resampled figure."""
    high: float
    """97.5th percentile of the resampled figure."""


def confusion(truth: Ints, estimate: Ints, classes: int) -> Ints:
    """Count ``(classes, classes)`` pairs, truth along the rows.

    Raises:
        DataError: There is nothing to count, or a label is outside of the classes.
    """
    if len(truth) == 0 or len(truth) != len(estimate):
        raise DataError(
            f"labels: got {len(truth)} true and {len(estimate)} estimated, "
            "expected equally many and at least one"
        )
    both = np.concatenate([truth, estimate])
    if both.min() < 0 or both.max() >= classes:
        raise DataError(
            f"labels: got {both.min()} to {both.max()}, expected 0 to {classes - 1}"
        )
    counts = np.bincount(truth * classes + estimate, minlength=classes * classes)
    return counts.reshape(classes, classes)


def accuracy(truth: Ints, estimate: Ints, classes: int) -> float:
    """Return the share of right estimates."""
    counts = confusion(truth, estimate, classes)
    return float(np.trace(counts) / counts.sum())


def macro_f1(truth: Ints, estimate: Ints, classes: int) -> float:
    """Return the mean F1 over the classes that occur in truth or estimate."""
    counts = confusion(truth, estimate, classes)
    seen = counts.sum(axis=0) + counts.sum(axis=1)
    f1 = 2 * np.diag(counts)[seen > 0] / seen[seen > 0]
    return float(f1.mean())


def balanced_accuracy(truth: Ints, estimate: Ints, classes: int) -> float:
    """Return the mean recall over the classes that occur in truth."""
    counts = confusion(truth, estimate, classes)
    true = counts.sum(axis=1)
    return float((np.diag(counts)[true > 0] / true[true > 0]).mean())


uar = balanced_accuracy
"""Unweighted average recall: balanced accuracy under speech research's name."""


def ccc(truth: AnyFloats, estimate: AnyFloats) -> float:
    """Return Lin's concordance correlation with population variances.

    Two equal constants agree (1); a constant against anything else does not (0).
    """
    true, estimated = truth.astype(np.float64), estimate.astype(np.float64)
    offset = true.mean() - estimated.mean()
    spread = true.var() + estimated.var() + offset * offset
    if spread == 0:
        return 1.0
    covariance = ((true - true.mean()) * (estimated - estimated.mean())).mean()
    return float(2 * covariance / spread)


def correlation(truth: AnyFloats, estimate: AnyFloats) -> float:
    """Return Pearson's r of two ``(n,)``; 0 where one of them does not vary."""
    one, other = (np.asarray(v, np.float64) - np.mean(v) for v in (truth, estimate))
    spread = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / spread if spread > 0 else 0.0


def ece(truth: Ints, probabilities: AnyFloats, bins: int = ECE_BINS) -> float:
    """Return the expected calibration error of the likeliest class.

    Args:
        truth: ``(B,)`` classes.
        probabilities: ``(B, K)``, rows sum to 1.
        bins: Number of bins, each with the same number of items (± 1).
    """
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == truth).astype(np.float64)
    order = np.argsort(confidence, kind="stable")
    gap = 0.0
    for part in np.array_split(order, min(bins, len(order))):
        gap += len(part) * abs(float((right[part] - confidence[part]).mean()))
    return gap / len(order)


def cross_entropies(target: AnyFloats, probabilities: AnyFloats) -> Floats:
    """Return ``(B,)`` cross-entropies of ``(B, K)`` rows to those of ``target``, nats.

    A probability of 0 counts as 1e-12.
    """
    told = np.log(np.maximum(probabilities, 1e-12))
    return np.asarray(-(np.asarray(target, np.float64) * told).sum(axis=1))


def brier_scores(truth: Ints, probabilities: AnyFloats) -> Floats:
    """Return ``(B,)`` squared distances of ``(B, K)`` rows to their true class."""
    apart = np.array(probabilities, np.float64)
    apart[np.arange(len(truth)), truth] -= 1
    return np.asarray((apart**2).sum(axis=1))


def bootstrap(
    figure: Callable[[Ints], float],
    items: int,
    draws: int = BOOTSTRAP_DRAWS,
    seed: int = 0,
) -> Interval:
    """Return a figure with its 95 % percentile interval over resampled items.

    Args:
        figure: Gives the figure of the items whose ``(n,)`` indices it is given. For
            a paired comparison let it return a difference.
        items: Number of independent items: pictures, clips or speakers, not frames.
        draws: Number of resamplings.
        seed: Seed of the draws.
    """
    drawn = resampled(figure, items, draws, seed)
    return interval_of(figure(np.arange(items)), drawn)


def resampled(
    figure: Callable[[Ints], float],
    items: int,
    draws: int = BOOTSTRAP_DRAWS,
    seed: int = 0,
) -> Floats:
    """Return ``figure`` of each of ``draws`` resamplings: ``(draws,)``.

    Arguments as for ``bootstrap``. As many items and the same seed give the same
    resamplings: differences of two figures' draws are paired.
    """
    random = np.random.default_rng(seed)
    drawn = [figure(random.integers(0, items, items)) for _ in range(draws)]
    return np.array(drawn, np.float64)


def interval_of(value: float, drawn: Floats) -> Interval:
    """Return ``value`` with the 2.5th and 97.5th percentile of its draws."""
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(value, float(low), float(high))
