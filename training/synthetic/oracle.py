"""How well the truth behind picture and sound tells valence and arousal: the ceiling.

The oracle reads the true action units and the true factors of the sound, both from the
past alone, where a recipe has to read pictures and samples. Gradient-boosted trees map
them to valence and arousal. They learn from many further drivers of the family, who act
but are not filmed, so that the ceiling depends on the family and hardly on the number
of clips; nobody whom they learn from is in the set.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.engine.cache import Arrays
from training.metrics import ccc
from training.synthetic.film import FACTORS, START_S, arrays_from_truths
from training.synthetic.plan import ClipPlan, Family, plan_stand_ins

DRIVERS = 600
"""How many further drivers the trees learn from."""
_WATCHED_S, _WATCHED_HZ = 16, 10
"""Length and rate of what is known of each of them."""
_FIT_EVERY = 4
"""The trees are fitted on every fourth instant; neighbours tell the same."""
_LAGS_S = (0.2, 0.5, 1.0, 2.0)
_TAUS_S = (2.0, 6.0)
METHOD = (
    "HistGradientBoostingRegressor (200 trees of 31 leaves, rate 0.06, 100 rows a "
    "leaf) fitted on further drivers of the family, none of whom is in the set; causal "
    f"features: now, {', '.join(f'{lag:g}' for lag in _LAGS_S)} s ago, exponential "
    f"means over {' and '.join(f'{tau:g}' for tau in _TAUS_S)} s"
)

Floats = NDArray[np.float64]


def measure_oracle(
    truths: list[Arrays], plans: list[ClipPlan], seed: int
) -> dict[str, Any]:
    """Return the oracle's figures over all frames of a set.

    Args:
        truths: Of each clip, as ``Film.truth``.
        plans: The clips, all of one family.
        seed: Of the set.

    Returns:
        ``units``, ``sound`` and ``both``: CCC of ``valence`` and ``arousal``;
        ``sound_share``: of arousal's variance that the sound explains (R² of its
        estimate, not below 0); ``clips``, ``frames``, ``drivers`` and ``method``.
    """
    known, learned = _features(_stand_ins(plans[0].family, seed))
    rates = [plan.pool.fps for plan in plans]
    asked, true = _features(list(zip(truths, rates, strict=True)))
    read = {
        name: _estimated(known[name], learned, asked[name])
        for name in ("units", "sound")
    }
    read["both"] = _estimated(
        np.hstack(list(known.values())), learned, np.hstack(list(asked.values()))
    )
    error = np.mean((read["sound"][:, 1] - true[:, 1]) ** 2)
    return {
        **{name: _figures(true, estimate) for name, estimate in read.items()},
        "sound_share": round(max(0.0, float(1 - error / true[:, 1].var())), 4),
        "clips": len(truths),
        "frames": len(true),
        "drivers": DRIVERS,
        "method": METHOD,
    }


def _stand_ins(family: Family, seed: int) -> list[tuple[Arrays, int]]:
    """Return what further drivers do, and the rate at which it is known."""
    known = []
    for plan in plan_stand_ins(family, DRIVERS, seed):
        script = family.act(plan.seed, plan.pool)
        times_ns = [
            (START_S * _WATCHED_HZ + step) * 1_000_000_000 // _WATCHED_HZ
            for step in range(_WATCHED_S * _WATCHED_HZ)
        ]
        truths = [script.truth_at(t_ns) for t_ns in times_ns]
        known.append((arrays_from_truths(truths), _WATCHED_HZ))
    return known


def _features(clips: list[tuple[Arrays, int]]) -> tuple[dict[str, Floats], Floats]:
    """Return features by name, and ``(T, 2)`` true valence and arousal."""
    units = [unit_features(truth["units"], rate) for truth, rate in clips]
    sound = [sound_features(truth["factors"], rate) for truth, rate in clips]
    affect = np.concatenate([truth["affect"] for truth, _ in clips])
    features = {"units": np.concatenate(units), "sound": np.concatenate(sound)}
    return features, affect.astype(np.float64)


def unit_features(units: NDArray[np.float32], rate: int) -> Floats:
    """Return ``(T, 7 * 12)`` features of the past of ``(T, 12)`` activations."""
    now = units.astype(np.float64)
    past = [_earlier(now, lag * rate) for lag in _LAGS_S]
    return np.hstack([now, *past, *(_mean(now, tau * rate) for tau in _TAUS_S)])


def sound_features(factors: NDArray[np.float32], rate: int) -> Floats:
    """Return ``(T, 9)`` features of what was heard up to each frame.

    Effort is heard in speech alone; in a pause the last one is remembered.
    """
    table = dict(zip(FACTORS, factors.astype(np.float64).T, strict=True))
    speaking = table["speaking"] > 0.5
    rows = np.arange(len(factors))
    last = np.maximum.accumulate(np.where(speaking, rows, -1))
    heard = last >= 0
    effort = np.where(heard, table["vocal_effort"][last], 0.0)
    age_s = np.where(heard, (rows - last) / rate, rows[-1] / rate)
    columns = [effort, age_s, speaking, heard, table["mouth_opening"]]
    past = [_earlier(effort, lag * rate) for lag in _LAGS_S[1:]]
    return np.column_stack([*columns, *past, _mean(effort, _TAUS_S[0] * rate)])


def _earlier(values: Floats, frames: float) -> Floats:
    """Return ``values`` of so many frames ago, the first before the start."""
    rows = np.maximum(0, np.arange(len(values)) - round(frames))
    return np.asarray(values[rows])


def _mean(values: Floats, frames: float) -> Floats:
    """Return the exponential mean of the past."""
    gain = 1 - np.exp(-1 / frames)
    mean, state = np.empty_like(values), values[0]
    for row, value in enumerate(values):
        state = state + gain * (value - state)
        mean[row] = state
    return mean


def _estimated(known: Floats, learned: Floats, asked: Floats) -> Floats:
    """Return ``(T, 2)`` estimates at ``asked`` by trees that learned from ``known``."""
    from sklearn import ensemble

    estimates = []
    for target in learned[::_FIT_EVERY].T:
        trees = ensemble.HistGradientBoostingRegressor(
            max_iter=200,
            learning_rate=0.06,
            max_leaf_nodes=31,
            min_samples_leaf=100,
            l2_regularization=1.0,
            early_stopping=False,
        )
        trees.fit(known[::_FIT_EVERY], target)
        estimates.append(trees.predict(asked))
    return np.stack(estimates, axis=1)


def _figures(true: Floats, estimate: Floats) -> dict[str, float]:
    names = ("valence", "arousal")
    return {
        name: round(ccc(true[:, column], estimate[:, column]), 4)
        for column, name in enumerate(names)
    }
