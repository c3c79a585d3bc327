"""What shows through family B's slits, and what sits on its head: eyes, teeth, ears."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.brush import fill, stroke
from training.synthetic.family_b.head_mesh import EYE_Y, Floats, surface
from training.synthetic.family_b.lighting import Moment, Tone, flat_light
from training.synthetic.family_b.person import Hair, Person, Reflectance
from training.synthetic.family_b.raster import Lens

_BALL = 0.125
"""Radius of an eyeball."""
_IRIS = 0.062
"""Radius of an iris."""
_SCLERA = (0.62, 0.66, 0.7)
_TEETH = (0.55, 0.66, 0.7)
_TONGUE = (0.13, 0.12, 0.34)
_TURN = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_RING = np.stack([np.cos(_TURN), np.sin(_TURN)], 1)


@dataclass(frozen=True, slots=True)
class Sight:
    """How the head is seen in one picture, and in what light."""

    picture: NDArray[np.uint8]
    """``(H, W, 3)`` that is drawn on."""
    lens: Lens
    rotation: NDArray[np.float32]
    """``(3, 3)`` from head to camera."""
    pivot: NDArray[np.float32]
    """``(3,)`` where the head turns."""
    moment: Moment
    tone: Tone

    def places(self, points: Floats) -> NDArray[np.float32]:
        """Return where ``(N, 3)`` points of the head are, seen from the camera."""
        turned = (points - self.pivot) @ self.rotation.T + self.pivot
        return np.asarray(turned, np.float32)

    def pixels(self, points: Floats) -> NDArray[np.float32]:
        """Return ``(N, 2)`` pixels of ``(N, 3)`` points of the head."""
        return self.lens.project(self.places(points))

    def levels(
        self, colour: Reflectance, share: float = 1.0
    ) -> tuple[float, float, float]:
        """Return the levels of a flat surface, times ``share``."""
        return self.tone.colour(flat_light(colour, self.moment, share))


def draw_eyes(sight: Sight, person: Person, road: NDArray[np.float32]) -> None:
    """Draw both eyeballs; the lids are laid over them.

    Args:
        sight: Where and in what light.
        person: Whose eyes.
        road: ``(3,)`` unit vector, seen from the camera, to what they look at.
    """
    head = person.head
    for side in (-1, 1):
        theta = np.arcsin(side * head.eye_x / head.width)
        skin = surface(head, np.array([theta]), np.array([EYE_Y]))
        middle = sight.places(skin - [0, 0.012, _BALL + 0.02])
        px = sight.lens.scale_px
        ball = sight.lens.project(middle)
        fill(sight.picture, ball + _RING * (1.35 * _BALL * px), sight.levels(_SCLERA))
        iris = sight.lens.project(middle + _BALL * road)
        for size, colour in ((1.0, 0.35), (0.8, 1.0)):
            levels = sight.levels(person.looks.iris, colour)
            fill(sight.picture, iris + _RING * (size * _IRIS * px), levels)
        fill(sight.picture, iris + _RING * (0.4 * _IRIS * px), (8, 8, 8))
        glint = iris + np.sign(sight.moment.towards[:2]) * (0.35 * _IRIS * px)
        fill(sight.picture, glint + _RING * (0.2 * _IRIS * px), (245, 245, 245))
        # The upper lid's shadow.
        shadow = ball + np.array([[0, -0.072 * px]])
        span = np.array([[-0.14 * px, 0], [0.14 * px, 0]])
        stroke(sight.picture, shadow + span, sight.levels(_SCLERA, 0.35), 0.03 * px)


def draw_mouth(sight: Sight, person: Person, jaw: float) -> None:
    """Draw what open lips show: the cavity, teeth and tongue."""
    head = person.head
    half, y = head.mouth_width, head.mouth_y
    z = float(surface(head, np.zeros(1), np.array([y]))[0, 2]) - 0.1
    across = np.linspace(-1, 1, 9)
    back = z - 0.22 * (across * half / 0.25) ** 2 * 0.25
    drop = 0.15 * jaw

    def band(top: float, bottom: float, wide: float, levels: object) -> None:
        upper = np.stack([across * half * wide, 0 * across + top, back], 1)
        lower = np.stack([across * half * wide, 0 * across + bottom, back], 1)
        edge = np.concatenate([upper, lower[::-1]])
        fill(sight.picture, sight.pixels(edge), levels)

    band(y - 0.14, y + 0.14 + drop, 1.15, sight.levels((0.02, 0.015, 0.04)))
    band(y + 0.05 + 0.5 * drop, y + 0.12 + drop, 0.6, sight.levels(_TONGUE, 0.5))
    band(y + 0.035 + drop, y + 0.09 + drop, 0.7, sight.levels(_TEETH, 0.55))
    band(y - 0.12, y - 0.004, 0.85, sight.levels(_TEETH, 0.9))


def draw_behind(sight: Sight, person: Person) -> None:
    """Draw the hair that hangs or stands behind the head."""
    style, wide = person.looks.hair_style, person.head.width
    levels = sight.levels(person.looks.hair, 0.75)
    if style is Hair.BUN:
        ball = np.array([[0, -1.0, -0.45]]) + np.c_[0.3 * _RING, 0 * _TURN]
        fill(sight.picture, sight.pixels(ball), levels)
    elif style is Hair.BOB:
        down = np.linspace(-0.7, 0.78, 14)
        right = wide * (1.16 - 0.25 * ((down + 0.05) / 0.8) ** 4)
        edge = np.stack([right, down, 0 * down - 0.15], 1)
        fill(sight.picture, sight.pixels(np.r_[edge, edge[::-1] * [-1, 1, 1]]), levels)


def draw_ear(sight: Sight, person: Person, side: int) -> None:
    """Draw the ear of one side: -1 the picture's left, 1 its right."""
    if person.looks.hair_style in (Hair.BOB, Hair.CURLS):
        return
    wide = person.head.width
    for size, share in ((1.0, 0.62), (0.55, 0.42)):
        out = 0.06 * size * (1 + _RING[:, 0])
        down = 0.07 + 0.19 * size * _RING[:, 1]
        ear = np.stack([side * (0.985 * wide + out), down, -0.02 - 0.9 * out], 1)
        fill(sight.picture, sight.pixels(ear), sight.levels(person.looks.skin, share))
