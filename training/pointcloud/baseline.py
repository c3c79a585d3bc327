"""What needs no learning: mid-points between neighbours, thinned out evenly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from edge_affect.pointcloud.thinning import thinned

NEIGHBOURS = 6
"""Neighbours of each point whose mid-points are taken."""


def midpoints(points: NDArray[Any], ratio: int) -> NDArray[np.float64]:
    """Return ``(ratio · n, 3)`` of the points and the mid-points to their neighbours.

    Args:
        points: ``(n, 3)``, more than ``NEIGHBOURS`` different ones.
        ratio: 4, or 16, which is 4 twice.
    """
    own = np.asarray(points, np.float64)
    near = cKDTree(own).query(own, NEIGHBOURS + 1)[1][:, 1:]
    # A pair that are each other's neighbours has one mid-point.
    pairs = np.stack([np.repeat(np.arange(len(own)), NEIGHBOURS), near.ravel()], 1)
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    every = np.concatenate([own, own[pairs].mean(axis=1)])
    dense = every[thinned(every, min(len(every), 4 * len(own)))]
    return dense if ratio <= 4 else midpoints(dense, ratio // 4)
