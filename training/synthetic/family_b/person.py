"""Family B's people: who is drawn, from other distributions than family A's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from training.synthetic.pools import Pool

Reflectance = tuple[float, float, float]
"""Blue, green and red, linear, each in [0, 1]."""


class Hair(str, Enum):
    """Shape of the hair."""

    SHAVED = "shaved"
    CAP = "cap"
    CURLS = "curls"
    BOB = "bob"
    BUN = "bun"


class Frames(str, Enum):
    """Shape of the glasses."""

    NONE = "none"
    AVIATOR = "aviator"
    HALF = "half"
    OVAL = "oval"


@dataclass(frozen=True, slots=True)
class HeadShape:
    """Proportions of the head.

    Lengths are half head heights: x to the picture's right, y downwards, z towards the
    camera, from the middle between crown and chin.
    """

    width: float
    """Half width at the temples."""
    depth: float
    """From the middle of the head to the front."""
    jaw: float
    """Exponent of the outline below the temples; higher is squarer."""
    taper: float
    """Share of the width that the jaw loses down to the chin."""
    eye_x: float
    """Distance of each eye from the middle."""
    eye_width: float
    """Half width of each eye."""
    eye_open: float
    """Height of each open eye."""
    brow_gap: float
    """From the eyes up to the brows."""
    brow_weight: float
    """Thickness of the brows."""
    nose_y: float
    """Height of the nose's tip."""
    nose_height: float
    """How far the tip stands out."""
    nose_width: float
    """Half width at the wings."""
    mouth_y: float
    """Height of the line between the lips."""
    mouth_width: float
    """Half width of the mouth at rest."""
    lips: float
    """Thickness of the lower lip; the upper one has seven tenths of it."""
    chin: float
    """How far the chin stands out."""
    cheeks: float
    """How far the cheekbones stand out."""


@dataclass(frozen=True, slots=True)
class Looks:
    """Colours, hair and glasses."""

    skin: Reflectance
    lips: Reflectance
    hair: Reflectance
    iris: Reflectance
    cloth: Reflectance
    hair_style: Hair
    beard: float
    """Density of the beard, 0–1."""
    freckles: float
    """Contrast of the skin's blotches, 0–1."""
    shine: float
    """Strength of the skin's highlights, 0–1."""
    frames: Frames
    frame_colour: Reflectance
    lens: float
    """How much light the lenses take away, 0–1."""


@dataclass(frozen=True, slots=True)
class Light:
    """The light in the cabin and how it changes on the way."""

    azimuth: float
    """Of the sky's light, radians from the front to the picture's right."""
    elevation: float
    """Of the sky's light, radians."""
    key: float
    """Strength of the directed light."""
    sway: float
    """How far the light's direction wanders, radians."""
    passing_hz: float
    """How often a shadow or a lamp passes."""
    passing: float
    """Change of the light as it passes, -1–1."""
    warmth: float
    """Shift from blue to red, -1–1."""


@dataclass(frozen=True, slots=True)
class Camera:
    """The camera's place and its sensor."""

    scale: float
    """Height of the head as a share of the picture's height."""
    offset: tuple[float, float]
    """Middle of the head from the picture's middle, shares of width and height."""
    distance: float
    """From the head, half head heights: near cameras draw the nose larger."""
    shot: float
    """Noise of full light, grey levels; it grows with the root of the light."""
    rows: float
    """Noise that a row shares, grey levels."""
    vignette: float
    """Share of light that the picture's corners lose."""


@dataclass(frozen=True, slots=True)
class Person:
    """One driver of family B, in one car."""

    seed: int
    head: HeadShape
    looks: Looks
    light: Light
    camera: Camera


_HEAD_BOUNDS = {
    "width": (0.63, 0.74),
    "depth": (0.78, 0.92),
    "jaw": (2.1, 3.2),
    "taper": (0.12, 0.3),
    "eye_x": (0.26, 0.31),
    "eye_width": (0.12, 0.15),
    "eye_open": (0.075, 0.105),
    "brow_gap": (0.15, 0.2),
    "brow_weight": (0.035, 0.07),
    "nose_y": (0.31, 0.4),
    "nose_height": (0.16, 0.26),
    "nose_width": (0.11, 0.16),
    "mouth_y": (0.57, 0.63),
    "mouth_width": (0.2, 0.27),
    "lips": (0.055, 0.1),
    "chin": (0.0, 0.08),
    "cheeks": (0.01, 0.06),
}
_MELANIN = (0.1, 1.9)
"""Least and most absorption of the skin."""
_ABSORPTION = np.array([1.25, 0.85, 0.5])
"""Of blue, green and red by melanin; skin lightens along an exponential, where family
A mixes measured tones."""
_SCATTER = np.array([0.56, 0.66, 0.86])
"""Reflectance without melanin."""
_HAIR = np.array(
    [[0.02, 0.02, 0.025], [0.03, 0.05, 0.08], [0.1, 0.2, 0.33], [0.45, 0.45, 0.45]]
)
"""Black, brown, fair and grey."""
_IRIS = np.array([[0.05, 0.1, 0.18], [0.3, 0.3, 0.2], [0.35, 0.28, 0.18]])
"""Brown, grey green, blue."""
_CASTING = 91


def draw_person(seed: int, pool: Pool) -> Person:
    """Draw who is filmed, within the pool's range of skins."""
    random = np.random.default_rng([seed, _CASTING])
    head = {name: _between(random, *ends) for name, ends in _HEAD_BOUNDS.items()}
    lightness = _between(random, *pool.skin)
    melanin = _MELANIN[1] - lightness * (_MELANIN[1] - _MELANIN[0])
    looks = _draw_looks(random, melanin)
    return Person(seed, HeadShape(**head), looks, _draw_light(random), _camera(random))


def _between(random: np.random.Generator, low: float, high: float) -> float:
    return float(random.uniform(low, high))


def _reflectance(values: NDArray[np.float64]) -> Reflectance:
    blue, green, red = np.clip(values, 0.0, 1.0).tolist()
    return blue, green, red


def _draw_looks(random: np.random.Generator, melanin: float) -> Looks:
    flush = np.array([0.96, 0.92, 1.0]) ** _between(random, 0, 1.5)
    skin = _SCATTER * np.exp(-melanin * _ABSORPTION) * flush
    fair = np.exp(-1.5 * melanin)
    hair = _HAIR[random.choice(4, p=np.array([2, 2, 2 * fair, 1]) / (5 + 2 * fair))]
    iris = _IRIS[random.choice(3, p=np.array([2, fair, fair]) / (2 + 2 * fair))]
    tinted = random.random() < 0.5
    return Looks(
        skin=_reflectance(skin),
        lips=_reflectance(skin * [0.62, 0.5, 0.85] * random.uniform(0.85, 1.1)),
        hair=_reflectance(np.minimum(hair, 0.8 * skin + 0.05)),
        iris=_reflectance(iris),
        cloth=_reflectance(random.uniform(0.02, 0.6, 3)),
        hair_style=list(Hair)[int(random.choice(5, p=[0.15, 0.3, 0.2, 0.2, 0.15]))],
        beard=max(0.0, _between(random, -1.0, 0.7)),
        freckles=_between(random, 0.0, 1.0),
        shine=_between(random, 0.1, 1.0),
        frames=list(Frames)[int(random.choice(4, p=[0.64, 0.12, 0.12, 0.12]))],
        frame_colour=_reflectance(random.uniform(0.0, 0.5) * random.random(3)),
        lens=_between(random, 0.15, 0.5) if tinted else 0.04,
    )


def _draw_light(random: np.random.Generator) -> Light:
    return Light(
        azimuth=_between(random, -0.9, 0.9),
        elevation=_between(random, 0.25, 0.9),
        key=_between(random, 0.45, 0.95),
        sway=_between(random, 0.05, 0.35),
        passing_hz=_between(random, 0.05, 0.3),
        passing=_between(random, -0.45, 0.4),
        warmth=_between(random, -0.12, 0.12),
    )


def _camera(random: np.random.Generator) -> Camera:
    return Camera(
        scale=_between(random, 0.46, 0.64),
        offset=(_between(random, -0.12, 0.12), _between(random, -0.08, 0.02)),
        distance=_between(random, 4.5, 7.5),
        shot=_between(random, 3.0, 8.0),
        rows=_between(random, 0.0, 1.5),
        vignette=_between(random, 0.1, 0.4),
    )
