"""Triangles to pixels: perspective, back faces, depth order, values inside of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

_SMALLEST_BOX_PX = 4
_EDGE = np.float32(1e-3)
"""A pixel's middle on an edge belongs to both of its triangles: no gaps."""
_THIN = 1e-3
"""Twice the area, pixels, of triangles too thin to show."""


@dataclass(frozen=True, slots=True)
class Lens:
    """A pinhole camera in front of the head."""

    middle_px: tuple[float, float]
    """Where the head's middle is seen."""
    scale_px: float
    """Pixels of half a head height at the distance of the head's middle."""
    distance: float
    """From the head's middle, half head heights."""

    def project(self, places: Floats) -> NDArray[np.float32]:
        """Return ``(N, 2)`` pixels of ``(N, 3)`` places around the head's middle."""
        nearer = self.scale_px * self.distance / (self.distance - places[:, 2:])
        return np.asarray(places[:, :2] * nearer + self.middle_px, np.float32)


@dataclass(frozen=True, slots=True)
class Cover:
    """Which point of which triangle each pixel shows."""

    left: int
    """Of the window in the picture, pixels."""
    top: int
    """Of the window in the picture, pixels."""
    mask: NDArray[np.bool_]
    """``(h, w)`` pixels that show a triangle."""
    corners: NDArray[np.intp]
    """``(P, 3)`` points of the triangle at each of them, row by row."""
    shares: NDArray[np.float32]
    """``(P, 3)`` weights of these points."""

    def values(self, at_points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return ``(P, K)`` values from ``(N, K)`` ones at the points."""
        first, second, third = (at_points[self.corners[:, k]] for k in range(3))
        total = first * self.shares[:, :1] + second * self.shares[:, 1:2]
        return np.asarray(total + third * self.shares[:, 2:], np.float32)


def cover(
    pixels: NDArray[np.float32],
    depth: NDArray[np.float32],
    triangles: NDArray[np.intp],
    size: tuple[int, int],
) -> Cover | None:
    """Find what each pixel shows; None when that is nothing.

    Far triangles are laid down first, near ones over them (painter's algorithm).

    Args:
        pixels: ``(N, 2)`` where each point is seen.
        depth: ``(N,)`` nearness of each point, growing to the camera.
        triangles: ``(M, 3)`` points, clockwise as seen from outside.
        size: Width and height of the picture, pixels.
    """
    corners = pixels[triangles]
    area = _area(corners)
    faces = np.flatnonzero(area > _THIN)
    if len(faces) == 0:
        return None
    nearness = depth[triangles[faces]] @ np.ones(3, np.float32)
    faces = faces[nearness.argsort(kind="stable")]
    a, b, c = (corners[faces, k] for k in range(3))
    low = np.floor(np.minimum(np.minimum(a, b), c)).astype(np.intp)
    high = np.ceil(np.maximum(np.maximum(a, b), c)).astype(np.intp) + 1
    left, top = np.maximum(low.min(0), 0).tolist()
    right, bottom = np.minimum(high.max(0), size).tolist()
    if right <= left or bottom <= top:
        return None
    window = (left, top, right - left, bottom - top)
    side_px = np.maximum(*(high - low).T)
    shown, shares = _lay(corners[faces], area[faces], low, side_px, window)
    mask = shown >= 0
    return Cover(left, top, mask, triangles[faces[shown[mask]]], shares)


def _lay(
    corners: NDArray[np.float32],
    area: NDArray[np.float32],
    low: NDArray[np.intp],
    side_px: NDArray[np.intp],
    window: tuple[int, int, int, int],
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Lay triangles on a window, each over those before.

    Returns:
        ``(h, w)`` number of the triangle on each pixel, -1 for none, and ``(P, 3)``
        shares of its corners on each of the others, row by row.
    """
    left, top, width, height = window
    # The shares of the corners b and c are planes over the picture.
    a, b, c = (
        corners[:, 0],
        corners[:, 1] - corners[:, 0],
        corners[:, 2] - corners[:, 0],
    )
    slope = np.stack([c[:, 1], -c[:, 0], -b[:, 1], b[:, 0]], 1)
    slope = np.asarray(slope / area[:, None], np.float32)
    near = low.astype(np.float32) - a
    x, y = near.T
    of_b = slope[:, 0] * x + slope[:, 1] * y
    of_c = slope[:, 2] * x + slope[:, 3] * y
    # Triangles of one size are tried on boxes of one size.
    boxes = 1 << np.ceil(np.log2(np.maximum(_SMALLEST_BOX_PX, side_px))).astype(np.intp)
    places, numbers, shares = [], [], []
    for box in np.unique(boxes).tolist():
        some = np.flatnonzero(boxes == box)
        share_b = _plane(of_b[some], slope[some, :2], box)
        share_c = _plane(of_c[some], slope[some, 2:], box)
        inside = np.minimum(share_b, share_c) >= -_EDGE
        inside &= share_b + share_c <= 1 + _EDGE
        found = np.flatnonzero(inside)
        chosen, pixel = some[found // (box * box)], found % (box * box)
        column = low[chosen, 0] - left + pixel % box
        row = low[chosen, 1] - top + pixel // box
        cut = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        places.append((row * width + column)[cut])
        numbers.append(chosen[cut])
        shares.append(
            np.stack([share_b.ravel()[found], share_c.ravel()[found]], 1)[cut]
        )
    return _nearest(
        np.concatenate(places), np.concatenate(numbers), np.concatenate(shares), window
    )


def _nearest(
    places: NDArray[np.intp],
    numbers: NDArray[np.intp],
    shares: NDArray[np.float32],
    window: tuple[int, int, int, int],
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Keep the last triangle of each pixel."""
    _, _, width, height = window
    # Of equal indices the last one wins an assignment: nearest triangles go last.
    order = numbers.astype(np.uint16).argsort(kind="stable")
    last = np.full(width * height, -1, np.intp)
    last[places[order]] = order
    kept = last[last >= 0]
    last[last >= 0] = numbers[kept]
    of_b, of_c = shares[kept].T
    return last.reshape(height, width), np.stack([1 - of_b - of_c, of_b, of_c], 1)


def _plane(
    first: NDArray[np.float32], slope: NDArray[np.float32], box: int
) -> NDArray[np.float32]:
    """Return ``(M, box, box)`` values of planes on boxes of pixels."""
    step = np.arange(box, dtype=np.float32)
    across = first[:, None] + slope[:, :1] * step
    down = slope[:, 1:] * step
    return np.asarray(across[:, None, :] + down[:, :, None], np.float32)


def _area(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return twice the area of ``(M, 3, 2)`` triangles; back faces have less than 0."""
    b, c = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.asarray(b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0], np.float32)


def normals(
    points: NDArray[np.float32],
    triangles: NDArray[np.intp],
    incident: NDArray[np.intp],
) -> NDArray[np.float32]:
    """Return ``(N, 3)`` unit normals that point outwards.

    Args:
        points: ``(N, 3)`` places.
        triangles: ``(M, 3)`` points.
        incident: ``(N, K)`` triangles at each point, filled up with M.
    """
    a, b, c = (points[triangles[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    padded = np.concatenate([across, np.zeros((1, 3), np.float32)])
    total = padded[incident[:, 0]]
    for column in incident.T[1:]:
        total += padded[column]
    length = np.sqrt(np.einsum("ij,ij->i", total, total))[:, None]
    return np.asarray(total / np.maximum(length, 1e-9), np.float32)
