"""A whole simulated driver: who, what happens, how it looks and how it sounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.base import Renderer, Script, Truth, Voice
from edge_affect.sources.simulated.casting import identity_from_seed
from edge_affect.sources.simulated.face_renderer import FaceRenderer
from edge_affect.sources.simulated.identity import Identity
from edge_affect.sources.simulated.script import SeededScript
from edge_affect.sources.simulated.voice import FormantVoice


@dataclass(frozen=True, slots=True)
class Driver:
    """The parts that a simulated source needs; each may be exchanged."""

    identity: Identity
    script: Script
    renderer: Renderer
    voice: Voice


class StillRenderer:
    """Shows the same picture for ever: for tests that need time and no face."""

    def __init__(self, picture: NDArray[np.uint8]) -> None:
        """Keep a read-only copy of ``(H, W, 3)`` uint8 BGR ``picture``."""
        self._picture: NDArray[np.uint8] = picture.copy()
        self._picture.flags.writeable = False

    def render(self, truth: Truth, index: int) -> NDArray[np.uint8]:
        """Return the picture, the same array each time."""
        del truth, index
        return self._picture


def driver_from_seed(
    seed: int, size: tuple[int, int] = (640, 480), renderer: Renderer | None = None
) -> Driver:
    """Draw a driver, whose looks and doings depend on ``seed`` alone.

    Args:
        seed: At least 0.
        size: Width and height of the pictures, pixels.
        renderer: Draws instead of the family A renderer, at a size of its own.
    """
    identity = identity_from_seed(seed)
    script = SeededScript(seed, identity)
    voice = FormantVoice(seed, identity, script)
    return Driver(identity, script, renderer or FaceRenderer(identity, size), voice)
