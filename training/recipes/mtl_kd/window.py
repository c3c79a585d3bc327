"""What the network is given of a frame: six faces of two seconds, ten of sound."""

from __future__ import annotations

import torch
from torch import Tensor

from training.clips.tape import Tape
from training.clips.windows import newest_face

FACES_AGO_S = tuple((5 - face) / 3 for face in range(6))
"""When the six faces were taken, in seconds before the frame; the last is its own."""
SOUND_STEP_S = 0.5
"""Seconds between two sound features that are averaged."""


def has_all_faces(tape: Tape, rows: Tensor) -> Tensor:
    """Return ``(B,)`` bool: whether all six faces of the window were found."""
    wanted, inside = tape.past(rows, FACES_AGO_S)
    return (inside & tape.present[wanted]).all(dim=1)


def see(tape: Tape, rows: Tensor) -> Tensor:
    """Return the ``(B, 6, Dv)`` features of the faces, oldest first.

    For a face that was not found the nearest earlier one of the clip stands in; where
    there is none, the window's oldest. Without any face the features are 0.
    """
    newest = newest_face(tape)[tape.past(rows, FACES_AGO_S)[0]]
    found = newest >= 0
    first = found.long().argmax(dim=1, keepdim=True)
    filled = torch.where(found, newest, newest.gather(1, first))
    return tape.face[filled] * (filled >= 0)[..., None]


def hear(tape: Tape, rows: Tensor, past_s: float) -> Tensor:
    """Return the ``(B, Da)`` mean of the sound features of the ``past_s`` before.

    It runs over what the clip has of them, every ``SOUND_STEP_S``, the newest included.
    """
    steps = max(1, round(past_s / SOUND_STEP_S))
    wanted, inside = tape.past(rows, [step * SOUND_STEP_S for step in range(steps)])
    weight = inside.float() / inside.sum(dim=1, keepdim=True)
    return torch.einsum("bs,bsd->bd", weight, tape.sound[wanted])
