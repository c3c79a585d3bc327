"""Read faces off the maps of the locator graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.sensing.align import Box, box_from_points
from edge_affect.types import Face

STRIDE_PX = 8
"""Pixels of the searched picture per cell of the maps, either way."""
UNIT_PX = 32.0
"""Width of a face whose ``width`` output is 0."""
_LEAST_LOGIT = -4.0
"""Cells below are never read: a score of 0.018."""
_OVERLAP = 0.3
"""Two faces that share more than this of their union are one."""
_MOST = 50
"""Faces that are looked at, the surest first."""


@dataclass(frozen=True, slots=True)
class FaceMaps:
    """What the locator graph gives for one picture; ``h, w``: its sides over 8."""

    score: NDArray[np.float32]
    """``(1, h, w)`` logit that the middle of a face lies in the cell."""
    width: NDArray[np.float32]
    """``(1, h, w)`` natural logarithm of that face's width in ``UNIT_PX``."""
    points: NDArray[np.float32]
    """``(10, h, w)`` x and y of the five points, from the cell's middle, in widths."""


def read_faces(maps: FaceMaps, least_score: float) -> list[Face]:
    """Return the faces of a picture, the surest first, in its pixels.

    A face stands where the score is the highest of its 3 × 3 cells; of faces that
    overlap the surest is kept.

    Args:
        maps: Outputs of the graph.
        least_score: Faces that score less are left out, in [0, 1].
    """
    logit = maps.score[0]
    edged = np.pad(logit, 1, constant_values=-np.inf)
    around = np.lib.stride_tricks.sliding_window_view(edged, (3, 3)).max((2, 3))
    rows, columns = np.nonzero((logit >= around) & (logit >= _LEAST_LOGIT))
    order = np.argsort(-logit[rows, columns], kind="stable")[:_MOST]
    faces: list[Face] = []
    for row, column in zip(rows[order], columns[order], strict=True):
        score = float(1 / (1 + np.exp(-logit[row, column])))
        if score < least_score:
            break
        width = UNIT_PX * float(np.exp(min(maps.width[0, row, column], 4.0)))
        middle = (np.array([column, row]) + 0.5) * STRIDE_PX - 0.5
        offsets = maps.points[:, row, column].reshape(5, 2)
        points = (middle + width * offsets).astype(np.float32)
        box = box_from_points(points)
        if all(overlap(box, other.box) <= _OVERLAP for other in faces):
            faces.append(Face(box, score, points))
    return faces


def overlap(one: Box, other: Box) -> float:
    """Return the share of two boxes' union that both cover, in [0, 1]."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    both = max(0.0, across) * max(0.0, down)
    union = one[2] * one[3] + other[2] * other[3] - both
    return both / union if union > 0 else 0.0
