"""Labelled clips as feature vectors per frame: what the recipes train on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ClipFeatures:
    """One clip of ``T`` frames, as frozen backbones saw and heard it."""

    name: str
    """Name of the clip, with its ``_left`` or ``_right``."""
    label_sets: tuple[str, ...]
    """Which of VA, EXPR, AU and MTL its labels came from."""
    fps: float
    """Frames a second."""
    face: Floats
    """``(T, Dv)`` features of the face; 0 where none was found."""
    present: NDArray[np.bool_]
    """``(T,)`` whether a face was found."""
    sound: Floats
    """``(T, Da)`` newest feature of the sound that ended by the frame's time."""
    valence_arousal: Floats
    """``(T, 2)`` in [-1, 1]; NaN where there is no label."""
    expression: NDArray[np.int64]
    """``(T,)`` class in Aff-Wild2's order; -1 where there is no label."""
    action_units: Floats
    """``(T, 12)`` 0 or 1 in Aff-Wild2's order; NaN where there is no label."""
