"""Map a face to the canonical square that the face graph reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_affect.types import Face, Frame

FACE_SIZE_PX = 112
"""Side of the canonical square."""
TEMPLATE = ((36.5, 41.5), (75.5, 41.5), (56.0, 65.0), (40.0, 83.0), (72.0, 83.0))
"""Eyes, nose tip and mouth corners (x, y) in a square of ``FACE_SIZE_PX``: the framing
of FER+ pictures, measured."""

_LEFT, _TOP, _SIDE = -0.02, 0.01, 1.04
"""The same square from a Haar box, in widths of the box: in the median over real clips
where both the cascade and the points of YuNet lay it, and over FER+ pictures."""

Box = tuple[float, float, float, float]


def affine_from_points(
    points: ArrayLike, size_px: int = FACE_SIZE_PX
) -> NDArray[np.float32]:
    """Return the similarity that lays the square over five points, by least squares.

    Args:
        points: ``(5, 2)`` frame pixels in the order of ``TEMPLATE``.
        size_px: Side of the square.

    Returns:
        ``(2, 3)`` float32 map from square to frame; it turns, scales and moves, and
        never mirrors.
    """
    goal = _complex(points)
    start = _complex((np.array(TEMPLATE) + 0.5) * (size_px / FACE_SIZE_PX) - 0.5)
    spread = start - start.mean()
    # As complex numbers a similarity is z -> turn * z + shift; there is no conjugate
    # in it, hence no mirror.
    turn = np.vdot(spread, goal) / np.vdot(spread, spread).real
    shift = goal.mean() - turn * start.mean()
    return np.array(
        [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]],
        np.float32,
    )


def affine_from_box(box: Box, size_px: int = FACE_SIZE_PX) -> NDArray[np.float32]:
    """Return the ``(2, 3)`` float32 map from square to frame for a Haar ``box``."""
    left, top, width, height = box
    scale = _SIDE * width / size_px
    half = scale / 2 - 0.5  # from a pixel's corner to its middle
    x, y = left + _LEFT * width + half, top + _TOP * height + half
    return np.array([[scale, 0, x], [0, scale, y]], np.float32)


def affine_from_face(face: Face, size_px: int = FACE_SIZE_PX) -> NDArray[np.float32]:
    """Return the map from square to frame by the points, else by the box."""
    if face.points is None:
        return affine_from_box(face.box, size_px)
    return affine_from_points(face.points, size_px)


def box_from_points(points: ArrayLike) -> Box:
    """Return the box that the Haar cascade would draw, from the five points."""
    affine = affine_from_points(points).astype(np.float64)
    middle = affine @ ((FACE_SIZE_PX - 1) / 2, (FACE_SIZE_PX - 1) / 2, 1) + 0.5
    side = float(np.hypot(*affine[:, 0])) * FACE_SIZE_PX
    width = side / _SIDE
    left, top = (middle - side / 2).tolist()
    return left - _LEFT * width, top - _TOP * width, width, width


def align_face(frame: Frame, face: Face) -> NDArray[np.uint8]:
    """Return the face as ``(112, 112, 3)`` uint8 RGB, newly made."""
    affine = affine_from_face(face)
    return frame.crop(affine, (FACE_SIZE_PX, FACE_SIZE_PX), channels=3)


def _complex(points: ArrayLike) -> NDArray[np.complex128]:
    x, y = np.asarray(points, np.float64).T
    return np.asarray(x + 1j * y)
