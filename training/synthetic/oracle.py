"""How well the truth behind picture and sound tells affect: the ceiling.

The oracle reads the true action units and the true factors of the sound, both from the
past alone, where a recipe has to read pictures and samples. Gradient-boosted trees map
them to valence, arousal and expression; action units it knows. The trees learn from
many further drivers of the family, who act but are not filmed, so that the ceiling
depends on the family and hardly on the number of clips; nobody whom they learn from is
in the set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from edge_affect.labels import EXPRESSIONS
from training.engine.cache import Arrays
from training.metrics import ccc, macro_f1
from training.synthetic.film import FACTORS, START_S, arrays_from_truths
from training.synthetic.plan import ClipPlan, Family, plan_stand_ins

SENSES = ("units", "sound", "both")
"""What the oracle reads: true action units, true factors of the sound, or both."""
DRIVERS = 600
"""How many further drivers the trees learn from."""
_WATCHED_S, _WATCHED_HZ = 16, 10
"""Length and rate of what is known of each of them."""
_FIT_EVERY = 4
"""The trees are fitted on every fourth instant; neighbours tell the same."""
_LAGS_S = (0.2, 0.5, 1.0, 2.0)
_TAUS_S = (2.0, 6.0)
METHOD = (
    "HistGradientBoosting (200 trees of 31 leaves, rate 0.06, 100 rows a leaf; for "
    "each expression 60 of 15 leaves, rate 0.1) fitted on further drivers of the "
    "family, none of whom is in the set; causal features: now, "
    f"{', '.join(f'{lag:g}' for lag in _LAGS_S)} s ago, exponential "
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
        ``units``, ``sound`` and ``both``: CCC of ``valence`` and ``arousal``, macro F1
        of ``expression``;
        ``sound_share``: of arousal's variance that the sound explains (R² of its
        estimate, not below 0); ``clips``, ``frames``, ``drivers`` and ``method``.
    """
    known = _features(_stand_ins(plans[0].family, seed))
    rates = [plan.pool.fps for plan in plans]
    asked = _features(list(zip(truths, rates, strict=True)))
    # OpenMP's threads wait for each other spinning: on a busy machine two of them take
    # minutes for what one does in seconds.
    with threadpool_limits(limits=1, user_api="openmp"):
        read = {name: _Reading.of(known, asked, name) for name in SENSES}
    true = asked.affect[:, 1]
    error = np.mean((read["sound"].affect[:, 1] - true) ** 2)
    return {
        **{name: reading.figures(asked) for name, reading in read.items()},
        "sound_share": round(max(0.0, float(1 - error / true.var())), 4),
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


@dataclass(frozen=True, slots=True)
class _Watched:
    """What is known of ``T`` instants of several drivers."""

    features: dict[str, Floats]
    """``(T, F)`` of each of ``SENSES``."""
    affect: Floats
    """``(T, 2)`` true valence and arousal."""
    expression: NDArray[np.int64]
    """``(T,)`` index in ``EXPRESSIONS``."""


def _features(clips: list[tuple[Arrays, int]]) -> _Watched:
    units = [unit_features(truth["units"], rate) for truth, rate in clips]
    sound = [sound_features(truth["factors"], rate) for truth, rate in clips]
    features = {"units": np.concatenate(units), "sound": np.concatenate(sound)}
    features["both"] = np.hstack([features["units"], features["sound"]])
    affect = np.concatenate([truth["affect"] for truth, _ in clips])
    expression = np.concatenate([truth["expression"] for truth, _ in clips])
    return _Watched(features, affect.astype(np.float64), expression)


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


@dataclass(frozen=True, slots=True)
class _Reading:
    """What trees make of one kind of features."""

    affect: Floats
    """``(T, 2)`` estimated valence and arousal."""
    expression: NDArray[np.int64]
    """``(T,)`` estimated index in ``EXPRESSIONS``."""

    @classmethod
    def of(cls, known: _Watched, asked: _Watched, sense: str) -> _Reading:
        """Let trees that learn from ``known`` estimate ``asked`` by one sense."""
        from sklearn import ensemble

        rows, seen = known.features[sense][::_FIT_EVERY], asked.features[sense]
        common = {
            "min_samples_leaf": 100,
            "l2_regularization": 1.0,
            "early_stopping": False,
        }
        affect = []
        for target in known.affect[::_FIT_EVERY].T:
            trees = ensemble.HistGradientBoostingRegressor(
                max_iter=200, learning_rate=0.06, max_leaf_nodes=31, **common
            )
            affect.append(trees.fit(rows, target).predict(seen))
        classes = ensemble.HistGradientBoostingClassifier(
            max_iter=60, learning_rate=0.1, max_leaf_nodes=15, **common
        )
        said = classes.fit(rows, known.expression[::_FIT_EVERY]).predict(seen)
        return cls(np.stack(affect, axis=1), said.astype(np.int64))

    def figures(self, asked: _Watched) -> dict[str, float]:
        """Return CCC of valence and arousal, and macro F1 of the expression."""
        told = {
            name: ccc(asked.affect[:, column], self.affect[:, column])
            for column, name in enumerate(("valence", "arousal"))
        }
        told["expression"] = macro_f1(
            asked.expression, self.expression, len(EXPRESSIONS)
        )
        return {name: round(value, 4) for name, value in told.items()}
