"""A cloud of points: what may be one, and what turns with it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import UsageError

Points = NDArray[np.float64]
MAX_POINTS = 4_000_000
"""Most points of a cloud, before or after: what comes out of more fits no memory."""


def check_cloud(cloud: NDArray[Any], least: int = 1) -> Points:
    """Return ``cloud`` as ``(n, 3)`` float64 without points that stand twice.

    The points come back in order of their coordinates: what is made of a cloud does not
    depend on the order that it came in.

    Args:
        cloud: ``(n, 3)`` of a floating or whole type.
        least: Different points that there must be.

    Raises:
        UsageError: It has another form, a point that is not finite, or too few or too
            many points.
    """
    points = np.asarray(cloud)
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype.kind not in "fiu":
        raise UsageError(
            f"cloud: got {points.dtype} {points.shape}, expected numbers (n, 3)"
        )
    if len(points) > MAX_POINTS:
        raise UsageError(
            f"cloud: got {len(points)} points, expected {MAX_POINTS} at most; "
            "cut it into parts"
        )
    wide = points.astype(np.float64)
    lost = int(len(wide) - np.isfinite(wide).all(axis=1).sum())
    if lost:
        raise UsageError(
            f"cloud: {lost} of {len(wide)} points are NaN or infinite; leave them out"
        )
    unique: Points = np.unique(wide, axis=0)
    if len(unique) < least:
        raise UsageError(
            f"cloud: got {len(unique)} different points, expected {least} at least"
        )
    return unique


def flow_of(cloud: NDArray[Any]) -> Points:
    """Return which way is ahead at each point: around the axis of least spread.

    The way runs over the whole cloud, so that patches agree, and it turns with the
    cloud. It leads nowhere: ways to a place would draw all new points towards it. A
    flat cloud is circled in its plane.

    Args:
        cloud: ``(n, 3)``.

    Returns:
        ``(n, 3)``; its length is the distance from the axis.
    """
    points = np.asarray(cloud, np.float64)
    arms = points - points.mean(axis=0)
    axis = np.linalg.eigh(arms.T @ arms)[1][:, 0]
    farthest = arms[np.linalg.norm(arms, axis=1).argmax()]
    if axis @ farthest < 0:  # an axis has no sign of its own
        axis = -axis
    return turned_about(axis, arms)


def turned_about(axis: Points, arms: Points) -> Points:
    """Return which way ``(…, 3)`` places move when they turn about an axis through 0.

    Args:
        axis: ``(3,)``, or one for each place.
        arms: The places.
    """
    # Of two points the one is exactly as far ahead as the other is behind.
    ways: Points = np.cross(axis, arms)
    return ways
