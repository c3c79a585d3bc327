"""What sets the three label sets of a synthesized set apart: camera and people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.base import Renderer, Truth
from edge_affect.sources.simulated.identity import Colour

_LEVELS = np.arange(256) / 255


@dataclass(frozen=True, slots=True)
class Look:
    """What a camera makes of the light that reaches it."""

    exposure: float
    """Factor of all levels."""
    tint: tuple[float, float, float]
    """Factors of blue, green and red."""
    gamma: float
    """Exponent of the tone curve; above 1 is darker in the middle."""
    softness_px: float
    """Standard deviation of the blur; 0 is sharp."""
    noise: float
    """Sensor noise relative to the family's."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One label set's camera and the range of its people.

    The ranges overlap, so that no set is told by one property alone.
    """

    name: str
    """``VA``, ``EXPR`` or ``AU``."""
    fps: int
    """Frames per second."""
    look: Look
    skin: tuple[float, float]
    """Bounds of the brightness of the skin in shares of the family's range, from its
    darkest (0) to its lightest (1)."""
    pitch: tuple[float, float]
    """Bounds of the relaxed voice's pitch in shares of the family's range."""


POOLS = (
    Pool("VA", 30, Look(1.0, (1.0, 1.0, 1.0), 1.0, 0.0, 0.8), (0.3, 1.0), (0.0, 0.8)),
    Pool("EXPR", 25, Look(0.92, (0.8, 0.97, 1.1), 1.1, 0, 1.6), (0, 0.75), (0.2, 1.0)),
    Pool("AU", 24, Look(1.1, (1.14, 1.0, 0.88), 0.9, 0.6, 1.1), (0.1, 0.9), (0.0, 1.0)),
)
"""In the order in which clips go round."""


class PoolCamera:
    """Shows a family's pictures as a pool's camera takes them."""

    def __init__(self, renderer: Renderer, look: Look) -> None:
        self._renderer = renderer
        self._softness_px = look.softness_px
        curve = np.power(_LEVELS, look.gamma)[:, None] * look.exposure * look.tint
        table = np.rint(255 * np.clip(curve, 0, 1)).astype(np.uint8)
        self._table = table[None]

    def render(self, truth: Truth, index: int) -> NDArray[np.uint8]:
        """Return frame ``index``: ``(H, W, 3)`` uint8 BGR, newly made."""
        import cv2

        picture = self._renderer.render(truth, index)
        if self._softness_px > 0:
            soft = cv2.GaussianBlur(picture, (0, 0), self._softness_px)
            picture = np.asarray(soft, np.uint8)
        return np.asarray(cv2.LUT(picture, self._table), np.uint8)


def within(value: float, whole: tuple[float, float], part: tuple[float, float]) -> bool:
    """Return whether ``value`` lies in ``part`` of ``whole``, given in shares."""
    low, high = whole
    return part[0] <= (value - low) / (high - low) <= part[1]


def brightness(colour: Colour) -> float:
    """Return the luma of a blue, green and red reflectance."""
    blue, green, red = colour
    return 0.114 * blue + 0.587 * green + 0.299 * red
