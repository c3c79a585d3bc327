"""Which past faces an estimate may use, and what stands in where one is missing.

All rules look back only: what is estimated for t depends on nothing after
t − horizon.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.clips.tape import Tape
from training.clips.windows import newest_face, newest_marked
from training.recipes.capnet.config import FILL_S, CapnetTraining


@dataclass(frozen=True, slots=True)
class Windows:
    """The faces that ``B`` estimates may use, as rows of the tape."""

    faces: Tensor
    """``(B, n)`` int64, oldest first; gaps filled by the nearest earlier face."""
    complete: Tensor
    """``(B,)`` bool: no face is missing; only then ``faces`` may be read."""


def face_before(tape: Tape, rows: Tensor, ago_s: float) -> Tensor:
    """Return ``(B,)`` the newest face that is ``ago_s`` old or older, or -1."""
    wanted, inside = tape.past(rows, (ago_s,), at_least=True)
    return torch.where(inside, newest_face(tape)[wanted], -1)[:, 0]


def windows(config: CapnetTraining, tape: Tape, rows: Tensor) -> Windows:
    """Return the past faces of ``(B,)`` rows.

    A missing face is replaced by the nearest earlier one of the last ``FILL_S``.
    """
    wanted, inside = tape.past(rows, config.ago_s, at_least=True)
    found = newest_face(tape)[wanted]
    reach = torch.round(FILL_S * tape.fps[rows]).long()[:, None]
    filled = inside & (found >= 0) & (wanted - found <= reach)
    return Windows(found.clamp(min=0), filled.all(dim=1))


def answering_rows(config: CapnetTraining, tape: Tape, rows: Tensor) -> Tensor:
    """Return ``(B,)`` the row whose estimate each row gives, or -1 before the first.

    A row answers for itself when its window is complete or its newest allowed frame
    shows a face; else the estimate before it stays.
    """
    first = int(tape.start[rows].min())
    span = torch.arange(first, int(rows.max()) + 1)
    wanted, inside = tape.past(span, (config.horizon_s,), at_least=True)
    answers = torch.zeros_like(tape.present)
    answers[span] = inside[:, 0] & tape.present[wanted[:, 0]]
    answers[span] |= windows(config, tape, span).complete
    return newest_marked(tape, answers)[rows]
