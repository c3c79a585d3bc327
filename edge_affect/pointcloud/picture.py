"""Draw clouds side by side, seen from one place, near points dark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_affect.pointcloud.cloud import Points

_SIDE_PX = 640
_MARGIN_PX = 24
_BACKGROUND = 255
_NEAR, _FAR = 30, 190
"""Grey of the nearest and of the farthest point."""
_LINE_PX = 28
_TURN_DEG, _NOD_DEG = 30.0, 20.0


def draw(clouds: Sequence[tuple[str, NDArray[Any]]]) -> NDArray[np.uint8]:
    """Return a picture of the clouds, each with its caption, on one scale.

    Args:
        clouds: Caption and points ``(n, 3)`` of each.

    Returns:
        ``(H, W, 3)`` BGR.
    """
    turned = [_turned(np.asarray(points, np.float64)) for _, points in clouds]
    every = np.concatenate(turned)
    low, high = every.min(axis=0), every.max(axis=0)
    scale = (_SIDE_PX - 2 * _MARGIN_PX) / max(float((high - low)[:2].max()), 1e-12)
    middle = (low + high) / 2
    depth = max(float(high[2] - low[2]), 1e-12)
    panels = []
    for (caption, _), points in zip(clouds, turned, strict=True):
        far = (points[:, 2] - low[2]) / depth
        panels.append(_panel(caption, (points - middle) * scale, far))
    return np.hstack(panels)


def _turned(points: Points) -> Points:
    """Return the points as seen a little from the side and from above."""
    turn, nod = np.radians([_TURN_DEG, _NOD_DEG])
    about_y = np.array(
        [
            [np.cos(turn), 0, np.sin(turn)],
            [0, 1, 0],
            [-np.sin(turn), 0, np.cos(turn)],
        ]
    )
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(nod), -np.sin(nod)], [0, np.sin(nod), np.cos(nod)]]
    )
    seen: Points = points @ (about_x @ about_y).T
    return seen


def _panel(caption: str, points_px: Points, far: Points) -> NDArray[np.uint8]:
    panel = np.full((_SIDE_PX + _LINE_PX, _SIDE_PX, 3), _BACKGROUND, np.uint8)
    cv2.putText(
        panel, caption, (_MARGIN_PX, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0,) * 3
    )
    # The farthest first, so that what is near lies over it; up is up.
    order = np.argsort(-far)
    columns = np.rint(points_px[order, 0] + _SIDE_PX / 2).astype(int)
    rows = np.rint(_SIDE_PX / 2 - points_px[order, 1]).astype(int) + _LINE_PX
    grey = np.rint(_NEAR + (_FAR - _NEAR) * far[order]).astype(np.uint8)
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        panel[rows + dy, columns + dx] = grey[:, None]
    return panel
