"""Family B's light: a wandering sky and what passes by, and the camera's tone curve."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.synthetic.family_b.person import Light, Looks, Person, Reflectance

_LIGHT = 93
_TABLE_TOP = 2.0
"""Light that the tone curve's table ends with."""
_TABLE = 2048
_WHITE = 1.6
"""Light that becomes white."""
_SHININESS = 18
_AMBIENT = 0.42

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Moment:
    """The light at one instant."""

    towards: NDArray[np.float32]
    """``(3,)`` unit vector to the directed light: right, down, to the camera."""
    directed: NDArray[np.float32]
    """``(3,)`` strength of the directed light, BGR."""
    ambient: NDArray[np.float32]
    """``(3,)`` strength of the light from above, BGR; half of it comes from below."""


class Lighting:
    """The light of one drive at any time."""

    def __init__(self, light: Light, seed: int) -> None:
        random = np.random.default_rng([seed, _LIGHT])
        self._light = light
        self._pace_hz = random.uniform(0.03, 0.2, 3)
        self._phase = random.uniform(0, 2 * np.pi, 4)
        self._tint = 1 + light.warmth * np.array([-1.0, 0.0, 1.0])

    def at(self, t_s: float) -> Moment:
        """Return the light ``t_s`` after the clip's start."""
        light = self._light
        sway = light.sway * np.sin(2 * np.pi * self._pace_hz * t_s + self._phase[:3])
        # A pole's shadow or a lamp comes from the front and is gone in half a second.
        turn = (light.passing_hz * t_s + self._phase[3]) % 1 / light.passing_hz
        passing = np.exp(-(((turn - 1.0) / 0.25) ** 2))
        azimuth = light.azimuth + sway[0] + 0.5 * passing * np.sign(light.azimuth)
        elevation = light.elevation + 0.5 * sway[1]
        towards = np.array(
            [
                np.sin(azimuth) * np.cos(elevation),
                -np.sin(elevation),
                np.cos(azimuth) * np.cos(elevation),
            ],
            np.float32,
        )
        change = 1 + light.passing * passing + 0.08 * sway[2]
        return Moment(
            towards,
            np.asarray(light.key * change * self._tint, np.float32),
            np.asarray(_AMBIENT * (0.5 + 0.5 * change) / self._tint, np.float32),
        )


def shaded(colour: Floats, normals: Floats, moment: Moment, shine: float) -> Floats:
    """Return ``(P, 3)`` light from places of colour and normal (Blinn–Phong).

    Args:
        colour: ``(P, 3)`` linear reflectance, BGR.
        normals: ``(P, 3)`` unit vectors.
        moment: The light.
        shine: Strength of the highlights.
    """
    facing = np.maximum(normals @ moment.towards, 0)
    sky = 0.75 - 0.25 * normals[:, 1]
    half = moment.towards + np.array([0, 0, 1], np.float32)
    glint = np.maximum(normals @ (half / np.float32(np.linalg.norm(half))), 0)
    # Four squarings: x ** 16 without a power's price.
    for _ in range(4):
        glint = glint * glint
    light = facing[:, None] * moment.directed + sky[:, None] * moment.ambient
    gloss = np.float32(0.16 * shine) * glint
    return np.asarray(colour * light + gloss[:, None] * moment.directed, np.float32)


def flat_light(colour: Reflectance, moment: Moment, share: float) -> Reflectance:
    """Return the light from a surface that faces the camera, times ``share``."""
    light = 0.7 * moment.directed + moment.ambient
    blue, green, red = (share * light * np.array(colour)).tolist()
    return blue, green, red


class Tone:
    """Turns light into levels: exposed for the face, shoulders bent, then gamma."""

    def __init__(self, person: Person) -> None:
        light = np.linspace(0, _TABLE_TOP, _TABLE) * _exposure(person.looks)
        bent = light * (1 + light / _WHITE**2) / (1 + light)
        levels = 255 * np.clip(1.45 * bent, 0, 1) ** (1 / 2.2)
        self._table = np.rint(levels).astype(np.uint8)

    def levels(self, light: Floats) -> NDArray[np.uint8]:
        """Return uint8 levels of linear light, of any shape."""
        at = np.minimum(light * np.float32((_TABLE - 1) / _TABLE_TOP), _TABLE - 1)
        return np.asarray(self._table[at.astype(np.int16)])

    def colour(self, light: Reflectance) -> tuple[float, float, float]:
        """Return the levels of one colour's light, to draw with."""
        blue, green, red = self.levels(np.array(light, np.float32)).tolist()
        return blue, green, red


def _exposure(looks: Looks) -> float:
    luma = float(np.dot(looks.skin, (0.114, 0.587, 0.299)))
    return float(np.clip((0.45 / luma) ** 0.55, 0.8, 2.2))


class Sensor:
    """Adds what the sensor does: shot and row noise, and the lens's dark corners."""

    def __init__(self, person: Person, size: tuple[int, int], strength: float) -> None:
        """Draw the noise once; frames use pieces of it.

        Args:
            person: Whose camera it is.
            size: Width and height of the pictures, pixels.
            strength: Factor of the noise.
        """
        camera = person.camera
        self._seed = person.seed
        random = np.random.default_rng([person.seed, _LIGHT, 1])
        width, height = size
        x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
        fall = 1 - camera.vignette * (x * x + y * y) / 2
        self._fall = np.repeat(np.rint(255 * fall).astype(np.uint8)[..., None], 3, 2)
        noise = random.standard_normal((height + 64, width + 64, 3)) * 64
        self._noise = np.rint(np.clip(noise, -300, 300)).astype(np.int16)
        root = np.sqrt((np.arange(256) + 4) / 255) * camera.shot * strength * 4
        self._sigma = np.rint(root).astype(np.int16)[None]
        self._rows = camera.rows * strength

    def expose(self, picture: NDArray[np.uint8], index: int) -> NDArray[np.uint8]:
        """Return frame ``index`` as the sensor gives it, newly made."""
        random = np.random.default_rng([self._seed, _LIGHT, 2, index])
        height, width = picture.shape[:2]
        top, left = random.integers(0, 64, 2).tolist()
        dimmed = cv2.multiply(picture, self._fall, scale=1 / 255)
        sigma = cv2.LUT(dimmed, self._sigma)
        noise = self._noise[top : top + height, left : left + width]
        noise = np.asarray(cv2.multiply(sigma, noise, scale=1 / 256), np.int16)
        rows = np.rint(random.normal(0, self._rows, (height, 1, 1))).astype(np.int16)
        return np.asarray(cv2.add(dimmed, noise + rows, dtype=cv2.CV_8U), np.uint8)
