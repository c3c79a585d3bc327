"""Smooth-edged polygons and lines on 8-bit pictures, at a sixteenth of a pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.head import Points
from edge_affect.sources.simulated.identity import Colour

_SHIFT = 4


def shade(colour: Colour, factor: float = 1.0) -> tuple[float, float, float]:
    """Return ``colour`` scaled by ``factor`` as 8-bit levels."""
    blue, green, red = (min(255.0, 255 * factor * part) for part in colour)
    return blue, green, red


def fill(picture: NDArray[np.uint8], points_px: Points, levels: Any) -> None:
    """Fill a polygon; ``levels`` is one 8-bit value or three."""
    import cv2

    cv2.fillPoly(picture, [_fixed(points_px)], levels, cv2.LINE_AA, _SHIFT)


def stroke(
    picture: NDArray[np.uint8],
    points_px: Points,
    levels: Any,
    width_px: float,
    *,
    closed: bool = False,
) -> None:
    """Draw a line of at least one pixel's width through the points."""
    import cv2

    thickness = max(1, round(width_px))
    fixed = [_fixed(points_px)]
    cv2.polylines(picture, fixed, closed, levels, thickness, cv2.LINE_AA, _SHIFT)


def blend(
    picture: NDArray[np.uint8], over: NDArray[np.uint8], mask: NDArray[np.uint8]
) -> None:
    """Lay a picture over another of its size where ``mask`` is 255."""
    import cv2

    share = cv2.cvtColor(mask, cv2.COLOR_GRAY2BGR)
    kept = cv2.multiply(picture, 255 - share, scale=1 / 255)
    cv2.add(kept, cv2.multiply(over, share, scale=1 / 255), dst=kept)
    picture[...] = kept


def tint(
    picture: NDArray[np.uint8],
    levels: tuple[float, float, float],
    mask: NDArray[np.uint8],
) -> None:
    """Lay one colour over ``picture`` where ``mask`` is 255."""
    blend(picture, np.full_like(picture, levels), mask)


def box_px(
    points_px: Points, margin_px: int, picture: NDArray[Any]
) -> tuple[slice, slice]:
    """Return the rows and columns that hold the points, cut to the picture."""
    low = np.floor(points_px.min(0)).astype(int) - margin_px
    high = np.ceil(points_px.max(0)).astype(int) + margin_px + 1
    rows = slice(max(0, low[1]), max(0, min(high[1], picture.shape[0])))
    columns = slice(max(0, low[0]), max(0, min(high[0], picture.shape[1])))
    return rows, columns


def _fixed(points_px: Points) -> NDArray[np.int32]:
    return np.asarray(np.rint(points_px * (1 << _SHIFT)), np.int32)
