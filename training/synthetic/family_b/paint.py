"""Family B's paint: the colour of each place of the head, and where it folds."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import ACTION_UNITS
from edge_affect.sources.simulated.brush import fill, stroke
from training.synthetic.family_b.head_mesh import (
    EYE_Y,
    Floats,
    hill,
    longitude,
    surface,
)
from training.synthetic.family_b.person import Hair, HeadShape, Person

_PER_RADIAN, _PER_HEIGHT = 100, 144
_SIZE = (440, 288)
"""Width and height of the paint: 4.4 radians of longitude, two half head heights."""
_GRAIN = 92
_MOST_ROWS = 30_000

_FOLDS = {
    "forehead": {"AU1": 0.6, "AU2": 0.6},
    "glabella": {"AU4": 1.0},
    "cheek": {"AU12": 0.8, "AU10": 0.9, "AU6": 0.3},
    "corner": {"AU6": 0.8, "AU7": 0.4},
    "chin": {"AU15": 0.6, "AU24": 0.8, "AU23": 0.5},
}
"""Folds and the units that deepen them."""
_DEEPEST = 0.45
"""Share of light that a full fold loses."""


def paint_px(theta: Floats, y: Floats) -> NDArray[np.float32]:
    """Return ``(N, 2)`` pixels of the paint at longitude and height."""
    across = theta * _PER_RADIAN + _SIZE[0] / 2
    return np.stack([across, (y + 1) * _PER_HEIGHT], -1).astype(np.float32)


def sampled(
    picture: NDArray[np.float32], at_px: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return ``(P,)`` or ``(P, K)`` values of a picture at ``(P, 2)`` pixels."""
    # OpenCV takes no rows of more than 32,767.
    parts = [
        cv2.remap(picture, part[:, :1], part[:, 1:], cv2.INTER_LINEAR)[:, 0]
        for part in np.array_split(at_px, 1 + len(at_px) // _MOST_ROWS)
    ]
    return np.asarray(np.concatenate(parts), np.float32)


class Paint:
    """One person's skin, brows, lips and hair, flat."""

    def __init__(self, person: Person) -> None:
        self._person = person
        width, height = _SIZE
        theta = (np.arange(width) - width / 2) / _PER_RADIAN
        y = np.arange(height) / _PER_HEIGHT - 1
        self._theta, self._y = np.meshgrid(theta, y)
        self._x = np.abs(surface(person.head, self._theta, self._y)[..., 0])
        self._random = np.random.default_rng([person.seed, _GRAIN])
        self.colour = self._colour()
        """``(288, 440, 3)`` float32 linear reflectance, BGR."""
        self._folds = np.stack([self._fold(name) for name in _FOLDS])
        self._deepening = np.array(
            [[by.get(unit, 0.0) for unit in ACTION_UNITS] for by in _FOLDS.values()]
        )

    def folds(self, units: Floats) -> NDArray[np.float32]:
        """Return ``(288, 440)`` share of the light that is left by the folds."""
        depth = np.minimum(self._deepening @ units, 1.0) * _DEEPEST
        flat = depth.astype(np.float32) @ self._folds.reshape(len(depth), -1)
        return np.asarray(1 - flat.reshape(_SIZE[::-1]), np.float32)

    def _colour(self) -> NDArray[np.float32]:
        person = self._person
        looks, head = person.looks, person.head
        grain = self._grain(3.0)
        colour = np.array(looks.skin) * np.ones((*self._x.shape, 1))
        colour *= 1 + 0.07 * looks.freckles * grain[..., None]
        flush = hill(self._x, self._y, (0.36, 0.25), (0.16, 0.14))
        colour *= 1 - flush[..., None] * np.array([0.12, 0.1, 0.0])
        colour *= self._hollows(head)[..., None]
        hairs = 0.75 + 0.25 * self._grain(0.7)
        self._lay(colour, looks.hair, self._beard() * hairs)
        lips = cv2.GaussianBlur(self._lips(head), (0, 0), 0.8) / 255
        self._lay(colour, looks.lips, 0.9 * lips)
        self._draw_lines(colour, head)
        brow = np.minimum(0.7 * np.array(looks.hair), 0.25 * np.array(looks.skin))
        self._lay(colour, brow, self._brows(head) * np.clip(hairs + 0.25, 0.6, 1))
        scalp = self.hairiness() * (0.45 if looks.hair_style is Hair.SHAVED else 1.0)
        shades = np.array(looks.hair) * (1 + 0.35 * self._strands())[..., None]
        colour += scalp[..., None] * (shades - colour)
        return np.asarray(np.clip(colour, 0.004, 1), np.float32)

    def _lay(self, colour: Floats, over: object, share: Floats) -> None:
        colour += share[..., None] * (np.asarray(over) - colour)

    def _grain(self, softness_px: float) -> Floats:
        noise = self._random.standard_normal(self._x.shape)
        soft = cv2.GaussianBlur(noise, (0, 0), softness_px)
        return np.asarray(soft / soft.std())

    def _strands(self) -> Floats:
        noise = self._random.standard_normal(self._x.shape)
        curls = self._person.looks.hair_style is Hair.CURLS
        soft = cv2.GaussianBlur(noise, (0, 0), 1.5, sigmaY=2.0 if curls else 12.0)
        return np.asarray(np.clip(soft / soft.std(), -2, 2))

    def hairiness(self) -> Floats:
        """Return ``(288, 440)`` where hair grows on the scalp, in [0, 1]."""
        aside = np.abs(self._theta)
        front = -0.56 + 0.1 * np.clip(aside / 0.8, 0, 1) ** 2
        temple = np.clip((aside - 0.82) / 0.3, 0, 1)
        back = np.clip((aside - 1.3) / 0.5, 0, 1)
        line = front + temple * (0.5 + 0.15 * temple) + 0.7 * back
        return np.asarray(1 / (1 + np.exp((self._y - line) / 0.015)))

    def _hollows(self, head: HeadShape) -> Floats:
        """Return the share of the light that reaches sockets, nostrils and lips."""
        x, y = self._x, self._y
        nostril = hill(x, y, (0.5 * head.nose_width, head.nose_y + 0.05), (0.035, 0.02))
        under = hill(x, y, (0, head.nose_y + 0.09), (0.12, 0.045))
        socket = hill(x, y, (head.eye_x - 0.03, EYE_Y - 0.03), (0.17, 0.085))
        bag = hill(x, y, (head.eye_x, EYE_Y + 0.075), (0.11, 0.03))
        line = hill(x, y, (0, head.mouth_y), (head.mouth_width, 0.014))
        below = hill(x, y, (0, head.mouth_y + 1.35 * head.lips), (0.16, 0.03))
        light = (1 - 0.75 * nostril) * (1 - 0.3 * under) * (1 - 0.42 * socket)
        return np.asarray(
            light * (1 - 0.15 * bag) * (1 - 0.6 * line) * (1 - 0.2 * below)
        )

    def _beard(self) -> Floats:
        head = self._person.head
        x, y = self._x, self._y
        jaw = 1 / (
            1 + np.exp(-(y - (0.72 - 0.45 * np.clip(x / 0.5, 0, 1) ** 2)) / 0.03)
        )
        lip = hill(x, y, (0, head.mouth_y - 1.15 * head.lips), (0.22, 0.04))
        cheek = np.clip(1.6 - np.abs(self._theta) / 0.9, 0, 1)
        return np.asarray(self._person.looks.beard * np.maximum(jaw * cheek, lip))

    def _place(self, x: Floats, y: Floats) -> NDArray[np.float32]:
        return paint_px(longitude(self._person.head, x, y), y)

    def _lips(self, head: HeadShape) -> NDArray[np.uint8]:
        mask = np.zeros(self._x.shape, np.uint8)
        t = np.linspace(-1, 1, 31)
        x = t * head.mouth_width
        bow = 1 - 0.22 * np.exp(-((t / 0.12) ** 2))
        upper = head.mouth_y - 0.7 * head.lips * (1 - t**2) ** 0.6 * bow
        lower = head.mouth_y + head.lips * (1 - t**2) ** 0.6
        edge = np.concatenate([self._place(x, upper), self._place(x, lower)[::-1]])
        fill(mask, edge, 255)
        return mask

    def _brows(self, head: HeadShape) -> Floats:
        mask = np.zeros(self._x.shape, np.uint8)
        t = np.linspace(0, 1, 13)
        middle = EYE_Y - head.brow_gap - 0.05 * np.sin(np.pi * t**1.4) + 0.03 * t
        half = 0.5 * head.brow_weight * (1 - 0.65 * t)
        for side in (-1, 1):
            x = side * (0.1 + 0.37 * t)
            upper, lower = self._place(x, middle - half), self._place(x, middle + half)
            fill(mask, np.concatenate([upper, lower[::-1]]), 255)
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.2) / 255)

    def _draw_lines(self, colour: Floats, head: HeadShape) -> None:
        """Darken the lashes, and the creases above the lids."""
        lashes = np.zeros(self._x.shape, np.uint8)
        creases = np.zeros_like(lashes)
        t = np.linspace(-1, 1, 15)
        for side in (-1, 1):
            x = side * head.eye_x + t * head.eye_width
            stroke(lashes, self._place(x, EYE_Y - 0.012 + 0 * t), 255, 4)
            arch = EYE_Y - 0.045 - 0.02 * (1 - t**2)
            stroke(creases, self._place(x[2:-2], arch[2:-2]), 255, 2)
        self._lay(colour, (0.02, 0.02, 0.02), 0.85 * lashes / 255)
        colour *= 1 - 0.35 * creases[..., None] / 255

    def _fold(self, name: str) -> NDArray[np.float32]:
        mask = np.zeros(self._x.shape, np.uint8)
        for side in (-1, 1):
            for line in self._fold_lines(name):
                points = np.array(line)
                stroke(mask, self._place(side * points[:, 0], points[:, 1]), 255, 2)
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.6) / 140, np.float32)

    def _fold_lines(self, name: str) -> list[list[tuple[float, float]]]:
        """Return the lines of a fold on one side of the face."""
        head = self._person.head
        corner = (head.eye_x + head.eye_width, EYE_Y)
        half, mouth, below = head.mouth_width, head.mouth_y, head.mouth_y + head.lips
        lines = {
            "forehead": [
                [(0.0, y + 0.01), (0.14, y), (0.28, y + 0.015), (0.36, y + 0.04)]
                for y in (-0.36, -0.43, -0.5)
            ],
            "glabella": [
                [(0.045, -0.28), (0.05, -0.2), (0.04, -0.12)],
                [(0.0, -0.1), (0.06, -0.09)],
            ],
            "cheek": [
                [
                    (head.nose_width + 0.03, head.nose_y - 0.03),
                    (0.5 * (head.nose_width + half) + 0.06, head.nose_y + 0.09),
                    (half + 0.07, mouth - 0.06),
                    (half + 0.075, mouth + 0.03),
                ]
            ],
            "corner": [
                [
                    (corner[0] + 0.02, EYE_Y + a),
                    (corner[0] + 0.1, EYE_Y + 2.4 * a - 0.005),
                ]
                for a in (-0.025, 0.005, 0.035)
            ]
            + [
                [(head.eye_x - 0.1, 0.09), (head.eye_x, 0.11), (head.eye_x + 0.1, 0.09)]
            ],
            "chin": [
                [(0.0, below + 0.045), (0.08, below + 0.05), (0.14, below + 0.08)],
                [(half + 0.03, mouth + 0.01), (half + 0.03, mouth + 0.09)],
            ],
        }
        return lines[name]
