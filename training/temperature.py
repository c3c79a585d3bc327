"""Fit the temperature that makes class probabilities honest; numpy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError

LOWEST, HIGHEST = 0.25, 8.0
"""Range of the search; outside of it a network is broken, not over-confident."""
_STEPS = 60


def nll(
    logits: NDArray[np.floating[Any]], truth: NDArray[np.int64], temperature: float
) -> float:
    """Return the mean negative log-likelihood of ``(B,)`` classes."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(scaled).sum(axis=1))
    return float((log_sum - scaled[np.arange(len(truth)), truth]).mean())


def softmax(
    logits: NDArray[np.floating[Any]], temperature: float
) -> NDArray[np.float64]:
    """Return ``(B, K)`` probabilities at ``temperature``."""
    scaled = logits.astype(np.float64) / temperature
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
    return probabilities


def fit_temperature(
    logits: NDArray[np.floating[Any]], truth: NDArray[np.int64]
) -> float:
    """Return the temperature with the lowest NLL, by golden-section search.

    The NLL is convex in 1/T, so the search over log T finds its one minimum.

    Raises:
        DataError: There is nothing to fit on, or a logit is not finite.
    """
    if len(logits) == 0 or not np.isfinite(logits).all():
        raise DataError(
            f"temperature: got {len(logits)} rows of logits, expected at least one "
            "and all finite"
        )
    ratio = (np.sqrt(5) - 1) / 2
    low, high = float(np.log(LOWEST)), float(np.log(HIGHEST))
    for _ in range(_STEPS):
        inner = high - ratio * (high - low), low + ratio * (high - low)
        losses = [nll(logits, truth, float(np.exp(point))) for point in inner]
        low, high = (low, inner[1]) if losses[0] < losses[1] else (inner[0], high)
    return float(np.exp((low + high) / 2))
