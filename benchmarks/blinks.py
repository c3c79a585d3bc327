"""Blinks in clips: those that the teacher sees, and whether we see them too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.judged import Judged
from benchmarks.records import Record
from benchmarks.split import Floats, Ints, Split
from training.data.signals import FACE_SIGNALS

RISE = 0.2
"""Closure above that of the moments around from which an eye blinks: at 25 frames a
second most blinks are over before the eye is seen shut."""
AROUND_S = 1.0
"""How far those moments reach to either side."""
NEAR_S = 0.1
"""A blink of ours is the teacher's when they begin no further apart."""


def blink_figures(split: Split, judged: Sequence[Judged]) -> list[Record]:
    """Return the F1 of blinks over clips; none where the teacher sees no blink."""
    clips = sorted({one.unit for one in judged})
    column = FACE_SIGNALS.index("eyes_closed")
    counts = np.zeros((len(clips), 3))
    for row, clip in enumerate(clips):
        faces = [one for one in judged if one.unit == clip]
        times = np.array([one.t_s for one in faces])
        ours = np.array([one.ours.eyes_closed for one in faces])
        its = np.array([one.face.signals.values[column] for one in faces])
        counts[row] = match_blinks(blinks_of(times, ours), blinks_of(times, its))
    if not counts[:, 2].any():
        return []

    def f1(pick: Ints) -> float:
        hits, found, true = counts[pick].sum(axis=0)
        return float(2 * hits / max(1.0, found + true))

    return split.over_units("eyes/blinks", "macro_f1", f1, clips)


def blinks_of(times_s: Floats, closed: Floats) -> Floats:
    """Return when eyes begin to blink: ``(n,)`` s."""
    usual = [np.median(closed[np.abs(times_s - t_s) <= AROUND_S]) for t_s in times_s]
    blinks = closed - np.array(usual) >= RISE
    begins = blinks[1:] & ~blinks[:-1]
    return np.asarray(times_s[1:][begins])


def match_blinks(ours: Floats, its: Floats) -> tuple[int, int, int]:
    """Return how many are the same, how many are ours, and how many the teacher's."""
    free = list(its)
    hits = 0
    for begin in ours:
        near = [other for other in free if abs(other - begin) <= NEAR_S]
        if near:
            free.remove(min(near, key=lambda other: abs(other - begin)))
            hits += 1
    return hits, len(ours), len(its)
