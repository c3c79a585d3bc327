"""The challenge's figures over concatenated frames, and the papers' other averages.

ABAW's definitions: P_VA is the mean CCC of valence and arousal, P_EXPR the mean F1 of
the eight classes, P_AU the mean F1 of the twelve action units, P_MTL their sum; each
over all valid frames of a part, one after the other. numpy only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import EXPRESSIONS
from training.metrics import AnyFloats, Ints, ccc, confusion

AU_THRESHOLD = 0.5
"""Probability from which an action unit counts as shown."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What is true of ``N`` frames."""

    valence_arousal: AnyFloats
    """``(N, 2)``; NaN where there is no label."""
    expression: Ints
    """``(N,)``; -1 where there is no label."""
    action_units: AnyFloats
    """``(N, 12)`` 0 or 1; NaN where there is no label."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """What a network says of the same frames; None where it has no such head."""

    valence_arousal: AnyFloats | None = None
    """``(N, 2)``."""
    expression: AnyFloats | None = None
    """``(N, 8)`` logits or probabilities."""
    action_units: AnyFloats | None = None
    """``(N, 12)`` probabilities."""


def p_va(truth: AnyFloats, estimate: AnyFloats) -> float:
    """Return the mean CCC of valence and arousal over labelled frames of ``(N, 2)``."""
    return float(np.mean(va_cccs(truth, estimate)))


def va_cccs(truth: AnyFloats, estimate: AnyFloats) -> tuple[float, float]:
    """Return the CCC of valence and that of arousal over labelled ``(N, 2)`` frames."""
    known = ~np.isnan(truth).any(axis=1)
    true, estimated = truth[known], estimate[known]
    return ccc(true[:, 0], estimated[:, 0]), ccc(true[:, 1], estimated[:, 1])


def p_expr(truth: Ints, scores: AnyFloats) -> float:
    """Return the mean F1 over all classes of ``(N, K)`` scores.

    A class that neither occurs nor is estimated counts as 0, as the challenge's own
    average over eight classes has it.
    """
    known = truth >= 0
    classes = scores.shape[1]
    counts = confusion(truth[known], scores[known].argmax(axis=1), classes)
    seen = counts.sum(axis=0) + counts.sum(axis=1)
    return float((2 * np.diag(counts) / np.maximum(seen, 1)).mean())


def au_f1s(truth: AnyFloats, probabilities: AnyFloats) -> NDArray[np.float64]:
    """Return ``(12,)`` F1 of each action unit being shown.

    A unit that is neither shown nor estimated gets 0, as in scikit-learn's default.
    """
    known = ~np.isnan(truth)
    said = (probabilities >= AU_THRESHOLD) & known
    shown = (truth == 1) & known
    both = (said & shown).sum(axis=0)
    f1s: NDArray[np.float64] = (
        2 * both / np.maximum(said.sum(axis=0) + shown.sum(axis=0), 1)
    )
    return f1s


def p_au(truth: AnyFloats, probabilities: AnyFloats) -> float:
    """Return the mean F1 over the action units of ``(N, 12)`` probabilities."""
    return float(au_f1s(truth, probabilities).mean())


def challenge_figures(truth: Labels, estimate: Estimates) -> dict[str, float]:
    """Return every challenge figure that the estimates and the labels allow."""
    figures: dict[str, float] = {}
    affect = estimate.valence_arousal
    if affect is not None and not np.isnan(truth.valence_arousal).all():
        valence, arousal = va_cccs(truth.valence_arousal, affect)
        figures |= {"ccc_valence": valence, "ccc_arousal": arousal}
        figures["p_va"] = (valence + arousal) / 2
    if estimate.expression is not None and (truth.expression >= 0).any():
        figures["p_expr"] = p_expr(truth.expression, estimate.expression)
    units = estimate.action_units
    if units is not None and not np.isnan(truth.action_units).all():
        figures["p_au"] = p_au(truth.action_units, units)
    if {"p_va", "p_expr", "p_au"} <= figures.keys():
        figures["p_mtl"] = figures["p_va"] + figures["p_expr"] + figures["p_au"]
    return figures


def mean_over_clips(truth: AnyFloats, estimate: AnyFloats, clips: Ints) -> float:
    """Return CAPNet's own P_VA: the mean of each clip's, over ``(N,)`` clip numbers.

    It differs from the challenge's: a clip whose labels hardly move counts as much as
    any other. Clips without a label are left out.
    """
    return float(np.mean(list(_clip_p_vas(truth, estimate, clips))))


def _clip_p_vas(truth: AnyFloats, estimate: AnyFloats, clips: Ints) -> Iterable[float]:
    for clip in np.unique(clips):
        rows = clips == clip
        if not np.isnan(truth[rows]).any(axis=1).all():
            yield p_va(truth[rows], estimate[rows])


def mean_over_batches(truth: Labels, estimate: Estimates, batch: int) -> float:
    """Return the multi-task paper's own P_MTL: the mean of each mini-batch's.

    Its F1 of a class or unit that neither occurs nor is estimated in a batch is 1
    (``zero_division=1``), which lifts what is rare. Frames come in the order given and
    need all three labels; the rest is left out.
    """
    known = (
        ~np.isnan(truth.valence_arousal).any(axis=1)
        & (truth.expression >= 0)
        & ~np.isnan(truth.action_units).any(axis=1)
    )
    rows = np.flatnonzero(known)
    parts = [rows[start : start + batch] for start in range(0, len(rows), batch)]
    return float(np.mean([_lenient_p_mtl(truth, estimate, part) for part in parts]))


def _lenient_p_mtl(truth: Labels, estimate: Estimates, rows: Ints) -> float:
    affect, scores, units = (
        estimate.valence_arousal,
        estimate.expression,
        estimate.action_units,
    )
    if affect is None or scores is None or units is None:
        return float("nan")
    classes = scores[rows].argmax(axis=1)[:, None] == np.arange(len(EXPRESSIONS))
    true_classes = truth.expression[rows][:, None] == np.arange(len(EXPRESSIONS))
    shown = truth.action_units[rows] == 1
    said = units[rows] >= AU_THRESHOLD
    return (
        p_va(truth.valence_arousal[rows], affect[rows])
        + _lenient_f1(true_classes, classes)
        + _lenient_f1(shown, said)
    )


def _lenient_f1(truth: NDArray[np.bool_], said: NDArray[np.bool_]) -> float:
    together = said.sum(axis=0) + truth.sum(axis=0)
    both = (said & truth).sum(axis=0)
    return float(np.where(together > 0, 2 * both / np.maximum(together, 1), 1).mean())
