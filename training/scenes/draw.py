"""Scenes with faces pasted in, and the maps that a network is to give for them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_affect.sensing.align import box_from_points
from edge_affect.sensing.faces import STRIDE_PX, UNIT_PX
from training.scenes.backdrops import draw_backdrop, faceless, part_of, shuffled
from training.scenes.covers import cover_face
from training.scenes.faces import Faces
from training.teachers.yunet import MIRRORED

_INSIDE = 0.25
"""A face's middle lies at least this many widths inside the scene."""
_CORE = 0.06
"""Widths around a face's middle where the heat is 1. A teacher's middle is no surer
than that: asked for one cell alone, a network is never sure of a large face."""


@dataclass(frozen=True, slots=True)
class SceneConfig:
    """What scenes look like."""

    size: tuple[int, int] = (256, 224)
    """Width and height, px; multiples of 32."""
    least_px: float = 20.0
    """Width of the smallest face."""
    most_px: float = 220.0
    """Width of the largest face."""
    faces: tuple[float, ...] = (0.15, 0.6, 0.15, 0.1)
    """Shares of scenes with none, one, two and three faces."""
    turn_deg: float = 30.0
    """Largest tilt of a face to either side."""
    squeeze: float = 0.25
    """Largest share by which a face is narrowed, as a turned one is."""
    photographed: float = 0.15
    """Share of scenes before a photograph whose face was cut to pieces."""
    pieces: float = 0.3
    """Share of scenes that hold a face cut to pieces."""
    covered: float = 0.35
    """Share of the faces that something covers in part."""
    degraded: float = 0.7
    """Share of scenes that are shown in poor light, blurred, noisy or compressed."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and the faces in it."""

    luma: NDArray[np.uint8]
    """``(H, W)``."""
    points: NDArray[np.float32]
    """``(K, 5, 2)`` picture pixels."""


@dataclass(frozen=True, slots=True)
class SceneMaker:
    """Draws scenes from faces and cabins."""

    config: SceneConfig
    faces: Faces
    cabins: NDArray[np.uint8]
    """``(N, H, W)`` uint8 luma of cabins without anyone's face."""

    def draw(self, random: np.random.Generator) -> Scene:
        """Return a scene; the same for a generator in the same state."""
        config = self.config
        if random.random() < config.photographed:
            row = int(random.integers(len(self.faces)))
            photo = faceless(random, self._photograph(row), self.faces.points[row])
            picture = part_of(random, photo, config.size)
        else:
            picture = draw_backdrop(random, config.size, self.cabins)
        if random.random() < config.pieces:
            row = int(random.integers(len(self.faces)))
            scrap = shuffled(random, self.faces.pictures[row])
            self._paste(random, picture, scrap, self.faces.points[row], ())
        shares = config.faces
        wanted = int(random.choice(len(shares), p=np.array(shares) / sum(shares)))
        placed: list[NDArray[np.float32]] = []
        for _ in range(wanted):
            row = int(random.integers(len(self.faces)))
            points = self._paste(
                random,
                picture,
                self._photograph(row),
                self.faces.points[row],
                tuple(placed),
            )
            if points is not None:
                placed.append(points)
        for points in placed:
            if random.random() < config.covered:
                cover_face(random, picture, points)
        stacked = np.stack(placed) if placed else np.zeros((0, 5, 2))
        if config.degraded >= 1 or random.random() < config.degraded:
            picture = _seen(random, picture)
        return Scene(picture, stacked.astype(np.float32))

    def _photograph(self, row: int) -> NDArray[np.uint8]:
        width, height = self.faces.sizes[row]
        return self.faces.pictures[row, :height, :width]

    def _paste(
        self,
        random: np.random.Generator,
        scene: NDArray[np.uint8],
        picture: NDArray[np.uint8],
        points: NDArray[np.float32],
        others: tuple[NDArray[np.float32], ...],
    ) -> NDArray[np.float32] | None:
        """Paste a picture with its face at a random place; return the points there.

        None where no place without another face was found.
        """
        config = self.config
        low, high = np.log([config.least_px, config.most_px])
        width = float(np.exp(random.uniform(low, high)))
        affine = _similarity(random, points, width, config)
        goal = np.array(config.size)
        margin = np.minimum(_INSIDE * width, goal / 2 - 1)
        for _ in range(8):
            affine[:, 2] += random.uniform(margin, goal - margin) - _middle(
                _moved(points, affine)
            )
            moved = _moved(points, affine)
            if all(_apart(moved, other) for other in others):
                break
        else:
            return None
        _blend(random, scene, picture, affine, moved)
        return moved


def maps_of(scene: Scene) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what a network is to give for a scene.

    Returns:
        ``(H / 8, W / 8)`` float32 heat in [0, 1], 1 around a face's middle, and
        ``(12, H / 8, W / 8)`` float32: the share that the cell counts with, the
        width's logarithm and the points, as ``LocatorOutput`` has them.
    """
    rows, columns = (side // STRIDE_PX for side in scene.luma.shape)
    heat = np.zeros((rows, columns), np.float32)
    values = np.zeros((12, rows, columns), np.float32)
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    middles = (np.stack([x, y]) + 0.5) * STRIDE_PX - 0.5
    for points in scene.points:
        left, top, width, height = box_from_points(points)
        column = int(np.clip((left + width / 2) / STRIDE_PX, 0, columns - 1))
        row = int(np.clip((top + height / 2) / STRIDE_PX, 0, rows - 1))
        spread = max(0.4, 0.1 * width / STRIDE_PX)
        apart = np.hypot(x - column, y - row) - _CORE * width / STRIDE_PX
        blob = np.exp(-(np.maximum(apart, 0) ** 2) / (2 * spread**2))
        better = blob > np.maximum(values[0], 0.3)
        heat = np.maximum(heat, blob)
        values[0][better] = blob[better]
        values[1][better] = np.log(width / UNIT_PX)
        offsets = (points[:, :, None, None] - middles[None]) / width
        values[2:, better] = offsets.reshape(10, rows, columns)[:, better]
    return heat, values


def _similarity(
    random: np.random.Generator,
    points: NDArray[np.float32],
    width: float,
    config: SceneConfig,
) -> NDArray[np.float64]:
    """Return a map that makes the face ``width`` wide, tilted, narrowed, mirrored."""
    zoom = width / box_from_points(points)[2]
    angle = np.radians(random.uniform(-config.turn_deg, config.turn_deg))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    narrow = 1 - config.squeeze * random.random() ** 2
    sign = -1 if random.random() < 0.5 else 1
    return np.column_stack([zoom * turn @ np.diag([sign * narrow, 1]), np.zeros(2)])


def _blend(
    random: np.random.Generator,
    scene: NDArray[np.uint8],
    picture: NDArray[np.uint8],
    affine: NDArray[np.float64],
    points: NDArray[np.float32],
) -> None:
    """Lay a picture over the scene, whole or its head alone, at its own brightness."""
    height, width = scene.shape
    shrink = float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))
    if shrink < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.35 / shrink)  # type: ignore[assignment]
    laid = cv2.warpAffine(
        picture, affine, (width, height), borderMode=cv2.BORDER_REPLICATE
    )
    mask = np.full(picture.shape, 255, np.uint8)
    mask = cv2.warpAffine(mask, affine, (width, height))  # type: ignore[assignment]
    if random.random() < 0.5:
        left, top, wide, _ = box_from_points(points)
        head = np.zeros_like(mask)
        middle = int(left + wide / 2), int(top + wide * 0.48)
        axes = max(1, int(wide * 0.55)), max(1, int(wide * 0.72))
        cv2.ellipse(head, middle, axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
        mask = np.minimum(mask, head)
        soft = max(0.5, 0.04 * wide * random.random())
        mask = cv2.GaussianBlur(mask, (0, 0), soft)  # type: ignore[assignment]
    lit = laid.astype(np.float32) * random.uniform(0.5, 1.3) + random.uniform(-20, 20)
    share = mask.astype(np.float32) / 255
    scene[:] = np.clip(scene + share * (np.clip(lit, 0, 255) - scene), 0, 255)


def _seen(random: np.random.Generator, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the scene as a camera shows it: light, blur, noise, compression."""
    unit = picture.astype(np.float32) / 255
    unit = unit ** np.exp(random.uniform(-0.5, 0.5))
    if random.random() < 0.25:
        unit = unit * random.uniform(0.12, 0.6)
    if random.random() < 0.2:
        unit = np.asarray(cv2.GaussianBlur(unit, (0, 0), random.uniform(0.4, 1.6)))
    if random.random() < 0.1:
        length = int(random.integers(2, 8))
        kernel = np.full((1, length), 1 / length)
        way = kernel if random.random() < 0.5 else kernel.T
        unit = np.asarray(cv2.filter2D(unit, -1, way))
    noise = random.standard_normal(unit.shape, np.float32) * random.uniform(0, 8)
    seen = np.clip(unit * 255 + noise, 0, 255).astype(np.uint8)
    if random.random() < 0.25:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(25, 90))]
        coded = cv2.imencode(".jpg", seen, quality)[1]
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
    return np.asarray(seen)


def _moved(
    points: NDArray[np.float32], affine: NDArray[np.float64]
) -> NDArray[np.float32]:
    moved = np.asarray(points @ affine[:, :2].T + affine[:, 2], np.float32)
    return moved[MIRRORED] if np.linalg.det(affine[:, :2]) < 0 else moved


def _middle(points: NDArray[np.float32]) -> NDArray[np.float64]:
    left, top, width, height = box_from_points(points)
    return np.array([left + width / 2, top + height / 2])


def _apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Tell whether two faces do not overlap much."""
    widths = box_from_points(one)[2] + box_from_points(other)[2]
    return float(np.abs(_middle(one) - _middle(other)).max()) > 0.5 * widths
