"""Eyes, brows and mouth, drawn on the head's texture as the action units move them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import ACTION_UNITS
from edge_affect.sources.simulated.base import Truth
from edge_affect.sources.simulated.brush import blend, box_px, fill, shade, stroke, tint
from edge_affect.sources.simulated.head import HeadGeometry, Points
from edge_affect.sources.simulated.identity import Identity

_IRIS = 0.066
"""Radius of the iris, half head heights."""
_CAVITY = (0.07, 0.05, 0.13)
_TEETH = (0.72, 0.82, 0.86)
_TONGUE = (0.26, 0.24, 0.50)
_SCLERA = (0.76, 0.79, 0.82)
_PARTED = 0.06
"""Gap between the lips at full AU25, half head heights."""
_WIDE_OPEN = 0.22
"""Gap between the lips at full AU26, half head heights."""

_ACROSS = np.linspace(-1, 1, 25, dtype=np.float32)
_ALONG = np.linspace(0, 1, 13, dtype=np.float32)
_TURN = np.linspace(0, 2 * np.pi, 20, endpoint=False)
_RING = np.stack([np.cos(_TURN), np.sin(_TURN)], 1)
_LID = np.clip(np.sin(np.pi * _ALONG**0.9), 0, 1) ** 0.8


@dataclass(frozen=True, slots=True)
class Movement:
    """What moves the face in one picture."""

    units: NDArray[np.float32]
    """``(12,)`` activation of ``labels.ACTION_UNITS``."""
    closed: float
    """How far the eyes are closed, [0, 1]."""
    jaw: float
    """How far the jaw has dropped, [0, 1]."""
    gap: float
    """Gap between the lips, half head heights."""
    gaze: tuple[float, float]
    """Shift of the irises, half head heights."""

    def __getitem__(self, unit: str) -> float:
        """Return the activation of one unit."""
        return float(self.units[ACTION_UNITS.index(unit)])


def movement_from_truth(truth: Truth, gaze: tuple[float, float]) -> Movement:
    """Collect what moves the face; speech opens the mouth as affect does."""
    units = np.array([truth.action_units[name] for name in ACTION_UNITS], np.float32)
    parted = max(truth.action_units["AU25"], min(1.0, 2 * truth.mouth_opening))
    jaw = max(truth.action_units["AU26"], truth.mouth_opening)
    gap = _PARTED * parted + _WIDE_OPEN * jaw
    return Movement(units, truth.eyes_closed, jaw, gap, gaze)


class Features:
    """Draws one person's eyes, brows and mouth."""

    def __init__(self, identity: Identity, geometry: HeadGeometry) -> None:
        self._shape = identity.shape
        self._looks = identity.looks
        self._geometry = geometry
        self._scale = geometry.scale_px
        random = np.random.default_rng([identity.seed, 13])
        width, height = geometry.texture_size
        self._hairs = random.integers(150, 256, (height, width), np.uint8)

    def draw(self, texture: NDArray[np.uint8], moved: Movement) -> None:
        """Draw onto ``texture``, which holds the bare skin."""
        for side in (-1, 1):
            self._draw_eye(texture, moved, side)
            self._draw_brow(texture, moved, side)
        self._draw_mouth(texture, moved)

    def _draw_eye(self, texture: NDArray[np.uint8], moved: Movement, side: int) -> None:
        upper, lower = self._lids(moved, side)
        skin, hair = self._looks.skin, self._looks.hair
        rows, columns = box_px(np.concatenate([upper, lower]), 2, texture)
        patch = texture[rows, columns]
        origin = np.array([columns.start, rows.start])
        mask = np.zeros(patch.shape[:2], np.uint8)
        fill(mask, np.concatenate([upper, lower[::-1]]) - origin, 255)
        ball = np.empty_like(patch)
        ball[:] = shade(_SCLERA)
        top = upper - origin
        self._draw_iris(ball, origin, moved, side)
        stroke(
            ball,
            top + np.array([0, 0.012 * self._scale]),
            shade(_SCLERA, 0.6),
            0.03 * self._scale,
        )
        blend(patch, ball, mask)
        crease = upper - np.array([0, (0.05 - 0.015 * moved.closed) * self._scale])
        stroke(texture, crease[1:-1], shade(skin, 0.72), 0.012 * self._scale)
        stroke(texture, lower, shade(skin, 0.62), 0.01 * self._scale)
        stroke(texture, upper, shade(hair, 0.35), 0.022 * self._scale)

    def _lids(self, moved: Movement, side: int) -> tuple[Points, Points]:
        """Return upper and lower lid from the inner to the outer corner, pixels."""
        shape = self._shape
        raised = 0.3 * moved["AU1"] + 0.3 * moved["AU2"]
        tight = 0.4 * moved["AU7"] + 0.12 * moved["AU4"]
        up = shape.eye_open * (1.1 + raised - tight - 0.15 * moved["AU6"])
        low = shape.eye_open * (
            0.8 - 0.35 * moved["AU7"] - 0.4 * moved["AU6"] - 0.15 * moved["AU12"]
        )
        up = (1 - moved.closed) * max(up, 0.2 * shape.eye_open) - moved.closed * low
        x = side * (shape.eye_x + shape.eye_width * (2 * _ALONG - 1))
        middle = shape.eye_y - shape.eye_tilt * (_ALONG - 0.5)
        upper = np.stack([x, middle - up * _LID], 1)
        lower = np.stack([x, middle + low * _LID], 1)
        return self._geometry.texture_px(upper), self._geometry.texture_px(lower)

    def _draw_iris(
        self, ball: NDArray[np.uint8], origin: Points, moved: Movement, side: int
    ) -> None:
        shape, scale = self._shape, self._scale
        look = [side * shape.eye_x + moved.gaze[0], shape.eye_y + moved.gaze[1]]
        centre = self._geometry.texture_px(np.array([look])) - origin
        iris, radius = self._looks.iris, _IRIS * scale
        fill(ball, centre + _RING * radius, shade(iris, 0.45))
        fill(ball, centre + _RING * (0.8 * radius), shade(iris))
        fill(ball, centre + _RING * (0.42 * radius), shade((0.02, 0.02, 0.02)))
        glint = centre + np.array([0.4, -0.4]) * radius
        fill(ball, glint + _RING * (0.22 * radius), (255, 255, 255))

    def _draw_brow(
        self, texture: NDArray[np.uint8], moved: Movement, side: int
    ) -> None:
        shape, t = self._shape, _ALONG
        inner, outer = (1 - t) ** 1.5, t**0.9
        rise = 0.085 * moved["AU1"] * inner + 0.075 * moved["AU2"] * outer
        rise = rise + 0.02 * (moved["AU1"] + moved["AU2"])
        sink = moved["AU4"] * (0.05 + 0.04 * inner - 0.02 * outer)
        start = shape.eye_x - shape.eye_width - 0.015 - 0.04 * moved["AU4"] * inner
        x = side * (start + (2 * shape.eye_width + 0.07) * t)
        bend = shape.brow_arch * np.sin(np.pi * np.minimum(0.8 * t + 0.05, 1))
        y = shape.eye_y - shape.brow_gap - bend - rise + sink
        half = (
            0.5 * shape.brow_thickness * np.minimum(1, 0.6 + 2 * t) * (1 - 0.75 * t**2)
        )
        edge = np.concatenate(
            [np.stack([x, y - half], 1), np.stack([x, y + half], 1)[::-1]]
        )
        points = self._geometry.texture_px(edge.astype(np.float32))
        rows, columns = box_px(points, 2, texture)
        patch = texture[rows, columns]
        mask = np.zeros(patch.shape[:2], np.uint8)
        origin = np.array([columns.start, rows.start], np.float32)
        fill(mask, points - origin, 235)
        self._soften(mask)
        mask = (mask.astype(np.uint16) * self._hairs[rows, columns] >> 8).astype(
            np.uint8
        )
        tint(patch, shade(self._looks.brows), mask)

    def _draw_mouth(self, texture: NDArray[np.uint8], moved: Movement) -> None:
        lips = self._looks.lips
        scale = self._scale
        outer, inner = self._lip_lines(moved)
        upper, lower = outer
        roof, floor = inner
        closed = np.concatenate([roof, floor[::-1]])
        fill(texture, np.concatenate([upper, roof[::-1]]), shade(lips, 0.86))
        fill(texture, np.concatenate([lower, floor[::-1]]), shade(lips))
        glow = 0.45 * lower[6:19] + 0.55 * floor[6:19]
        stroke(texture, glow, shade(lips, 1.12), 0.02 * scale)
        rows, columns = box_px(np.concatenate([upper, lower]), 2, texture)
        self._soften(texture[rows, columns])
        if moved.gap > 0.012:
            fill(texture, closed, shade(_CAVITY))
            self._draw_teeth(texture, roof, floor)
        stroke(texture, roof, shade(lips, 0.42), 0.013 * scale)
        if moved.gap > 0.012:
            stroke(texture, floor, shade(lips, 0.6), 0.01 * scale)

    def _draw_teeth(
        self, texture: NDArray[np.uint8], roof: Points, floor: Points
    ) -> None:
        middle = roof[len(roof) // 2, 1]
        even = np.minimum(middle, roof[:, 1] + 0.015 * self._scale)
        bite = np.minimum(even + 0.055 * self._scale, floor[:, 1])
        shown = np.maximum(bite - roof[:, 1], 0) * (1 - _ACROSS**4)
        bite = roof[:, 1] + shown
        edge = np.stack([roof[:, 0], bite], 1)
        if np.ptp(floor[:, 1] - roof[:, 1]) > 0.1 * self._scale:
            rest = np.maximum(floor[:, 1] - 0.06 * self._scale, edge[:, 1].max())
            tongue = np.stack([floor[:, 0], np.minimum(rest, floor[:, 1])], 1)
            fill(texture, np.concatenate([tongue, floor[::-1]]), shade(_TONGUE))
        fill(texture, np.concatenate([roof, edge[::-1]]), shade(_TEETH))

    def _lip_lines(
        self, moved: Movement
    ) -> tuple[tuple[Points, Points], tuple[Points, Points]]:
        """Return outer (upper, lower) and inner (roof, floor) edges, pixels."""
        shape, t = self._shape, _ACROSS
        smile, sad, press = moved["AU12"], moved["AU15"], moved["AU24"]
        narrow = (
            0.12 * moved["AU23"]
            + 0.07 * press
            + 0.35 * min(moved.jaw, 0.6) * (1 - smile)
        )
        half = shape.mouth_width * (1 + 0.3 * smile + 0.06 * sad - narrow)
        corner = shape.mouth_y - 0.006 - 0.1 * smile + 0.06 * sad + 0.3 * moved.gap
        corner -= 0.02 * moved["AU10"]
        thin = 1 - 0.65 * press - 0.4 * moved["AU23"] - 0.25 * smile
        thin = max(0.15, thin)
        middle = shape.mouth_y - 0.012 * sad
        roof = middle - 0.22 * moved.gap - 0.04 * moved["AU10"] + 0.006 * smile
        floor = middle + 0.78 * moved.gap + 0.006 * smile
        across = half * t
        arc = np.abs(t) ** 2
        roof_y = roof + (corner - roof) * arc
        floor_y = floor + (corner - floor) * np.abs(t) ** 2.4
        full = np.sqrt(np.clip(1 - t * t, 0, 1))
        cupid = 1 - 0.28 * np.exp(-((t / 0.13) ** 2)) + 0.12 * np.exp(-((t / 0.3) ** 2))
        upper_y = roof_y - shape.lip_upper * thin * full * cupid
        lower_y = floor_y + shape.lip_lower * thin * full
        lines = [np.stack([across, y], 1) for y in (upper_y, lower_y, roof_y, floor_y)]
        upper, lower, inner_upper, inner_lower = (
            self._geometry.texture_px(line.astype(np.float32)) for line in lines
        )
        return (upper, lower), (inner_upper, inner_lower)

    def _soften(self, patch: NDArray[np.uint8]) -> None:
        import cv2

        patch[...] = cv2.GaussianBlur(patch, (3, 3), 0.014 * self._scale)
