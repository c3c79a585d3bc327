"""A face with its signals, by us and by the teacher."""

from __future__ import annotations

from dataclasses import dataclass

from edge_affect.model.affect import FaceSignals
from training.teachers.signals import TaughtFace


@dataclass(frozen=True, slots=True)
class Judged:
    """A face as we read it and as the teacher does."""

    ours: FaceSignals
    face: TaughtFace
    unit: str
    """The independent unit that it belongs to: the picture, or the clip."""
    t_s: float = 0.0
    """When the frame of a clip was, from its start, s."""
