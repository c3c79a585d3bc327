"""What stays still in the picture: the cabin, the seat and the driver's shoulders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.brush import fill, shade, stroke
from edge_affect.sources.simulated.head import Points
from edge_affect.sources.simulated.identity import Cabin, HairStyle, Identity


@dataclass(frozen=True, slots=True)
class Place:
    """Where the driver sits in the picture."""

    size: tuple[int, int]
    """Width and height of the picture, pixels."""
    neck_px: tuple[float, float]
    """Where the head tilts."""
    scale_px: float
    """Half a head height."""

    def points(self, offsets: list[tuple[float, float]]) -> Points:
        """Return picture points from offsets to the neck, half head heights."""
        moved = np.array(offsets) * self.scale_px + np.array(self.neck_px)
        return np.asarray(moved, np.float32)


def paint_cabin(identity: Identity, place: Place) -> NDArray[np.uint8]:
    """Return the ``(H, W, 3)`` uint8 BGR picture of the cabin without the head."""
    import cv2

    width, height = place.size
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = shade(identity.cabin.trim, 0.55)
    _paint_roof(picture, identity.cabin, place)
    _paint_window(picture, identity.cabin, place)
    blur = 0.035 * place.scale_px
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), max(0.4, blur)), np.uint8)
    _paint_seat(picture, identity.cabin, place)
    picture = np.asarray(
        cv2.GaussianBlur(picture, (0, 0), max(0.4, blur / 2)), np.uint8
    )
    _paint_torso(picture, identity, place)
    lit = picture * _falloff(identity, place)[..., None]
    return np.asarray(np.clip(lit, 0, 255), np.uint8)


def _paint_roof(picture: NDArray[np.uint8], cabin: Cabin, place: Place) -> None:
    width, height = place.size
    side = cabin.window_side
    roof = np.array([[0, 0], [1, 0], [1, 0.13], [0, 0.1]]) * [width, height]
    fill(picture, roof, shade(cabin.trim, 1.25))
    # The rear window, small and on the far side.
    middle = width * (0.5 - 0.33 * side)
    rear = [[-0.13, 0.2], [0.12, 0.19], [0.15, 0.42], [-0.15, 0.43]]
    corners = np.array(rear) * [width, height]
    corners[:, 0] += middle
    fill(picture, corners, shade((0.86, 0.82, 0.78), 0.65 * cabin.daylight))
    bench = np.array([[0, 0.52], [1, 0.5], [1, 1], [0, 1]]) * [width, height]
    fill(picture, bench, shade(cabin.seat, 0.6))


def _paint_window(picture: NDArray[np.uint8], cabin: Cabin, place: Place) -> None:
    import cv2

    width, height = place.size
    random = np.random.default_rng([cabin.seed, 21])
    outside = np.empty_like(picture)
    outside[:] = shade((0.95, 0.88, 0.8), cabin.daylight)
    ground = 0.42 + 0.1 * random.random()
    greens = np.array([[0.25, 0.42, 0.33], [0.4, 0.42, 0.42], [0.2, 0.33, 0.3]])
    for _ in range(14):
        at = random.random(2) * [width, 0.25 * height] + [0, ground * height]
        radius = int(random.uniform(0.05, 0.13) * height)
        colour = greens[random.integers(3)] * random.uniform(0.6, 1.2)
        level = shade((colour[0], colour[1], colour[2]), cabin.daylight)
        cv2.circle(outside, (int(at[0]), int(at[1])), radius, level, -1, cv2.LINE_AA)
    outside = np.asarray(cv2.GaussianBlur(outside, (0, 0), 0.018 * height), np.uint8)
    mask = np.zeros(picture.shape[:2], np.uint8)
    near = 0.5 + 0.5 * cabin.window_side
    into = -cabin.window_side
    edge = [[0.0, 0.12], [0.24, 0.15], [0.31, 0.3], [0.3, 0.56], [0.0, 0.62]]
    corners = np.array([[near + into * x, y] for x, y in edge])
    corners *= [width, height]
    stroke(picture, corners, shade(cabin.trim, 0.25), 0.03 * height, closed=True)
    fill(mask, corners, 255)
    picture[...] = np.where(mask[..., None] > 127, outside, picture)


def _paint_seat(picture: NDArray[np.uint8], cabin: Cabin, place: Place) -> None:
    back = [
        (-1.75, 2.6),
        (-1.6, 0.7),
        (-1.2, 0.32),
        (1.2, 0.32),
        (1.6, 0.7),
        (1.75, 2.6),
    ]
    fill(picture, place.points(back), shade(cabin.seat, 0.8))
    for x in (-0.35, 0.35):
        post = place.points([(x, -0.3), (x, 0.5)])
        stroke(picture, post, shade((0.45, 0.45, 0.45)), 0.06 * place.scale_px)
    turn = np.linspace(0, 2 * np.pi, 48)
    rounded = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.5
    tall = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.6
    rest = [(0.86 * x, -1.0 + 0.72 * y) for x, y in zip(rounded, tall, strict=True)]
    fill(picture, place.points(rest), shade(cabin.seat, 0.95))
    rest = [(0.72 * x, -1.02 + 0.6 * y) for x, y in zip(rounded, tall, strict=True)]
    fill(picture, place.points(rest), shade(cabin.seat, 1.1))


def _paint_torso(picture: NDArray[np.uint8], identity: Identity, place: Place) -> None:
    import cv2

    looks, scale = identity.looks, place.scale_px
    wide = 0.6 * identity.shape.width
    if looks.hair_style is HairStyle.LONG:
        fill(picture, place.points(_hair_behind(identity)), shade(looks.hair, 0.5))
    body = [
        *((-1.95, 3.2), (-1.85, 1.3), (-1.6, 0.86), (-1.2, 0.62), (-0.62, 0.38)),
        *((-0.3, 0.3), (0.3, 0.3), (0.62, 0.38), (1.2, 0.62), (1.6, 0.86)),
        *((1.85, 1.3), (1.95, 3.2)),
    ]
    layer = picture.copy()
    fill(layer, place.points(body), shade(looks.cloth, 0.8))
    neck = [
        *((-wide, -0.8), (-wide, 0.12), (-wide - 0.12, 0.32), (-wide - 0.16, 0.4)),
        *((-0.2, 0.62), (0.0, 0.78), (0.2, 0.62)),
        *((wide + 0.16, 0.4), (wide + 0.12, 0.32), (wide, 0.12), (wide, -0.8)),
    ]
    fill(layer, place.points(neck), shade(looks.skin, 0.72))
    collar = place.points([neck[3], (-0.22, 0.64), (0.0, 0.82), (0.22, 0.64), neck[7]])
    stroke(layer, collar, shade(looks.cloth, 0.55), 0.07 * scale)
    side = identity.cabin.window_side
    belt = [
        (side * 1.15, 0.5),
        (side * 0.85, 0.42),
        (-side * 0.75, 3.2),
        (-side * 0.4, 3.2),
    ]
    fill(layer, place.points(belt), (38, 36, 36))
    layer = np.asarray(
        cv2.GaussianBlur(layer, (0, 0), max(0.4, 0.02 * scale)), np.uint8
    )
    picture[...] = _under_chin(layer, wide, place)


def _hair_behind(identity: Identity) -> list[tuple[float, float]]:
    """Return the outline of long hair behind the neck, offsets to the neck."""
    wide = 0.85 * identity.shape.width
    down = np.linspace(-0.7, 0.42, 16)
    right = wide * np.clip(1 - ((down + 0.25) / 0.8) ** 4, 0.3, 1)
    edge = list(zip(right.tolist(), down.tolist(), strict=True))
    return [*edge, *[(-x, y) for x, y in reversed(edge)]]


def _under_chin(
    layer: NDArray[np.uint8], wide: float, place: Place
) -> NDArray[np.uint8]:
    """Return the layer with the head's soft shadow on the neck."""
    width, height = place.size
    x = (np.arange(width)[None] - place.neck_px[0]) / place.scale_px
    y = (np.arange(height)[:, None] - place.neck_px[1]) / place.scale_px
    shadow = np.exp(-0.5 * ((x / (1.5 * wide)) ** 2 + ((y + 0.15) / 0.3) ** 2))
    return np.asarray(layer * (1 - 0.5 * shadow)[..., None], np.uint8)


def _falloff(identity: Identity, place: Place) -> NDArray[np.float32]:
    """Return the ``(H, W)`` light on the cabin: brighter on the window's side."""
    width, height = place.size
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    light = identity.light
    slope = 0.25 * light.strength * (light.direction[0] * x + light.direction[1] * y)
    edge = 1 - 0.16 * (x * x + y * y)
    return np.asarray(light.exposure * (0.95 + slope) * edge, np.float32)
