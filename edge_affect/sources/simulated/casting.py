"""Casting: draws a person, a car and a camera from a seed."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from edge_affect.labels import ACTION_UNITS
from edge_affect.sources.simulated.identity import (
    Cabin,
    CameraPlace,
    Colour,
    FaceShape,
    Glasses,
    Habits,
    HairStyle,
    Identity,
    Light,
    Looks,
)

_STREAM = 1
"""Number of the random stream that identities are drawn from."""

_T = TypeVar("_T")

_SHAPE_BOUNDS = {
    "width": (0.62, 0.71),
    "depth": (0.80, 0.90),
    "jaw_power": (1.75, 2.7),
    "eye_x": (0.262, 0.295),
    "eye_y": (-0.03, 0.02),
    "eye_width": (0.13, 0.155),
    "eye_open": (0.048, 0.064),
    "eye_tilt": (-0.012, 0.025),
    "brow_gap": (0.17, 0.215),
    "brow_thickness": (0.032, 0.06),
    "brow_arch": (0.015, 0.05),
    "nose_y": (0.33, 0.39),
    "nose_width": (0.105, 0.145),
    "nose_height": (0.14, 0.20),
    "mouth_y": (0.575, 0.62),
    "mouth_width": (0.205, 0.25),
    "lip_upper": (0.03, 0.055),
    "lip_lower": (0.045, 0.075),
    "cheeks": (0.2, 1.0),
}
"""Smallest and largest value of each field of ``FaceShape``."""


def identity_from_seed(seed: int) -> Identity:
    """Draw a person, a car and a camera; the same for the same ``seed``."""
    random = np.random.default_rng([seed, _STREAM])
    shape = FaceShape(
        **{
            f.name: float(random.uniform(*_SHAPE_BOUNDS[f.name]))
            for f in fields(FaceShape)
        }
    )
    looks = _draw_looks(random)
    cabin = _draw_cabin(random)
    return Identity(
        seed=seed,
        shape=shape,
        looks=looks,
        light=_draw_light(random, cabin.window_side, looks.skin),
        camera=CameraPlace(
            scale=float(random.uniform(0.44, 0.58)),
            offset_x=float(random.uniform(-0.1, 0.1)),
            offset_y=float(random.uniform(-0.09, -0.01)),
            yaw_deg=float(random.uniform(-7, 7)),
            pitch_deg=float(random.uniform(-4, 5)),
        ),
        cabin=cabin,
        habits=_draw_habits(random),
    )


_SKIN_RAMP = np.array(
    [
        [0.70, 0.79, 0.95],
        [0.55, 0.67, 0.88],
        [0.40, 0.54, 0.77],
        [0.27, 0.38, 0.59],
        [0.18, 0.25, 0.41],
        [0.13, 0.17, 0.28],
    ]
)
"""Skin reflectance from light to dark, BGR."""

_LUMA = (0.114, 0.587, 0.299)
"""Weights of blue, green and red in brightness."""

_HAIR_COLOURS = np.array(
    [
        [0.06, 0.06, 0.07],
        [0.10, 0.12, 0.16],
        [0.14, 0.21, 0.32],
        [0.24, 0.36, 0.50],
        [0.30, 0.47, 0.62],
        [0.14, 0.25, 0.50],
        [0.44, 0.45, 0.46],
    ]
)
"""Black, dark brown, brown, light brown, blond, red and grey hair, BGR."""

_IRIS_COLOURS = np.array(
    [[0.10, 0.17, 0.30], [0.16, 0.30, 0.42], [0.55, 0.48, 0.36], [0.36, 0.46, 0.38]]
)
"""Brown, hazel, blue and green irises, BGR."""


def _colour(values: Any) -> Colour:
    blue, green, red = (float(v) for v in np.clip(values, 0.0, 1.0))
    return blue, green, red


def _pick(random: np.random.Generator, options: list[_T], weights: list[float]) -> _T:
    chosen = random.choice(len(options), p=np.array(weights) / sum(weights))
    return options[int(chosen)]


def _draw_looks(random: np.random.Generator) -> Looks:
    tone = random.uniform(0, len(_SKIN_RAMP) - 1)
    rows = np.arange(len(_SKIN_RAMP))
    skin = np.array([np.interp(tone, rows, column) for column in _SKIN_RAMP.T])
    skin *= 1 + random.normal(0, 0.03, 3)
    dark_share = tone / (len(_SKIN_RAMP) - 1)
    hair_weights = [4, 4, *(3 * (1 - dark_share) * np.array([1, 1, 1, 0.7])), 1.2]
    hair = _HAIR_COLOURS[_pick(random, list(range(7)), hair_weights)]
    hair = hair * random.uniform(0.85, 1.2)
    iris_weights = [1 + 4 * dark_share, 1, 1 - dark_share, 1 - dark_share]
    iris = _IRIS_COLOURS[_pick(random, list(range(4)), iris_weights)]
    lips = skin * [0.72, 0.64, 0.86] * random.uniform(0.92, 1.05)
    return Looks(
        skin=_colour(skin),
        lips=_colour(lips),
        iris=_colour(iris),
        hair=_colour(hair),
        brows=_colour(np.minimum(0.75 * hair, 0.5 * skin)),
        cloth=_colour(random.uniform(0.05, 0.85) * random.uniform(0.55, 1.0, 3)),
        hair_style=_pick(random, list(HairStyle), [1, 2, 3, 2, 2, 3]),
        hairline=float(random.uniform(0.56, 0.68)),
        hair_volume=float(random.uniform(0.06, 0.16)),
        stubble=max(0.0, float(random.uniform(-1.2, 0.8))),
        glasses=_pick(random, list(Glasses), [7, 1.5, 1.5]),
        glasses_frame=_colour(random.uniform(0.03, 0.3) * random.uniform(0.6, 1.4, 3)),
    )


def _draw_cabin(random: np.random.Generator) -> Cabin:
    grey = random.uniform(0.15, 0.7)
    return Cabin(
        seed=int(random.integers(1 << 31)),
        trim=_colour(grey * random.uniform(0.93, 1.07, 3)),
        seat=_colour(random.uniform(0.1, 0.5) * random.uniform(0.85, 1.15, 3)),
        window_side=_pick(random, [-1, 1], [1, 1]),
        daylight=float(random.uniform(0.35, 1.0)),
    )


def _draw_light(random: np.random.Generator, window_side: int, skin: Colour) -> Light:
    direction = np.array(
        [
            window_side * random.uniform(-0.1, 0.75),
            -random.uniform(0.2, 0.7),
            random.uniform(0.75, 1.1),
        ]
    )
    x, y, z = (float(v) for v in direction / np.linalg.norm(direction))
    warmth = random.uniform(-0.1, 0.1)
    luma = float(np.dot(skin, _LUMA))
    # The camera exposes for the face, though not all the way.
    exposing = float(np.clip((0.62 / luma) ** 0.5, 0.95, 1.8))
    return Light(
        direction=(x, y, z),
        strength=float(random.uniform(0.4, 0.7)),
        exposure=float(random.uniform(0.85, 1.15)) * exposing,
        colour=(float(1 - warmth), 1.0, float(1 + warmth)),
        noise=float(random.uniform(1.2, 4.0)),
    )


def _draw_habits(random: np.random.Generator) -> Habits:
    units = len(ACTION_UNITS)
    offset = np.clip(random.exponential(0.05, units), 0, 0.22)
    offset[[ACTION_UNITS.index("AU25"), ACTION_UNITS.index("AU26")]] *= 0.4
    high_voice = random.random() < 0.5
    pitch_hz = random.uniform(165, 225) if high_voice else random.uniform(88, 140)
    scale = random.uniform(1.06, 1.2) if high_voice else random.uniform(0.9, 1.04)
    return Habits(
        rest_valence=float(random.normal(0, 0.06)),
        rest_arousal=float(random.normal(-0.05, 0.07)),
        au_offset=tuple(float(v) for v in offset),
        au_gain=tuple(float(v) for v in random.uniform(0.65, 1.2, units)),
        blinks_per_min=float(random.uniform(8, 24)),
        talkativeness=float(random.uniform(0.45, 0.9)),
        head_motion=float(random.uniform(0.5, 1.3)),
        pitch_hz=float(pitch_hz),
        formant_scale=float(scale),
        syllable_hz=float(random.uniform(3.6, 4.8)),
        road_noise=float(random.uniform(0.003, 0.012)),
    )
