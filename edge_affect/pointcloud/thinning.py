"""Thin a cloud out evenly: of all points those stay that are farthest apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import missing_dependency
from edge_affect.pointcloud.cloud import Points

_BUCKETS = 5
"""Depth of the library's tree of buckets; it changes the speed, not the points."""
_BEYOND = 10.0
"""Distance of the point that is begun at, in radii of the cloud."""
_SAME = 1e-18
_BLOCK = 4_096
"""Most points whose children are thinned out together: the cost of one more point
would grow with all others."""


def thinned(points: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Return ``count`` rows, each the farthest from all before it.

    Farthest-point sampling (Eldar et al., 1997). The first row is that of the point
    opposite to the one farthest from the middle, so the rows name the same points
    however the cloud is turned or ordered.

    Args:
        points: ``(n, 3)``.
        count: How many are left, n at most.

    Raises:
        MissingDependencyError: fpsample is not installed.
    """
    try:
        import fpsample
    except ImportError:
        raise missing_dependency("fpsample", "pointcloud", "a point cloud") from None
    moved = np.asarray(points, np.float64) - np.mean(points, axis=0)
    away = np.linalg.norm(moved, axis=1)
    far = float(away.max())
    corner = -np.ones(3) / np.sqrt(3)
    turned = _mirrored(moved, moved[away.argmax()] / (far or 1.0), corner)
    # The library begins at the first point of its first bucket, whichever that is. So
    # the cloud is mirrored until its farthest point lies towards the corner where that
    # bucket is, and the bucket is filled with one point far beyond, again and again.
    depth = min(_BUCKETS, max(1, int(np.log2(len(turned)))))
    filled = len(turned) // (2**depth - 1) + 2
    beyond = np.repeat(_BEYOND * (far or 1.0) * corner[None], filled, axis=0)
    every = np.concatenate([turned, beyond]).astype(np.float32)
    found = fpsample.bucket_fps_kdline_sampling(every, count + 1, depth, start_idx=0)
    if found[0] < len(turned):
        raise AssertionError("fpsample began elsewhere than in its first bucket")
    chosen = np.asarray(found[found < len(turned)], np.int64)
    if len(chosen) < count:  # all that is left lies where something is already
        rest = np.setdiff1d(np.arange(len(turned)), chosen)
        chosen = np.concatenate([chosen, rest[: count - len(chosen)]])
    return chosen


def _mirrored(points: Points, one: Points, other: Points) -> Points:
    """Return the points as in a mirror in which direction ``one`` shows ``other``."""
    across = one - other
    length = float(across @ across)
    if length < _SAME:
        return points
    mirrored: Points = points - np.outer(points @ across, across) * (2 / length)
    return mirrored


def thinned_in_blocks(children: Points, parents: Points, ratio: int) -> Points:
    """Return ``ratio`` times as many points as parents, evenly of all children.

    A cloud is halved across its longest side until its parts are small. A child belongs
    to the part that it lies in, so what two parents made in one place meets there.

    Args:
        children: ``(n, m, 3)``: m for each parent, ``ratio`` or more.
        parents: ``(n, 3)``.
        ratio: Points for each parent, on average over a part.
    """
    every = children.reshape(-1, 3)
    left = []
    waiting = [(np.arange(len(parents)), np.arange(len(every)), ratio * len(parents))]
    while waiting:
        own, born, count = waiting.pop()
        if len(own) <= _BLOCK:
            # Of a map's coordinates float32 has too few bits: from the middle it has.
            part = every[born]
            left.append(part[thinned(part - part.mean(axis=0), count)])
            continue
        axis = int(np.ptp(parents[own], axis=0).argmax())
        plane = np.median(parents[own, axis])
        here, there = parents[own, axis] < plane, every[born, axis] < plane
        if not here.any():  # half of them lie in the lowest place
            here, there = parents[own, axis] <= plane, every[born, axis] <= plane
        # In a part with fewer children than that all of them stay.
        low = ratio * int(here.sum())
        low = min(max(low, count - int((~there).sum())), int(there.sum()))
        waiting.append((own[~here], born[~there], count - low))
        waiting.append((own[here], born[there], low))
    return np.concatenate(left)
