"""What the parts of the simulated driver promise each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import ACTION_UNITS


def _no_action_units() -> Mapping[str, float]:
    return dict.fromkeys(ACTION_UNITS, 0.0)


@dataclass(frozen=True, slots=True)
class Truth:
    """The driver's true state at one instant; the defaults are a person at rest."""

    valence: float = 0.0
    """In [-1, 1], unpleasant to pleasant."""
    arousal: float = 0.0
    """In [-1, 1], calm to excited."""
    expression: str = "neutral"
    """One of ``labels.EXPRESSIONS``."""
    action_units: Mapping[str, float] = field(default_factory=_no_action_units)
    """Activation in [0, 1] of every unit of ``labels.ACTION_UNITS``, as it shows:
    the person's neutral offset, the effect of affect and that of speech."""
    eyes_closed: float = 0.0
    """In [0, 1], open to shut."""
    yaw_deg: float = 0.0
    """Turn of the head relative to the camera; positive: to the picture's right."""
    pitch_deg: float = 0.0
    """Nod of the head relative to the camera; positive: up."""
    roll_deg: float = 0.0
    """Tilt of the head relative to the camera; positive: clockwise in the picture."""
    speaking: bool = False
    """Whether the driver is in the middle of an utterance."""
    mouth_opening: float = 0.0
    """In [0, 1]: how far speech opens the mouth, whatever affect does to it."""
    vocal_effort: float = 0.0
    """In [-1, 1]: what pitch, loudness and rhythm follow, partly arousal."""


class Script(Protocol):
    """Knows the driver's state at every instant."""

    def truth_at(self, t_ns: int) -> Truth:
        """Return the state ``t_ns`` after the start, whatever was asked before."""


class Renderer(Protocol):
    """Draws the driver as the camera sees it."""

    def render(self, truth: Truth, index: int) -> NDArray[np.uint8]:
        """Return frame ``index``: ``(H, W, 3)`` uint8 BGR, never written to again."""


class Voice(Protocol):
    """Makes the sound that the microphone hears."""

    def samples(self, start: int, count: int) -> NDArray[np.float32]:
        """Return samples ``start`` to ``start + count``, newly made.

        Returns:
            ``(count,)`` float32 in [-1, 1] at 16 kHz; the same to the bit however
            the sound is cut.
        """
