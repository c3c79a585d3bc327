"""Follow a face from one frame to the next by optical flow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect import pixels
from edge_affect.pixels import PixelFormat
from edge_affect.sensing.align import Box
from edge_affect.sensing.locator import search_picture
from edge_affect.types import Face, Frame

_FACE_PX = 64
_PATCH_PX = 2 * _FACE_PX
"""The flow is that of the face and its surroundings, shrunk so that the face is
``_FACE_PX`` wide: as exact for a near face as for a far one, and at one price."""
_WINDOW_PX, _LEVELS = 11, 2
"""Of the flow; with two halvings it follows a third of the face's width."""
_MEAN, _DEVIATION, _FLAT = 128.0, 50.0, 4.0
"""Grey levels that patches are brought to; those that deviate less than ``_FLAT`` show
noise and stay pale."""
_RETURN_PX = 1.0
"""A point that comes back this far from its start was not really followed."""
_LEAST_SURE = 0.5
"""Share of the points that must be followed."""
_MOST_GROWTH = 1.2
"""What grows or shrinks more than this from frame to frame is no face."""
_LOOK_PX = 24
"""Side of the pictures of the face that are compared from frame to frame."""
_LEAST_LIKENESS = 0.75
"""Correlation of these two: above 0.94 from frame to frame of real clips, mostly above
0.85 over three frames, below 0.7 from one front face to another."""


def _grid() -> NDArray[np.float32]:
    line = (_PATCH_PX - 1) / 2 + _FACE_PX * np.linspace(-0.35, 0.35, 8)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype(np.float32)


_POINTS = _grid()
"""``(64, 2)``: what is followed, in a patch."""
_FIRST, _SECOND = (rows[::4] for rows in np.triu_indices(len(_POINTS), k=1))
_SPANS = np.hypot(*(_POINTS[_FIRST] - _POINTS[_SECOND]).T)
"""``(504,)``: distance of every fourth pair of points; all would tell no more."""


@dataclass(frozen=True, slots=True)
class View:
    """A frame as the flow sees it."""

    grey: NDArray[np.uint8]
    """``(h, w)`` luma of the whole frame."""
    scale: float
    """Frame pixels per pixel of ``grey``."""

    @classmethod
    def of(cls, frame: Frame) -> View:
        """Return ``frame`` at most as wide as it is searched for faces."""
        return cls(*search_picture(frame, channels=1))

    def patch(self, box: Box, widths: float, size_px: int) -> NDArray[np.uint8]:
        """Return the square around ``box`` that is ``widths`` times as wide."""
        left, top, width, height = (value / self.scale for value in box)
        step = widths * width / size_px
        reach = step * (size_px - 1) / 2 + 0.5
        x, y = left + width / 2 - reach, top + height / 2 - reach
        affine = np.array([[step, 0, x], [0, step, y]], np.float32)
        size = size_px, size_px
        return pixels.crop(self.grey, PixelFormat.GREY8, affine, size, channels=1)


def follow(face: Face, before: View, now: View) -> Face | None:
    """Return ``face`` of ``before`` where it is in ``now``; None when that is unsure.

    Its score is multiplied by the likeness of the two pictures of it, at most 1.
    """
    if now.grey.shape != before.grey.shape:
        return None
    box = face.box
    patches = before.patch(box, 2, _PATCH_PX), now.patch(box, 2, _PATCH_PX)
    motion = _motion(*patches) or _motion(*map(_evened, patches))
    if motion is None:
        return None
    moved, points = _moved(face, *motion)
    likeness = _likeness(before.patch(box, 1, _LOOK_PX), now.patch(moved, 1, _LOOK_PX))
    if likeness < _LEAST_LIKENESS:
        return None
    return Face(moved, face.score * likeness, points)


def _evened(patch: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``patch`` in common light: points are followed by their brightness."""
    import cv2

    mean, deviation = (float(values[0, 0]) for values in cv2.meanStdDev(patch))
    gain = _DEVIATION / max(deviation, _FLAT)
    lit = cv2.addWeighted(patch, gain, patch, 0.0, _MEAN - gain * mean)
    return np.asarray(lit, np.uint8)


def _motion(
    before: NDArray[np.uint8], now: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], float] | None:
    """Return how a patch's middle moved, ``(x, y)`` in its pixels, and its growth."""
    ahead, there = _flow(before, now, _POINTS)
    back, returned = _flow(now, before, ahead)
    sure = there & returned & (np.abs(back - _POINTS).max(axis=1) < _RETURN_PX)
    if np.mean(sure) < _LEAST_SURE:
        return None
    pairs = sure[_FIRST] & sure[_SECOND]
    spans = np.hypot(*(ahead[_FIRST[pairs]] - ahead[_SECOND[pairs]]).T)
    growth = float(np.median(spans / _SPANS[pairs]))
    if not 1 / _MOST_GROWTH < growth < _MOST_GROWTH:
        return None
    middle = np.float32((_PATCH_PX - 1) / 2)
    grown = middle + np.float32(growth) * (_POINTS - middle)
    return np.median((ahead - grown)[sure], axis=0), growth


def _flow(
    start: NDArray[np.uint8], end: NDArray[np.uint8], points: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return where ``points`` of ``start`` are in ``end``, and which were followed."""
    import cv2

    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        start,
        end,
        points,
        np.empty_like(points),
        winSize=(_WINDOW_PX, _WINDOW_PX),
        maxLevel=_LEVELS,
    )
    return np.asarray(moved, np.float32), status[:, 0] > 0


def _moved(
    face: Face, shift: NDArray[np.float32], growth: float
) -> tuple[Box, NDArray[np.float32] | None]:
    """Return the box and the points of ``face`` after a motion of its patch."""
    left, top, width, height = face.box
    middle = np.array([left + width / 2, top + height / 2])
    end = middle + shift * (width / _FACE_PX)
    x, y = end.tolist()
    wide, high = width * growth, height * growth
    points = face.points
    if points is not None:
        # Boxes count from a pixel's corner, points from its middle.
        points = (end + growth * (points + 0.5 - middle) - 0.5).astype(np.float32)
    return (x - wide / 2, y - high / 2, wide, high), points


def _likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the correlation of two pictures, blind to light; 0 when one is flat."""
    first = one - one.mean(dtype=np.float64)
    second = other - other.mean(dtype=np.float64)
    power = float((first * first).sum() * (second * second).sum())
    return float((first * second).sum()) / power**0.5 if power > 0 else 0.0
