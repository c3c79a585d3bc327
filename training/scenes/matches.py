"""How well faces are found: recall, point error, false faces per picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.sensing.align import box_from_points
from edge_affect.sensing.faces import overlap
from edge_affect.types import Face

NEAR = 0.1
"""Mean distance of a face's points, in eye distances, below which it is well marked."""
LEAST_OVERLAP = 0.5
"""Share of the union that a found face must have in common with the true one."""


@dataclass(frozen=True, slots=True)
class Matches:
    """What was found in one picture."""

    hits: NDArray[np.float64]
    """``(K,)`` score of the true faces that were found; NaN where one was not."""
    errors: NDArray[np.float64]
    """``(K,)`` mean distance of the five points in eye distances; NaN likewise."""
    false: NDArray[np.float64]
    """Scores of what was found and is no face."""


@dataclass(frozen=True, slots=True)
class Found:
    """Figures over pictures at one threshold."""

    recall: float
    """Share of the true faces that were found."""
    point_error: float
    """Mean distance of the points of the found ones, in eye distances."""
    marked: float
    """Share of the true faces that were found and well marked."""
    false_faces: float
    """False faces per picture."""
    threshold: float
    """Least score."""


def match_faces(found: Sequence[Face], truth: NDArray[np.float32]) -> Matches:
    """Give each true face the surest found one that overlaps it.

    Args:
        found: The surest first.
        truth: ``(K, 5, 2)`` points.
    """
    boxes = [box_from_points(points) for points in truth]
    hits = np.full(len(truth), np.nan)
    errors = np.full(len(truth), np.nan)
    false = []
    for face in found:
        shares = [overlap(face.box, box) for box in boxes]
        best = int(np.argmax(shares)) if shares else -1
        if best < 0 or shares[best] < LEAST_OVERLAP:
            false.append(face.score)
        elif np.isnan(hits[best]):
            hits[best] = face.score
            if face.points is not None:
                eyes = float(np.hypot(*(truth[best][1] - truth[best][0])))
                apart = np.hypot(*(face.points - truth[best]).T)
                errors[best] = apart.mean() / eyes
    return Matches(hits, errors, np.array(false))


def recall_at(matches: Sequence[Matches], false_faces: float) -> Found:
    """Return the figures at the least threshold with so few false faces per picture."""
    false = np.sort(np.concatenate([match.false for match in matches]))[::-1]
    allowed = int(false_faces * len(matches))
    threshold = float(np.nextafter(false[allowed], 1)) if allowed < len(false) else 0.0
    return figures_at(matches, threshold)


def figures_at(matches: Sequence[Matches], threshold: float) -> Found:
    """Return the figures when faces that score less than ``threshold`` are left out."""
    hits = np.concatenate([match.hits for match in matches])
    errors = np.concatenate([match.errors for match in matches])
    false = np.concatenate([match.false for match in matches])
    is_found = hits >= threshold
    told = errors[is_found & np.isfinite(errors)]
    return Found(
        recall=float(is_found.mean()) if len(hits) else float("nan"),
        point_error=float(np.mean(told)) if len(told) else float("nan"),
        marked=float((is_found & (errors < NEAR)).mean())
        if len(hits)
        else float("nan"),
        false_faces=float((false >= threshold).sum() / len(matches)),
        threshold=threshold,
    )
