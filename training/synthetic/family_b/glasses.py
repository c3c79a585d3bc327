"""Family B's glasses: aviators, half frames and ovals, with clear or tinted lenses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.brush import box_px, fill, stroke
from training.synthetic.family_b.features import Sight
from training.synthetic.family_b.head_mesh import EYE_Y, Floats, surface
from training.synthetic.family_b.person import Frames, Person

_TURN = np.linspace(0, 2 * np.pi, 28, endpoint=False)
_AHEAD = 0.14
"""From the skin at the eyes to the lenses."""
_BEND = 0.45
"""How much the frame follows the face."""


def draw_glasses(sight: Sight, person: Person) -> None:
    """Draw the person's glasses over the head, if there are any."""
    frames = person.looks.frames
    if frames is Frames.NONE:
        return
    levels = sight.levels(person.looks.frame_colour, 0.8)
    width_px = max(1.0, 0.025 * sight.lens.scale_px)
    for side in (-1, 1):
        outline = _outline(person, side)
        rim = sight.pixels(outline)
        _tint(sight, rim, person.looks.lens)
        if frames is Frames.HALF:
            rim = sight.pixels(outline[outline[:, 1] < EYE_Y])
            rim = rim[rim[:, 0].argsort()]
        stroke(sight.picture, rim, levels, width_px, closed=frames is not Frames.HALF)
        ends = np.array([outline[(side * outline[:, 0]).argmax()], _ear(person, side)])
        if sight.places(ends)[1, 0] * side > 0.55 * person.head.width:
            stroke(sight.picture, sight.pixels(ends), levels, width_px)
    bridge = np.stack(
        [_outline(person, side)[0 if side < 0 else 14] for side in (-1, 1)]
    )
    stroke(sight.picture, sight.pixels(bridge), levels, width_px)


def _outline(person: Person, side: int) -> Floats:
    """Return the ``(28, 3)`` edge of one lens, from the picture's right on."""
    head = person.head
    x, y = np.cos(_TURN), np.sin(_TURN)
    if person.looks.frames is Frames.AVIATOR:
        x, y = x * (1 - 0.18 * y - 0.1 * side * x), 0.15 * np.abs(x) + y
        wide, high = 0.2, 0.17
    elif person.looks.frames is Frames.HALF:
        x = np.sign(x) * np.abs(x) ** 0.5
        y = np.sign(y) * np.abs(y) ** 0.6
        wide, high = 0.18, 0.1
    else:
        wide, high = 0.185, 0.125
    across = side * head.eye_x + wide * x
    front = surface(head, np.zeros(1), np.array([EYE_Y]))[0, 2] + _AHEAD - 0.12
    depth = front - _BEND * across**2
    return np.stack([across, EYE_Y + 0.01 + high * y, depth], 1)


def _ear(person: Person, side: int) -> NDArray[np.float64]:
    return np.array([side * (person.head.width + 0.02), -0.06, 0.0])


def _tint(sight: Sight, rim: NDArray[np.float32], dark: float) -> None:
    """Take light away inside of a lens."""
    rows, columns = box_px(rim, 1, sight.picture)
    patch = sight.picture[rows, columns]
    if patch.size == 0:
        return
    mask = np.zeros(patch.shape[:2], np.uint8)
    fill(mask, rim - np.array([columns.start, rows.start]), 255)
    left = 1 - np.float32(dark / 255) * mask[..., None]
    patch[:] = np.asarray(patch * left, np.uint8)
