"""Family B's head at rest: a mesh of triangles, cut open along eyes and lips.

The head is a superquadric, wide at the temples and tapered to the chin, with bumps for
brow, nose, cheeks, lips and chin. Eyes and mouth are slits: the row of points along
each is there twice, once for the upper and once for the lower lid or lip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.synthetic.family_b.person import HeadShape

Floats = NDArray[np.floating[Any]]

EYE_Y = 0.0
"""Height of the slits of the eyes."""
_BACK = 2.2
"""Longitude to which the mesh goes, radians."""
_LIP_ROWS = np.array([-0.7, -0.45, -0.2, 0, 0.2, 0.45, 0.7, 1.0, 1.35, 1.8])
"""Rows of points around the mouth, lower lips from its slit."""
_INCIDENT = 6
"""Most triangles that meet in a point."""


@dataclass(frozen=True, slots=True)
class HeadMesh:
    """Points and triangles of a head at rest, eyes and mouth shut."""

    points: NDArray[np.float32]
    """``(N, 3)`` places, half head heights."""
    triangles: NDArray[np.intp]
    """``(M, 3)`` indices of points, clockwise as seen from outside."""
    paint: NDArray[np.float32]
    """``(N, 2)`` longitude, radians, and height: where the paint comes from."""
    incident: NDArray[np.intp]
    """``(N, 6)`` triangles at each point, filled up with M."""
    lower: NDArray[np.bool_]
    """``(N,)`` whether a point of a slit belongs to its lower edge."""
    eyes: tuple[Slit, Slit]
    """Of the picture's left and right."""
    mouth: Slit


@dataclass(frozen=True, slots=True)
class Slit:
    """Where a mesh is cut open, from left to right, ends included."""

    upper: NDArray[np.intp]
    """Points of the upper edge."""
    lower: NDArray[np.intp]
    """Points of the lower edge; both ends are the upper edge's."""


class _Grid:
    """Rows of height and columns of longitude that hit eyes and mouth."""

    def __init__(self, shape: HeadShape) -> None:
        eye = np.array([shape.eye_x - shape.eye_width, shape.eye_x + shape.eye_width])
        inner, outer = longitude(shape, eye, np.full(2, EYE_Y))
        corner = longitude(
            shape, np.array([shape.mouth_width]), np.array([shape.mouth_y])
        )[0]
        side = np.concatenate(
            [
                np.linspace(0, inner, 4)[:-1],
                np.linspace(inner, outer, 8)[:-1],
                np.linspace(outer, 1.0, 4)[:-1],
                1.0 + (_BACK - 1.0) * np.linspace(0, 1, 7) ** 1.2,
            ]
        )
        # The mouth's corners are wherever the nearest columns are, moved there.
        self.corner = int(np.abs(side - corner).argmin())
        self.inner, self.outer = 3, 10
        self.theta = np.concatenate([-side[:0:-1], side])
        self.middle = len(side) - 1
        self.y = np.concatenate(
            [
                -np.cos(np.linspace(0, 1.2, 9)),
                np.linspace(-0.28, EYE_Y, 7),
                np.linspace(EYE_Y, 0.18, 5)[1:],
                np.linspace(0.18, shape.mouth_y - shape.lips, 7)[1:],
                shape.mouth_y + shape.lips * _LIP_ROWS,
                np.linspace(shape.mouth_y + 1.8 * shape.lips, 0.9, 3)[1:],
                np.array([0.95, 0.985, 1.0]),
            ]
        )
        self.eye_row = int(np.abs(self.y - EYE_Y).argmin())
        self.mouth_row = int(np.abs(self.y - shape.mouth_y).argmin())


def build_mesh(shape: HeadShape) -> HeadMesh:
    """Return the head of ``shape``."""
    grid = _Grid(shape)
    rows, columns = len(grid.y), len(grid.theta)
    theta, y = np.meshgrid(grid.theta, grid.y)
    corner = longitude(shape, np.array([shape.mouth_width]), np.array([shape.mouth_y]))[
        0
    ]
    theta = _mouth_on_columns(theta, y, grid, corner, shape.mouth_y)
    numbers = np.arange(rows * columns).reshape(rows, columns)
    paint = np.stack([theta, y], -1).reshape(-1, 2)
    below = numbers.copy()
    spans = [
        (grid.eye_row, grid.middle - grid.outer, grid.middle - grid.inner),
        (grid.eye_row, grid.middle + grid.inner, grid.middle + grid.outer),
        (grid.mouth_row, grid.middle - grid.corner, grid.middle + grid.corner),
    ]
    slits, count, doubled = [], numbers.size, []
    for row, first, last in spans:
        inside = numbers[row, first + 1 : last]
        below[row, first + 1 : last] = count + np.arange(len(inside))
        count += len(inside)
        doubled.append(inside)
        edge = slice(first, last + 1)
        slits.append(Slit(numbers[row, edge].copy(), below[row, edge].copy()))
    paint = np.concatenate([paint, paint[np.concatenate(doubled)]])
    triangles = _triangles(below[:-1], numbers[1:])
    return HeadMesh(
        points=surface(shape, paint[:, 0], paint[:, 1]).astype(np.float32),
        triangles=triangles,
        paint=paint.astype(np.float32),
        incident=_incident(triangles, count),
        lower=np.arange(count) >= numbers.size,
        eyes=(slits[0], slits[1]),
        mouth=slits[2],
    )


def _mouth_on_columns(
    theta: Floats, y: Floats, grid: _Grid, corner: float, mouth_y: float
) -> Floats:
    """Bend the columns near the mouth, so that one goes through each corner."""
    there = abs(float(grid.theta[grid.middle + grid.corner]))
    stretch = corner / there - 1
    near = np.exp(-(((y - mouth_y) / 0.25) ** 2) - (theta / 0.9) ** 4)
    return np.asarray(theta * (1 + stretch * near / np.exp(-((there / 0.9) ** 4))))


def _triangles(top: NDArray[np.intp], bottom: NDArray[np.intp]) -> NDArray[np.intp]:
    """Cut each field between two rows in two, mirrored left and right."""
    a, b = top[:, :-1].ravel(), top[:, 1:].ravel()
    c, d = bottom[:, :-1].ravel(), bottom[:, 1:].ravel()
    left = (np.arange(len(a)) % (top.shape[1] - 1)) < (top.shape[1] - 1) // 2
    first = np.where(left[:, None], np.stack([a, b, d], 1), np.stack([a, b, c], 1))
    second = np.where(left[:, None], np.stack([a, d, c], 1), np.stack([b, d, c], 1))
    return np.concatenate([first, second])


def _incident(triangles: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    incident = np.full((count, _INCIDENT), len(triangles))
    used = np.zeros(count, int)
    for number, corners in enumerate(triangles.tolist()):
        for corner in corners:
            incident[corner, used[corner]] = number
            used[corner] += 1
    return incident


def longitude(shape: HeadShape, x: Floats, y: Floats) -> Floats:
    """Return the longitude, radians, at which the bare skull has ``x`` at ``y``."""
    return np.asarray(np.arcsin(np.clip(x / _width(shape, y), -1, 1)))


def _width(shape: HeadShape, y: Floats) -> Floats:
    inside = np.clip(np.abs(y), 0, 0.9995)
    skull = (1 - inside**2.4) ** (1 / 2.4)
    jaw = (1 - inside**shape.jaw) ** (1 / shape.jaw) * (1 - shape.taper * inside)
    return np.asarray(shape.width * np.where(y < 0, skull, jaw))


def _face_depth(shape: HeadShape, y: Floats) -> Floats:
    inside = np.clip(np.abs(y), 0, 0.9995)
    skull = (1 - inside**2.6) ** (1 / 2.6)
    face = (1 - 0.1 * inside) * (1 - inside**7) ** (1 / 7)
    return np.asarray(shape.depth * np.where(y < 0, skull, face))


def _nape_depth(shape: HeadShape, y: Floats) -> Floats:
    inside = np.clip(np.abs(y), 0, 0.9995)
    skull = (1 - inside**2.6) ** (1 / 2.6)
    return np.asarray(shape.depth * np.where(y < 0, skull, (1 - inside**2) ** 0.5))


def surface(shape: HeadShape, theta: Floats, y: Floats) -> Floats:
    """Return ``(N, 3)`` places of the skin at rest at longitude and height."""
    sine, cosine = np.sin(theta), np.cos(theta)
    x = _width(shape, y) * sine
    depth = np.where(cosine > 0, _face_depth(shape, y), _nape_depth(shape, y))
    z = depth * cosine + np.where(cosine > 0, _relief(shape, np.abs(x), y), 0)
    return np.stack([x, y, z], -1)


def _relief(shape: HeadShape, x: Floats, y: Floats) -> Floats:
    """Return how far the features stand out of the skull, at ``x`` from the middle."""
    tip, wing = shape.nose_y, shape.nose_width
    along = np.clip((y - EYE_Y + 0.1) / (tip - EYE_Y + 0.1), 0, 1)
    end = 1 / (1 + np.exp((y - tip - 0.04) / 0.018))
    ridge = shape.nose_height * (0.2 + 0.8 * along**1.3) * end * (along > 0)
    lips, mouth = shape.lips, shape.mouth_y
    return np.asarray(
        ridge * np.exp(-((x / (0.06 + 0.035 * along)) ** 2))
        + 0.32 * shape.nose_height * hill(x, y, (0.8 * wing, tip), (0.05, 0.05))
        - 0.085 * hill(x, y, (shape.eye_x - 0.02, EYE_Y - 0.01), (0.15, 0.09))
        + 0.05 * hill(x, y, (shape.eye_x, EYE_Y), (0.1, 0.06))
        + 0.035 * hill(x, y, (0.22, EYE_Y - shape.brow_gap + 0.02), (0.2, 0.05))
        + shape.cheeks * hill(x, y, (0.38, 0.22), (0.15, 0.14))
        + 0.045 * hill(x, y, (0, mouth - 0.5 * lips), (shape.mouth_width, 0.5 * lips))
        + 0.06
        * hill(x, y, (0, mouth + 0.55 * lips), (0.8 * shape.mouth_width, 0.5 * lips))
        - 0.03 * hill(x, y, (0, mouth + 1.7 * lips), (0.2, 0.04))
        + shape.chin * hill(x, y, (0, 0.87), (0.17, 0.11))
    )


def hill(
    x: Floats, y: Floats, at: tuple[float, float], spread: tuple[float, float]
) -> Floats:
    """Return a bell of height 1 around a place, ``x`` from the middle."""
    across, down = (x - at[0]) / spread[0], (y - at[1]) / spread[1]
    return np.asarray(np.exp(-across * across - down * down))
