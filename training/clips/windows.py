"""Windows of features around frames of a tape: what sequence networks are given."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training.clips.tape import Tape


def past_times(
    frames: int, spacing_s: float, newest_s: float = 0.0
) -> tuple[float, ...]:
    """Return how long ago each of ``frames`` frames was, oldest first.

    Args:
        frames: Number of them.
        spacing_s: Seconds between two.
        newest_s: Age of the last one; 0 is now.
    """
    return tuple(newest_s + (frames - 1 - i) * spacing_s for i in range(frames))


def newest_marked(tape: Tape, marked: Tensor) -> Tensor:
    """Return ``(N,)`` the newest row by each row that is ``marked``, or -1.

    Args:
        tape: Clips laid end to end; what lies in an earlier clip does not count.
        marked: ``(N,)`` bool.
    """
    rows = torch.arange(len(marked))
    newest = torch.where(marked, rows, -1).cummax(dim=0).values
    return torch.where(newest >= tape.start, newest, -1)


def newest_face(tape: Tape) -> Tensor:
    """Return ``(N,)`` the row of the newest face by each row in its clip, or -1."""
    return newest_marked(tape, tape.present)


def window_rows(
    tape: Tape, rows: Tensor, ago_s: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Return the rows ``ago_s`` before each of ``rows``, kept inside its clip.

    Args:
        tape: The clips.
        rows: ``(B,)`` int64.
        ago_s: ``T`` seconds; less than 0 is later.

    Returns:
        ``(B, T)`` int64 rows, those beyond an end of the clip replaced by the row at
        that end, and ``(B, T)`` bool: whether they lay in the clip.
    """
    index, inside = tape.past(rows, ago_s)
    # Clips lie in the order of their numbers.
    last = torch.searchsorted(tape.clip, tape.clip[rows], right=True)[:, None] - 1
    return torch.minimum(index, last), inside & (index <= last)


def features_at(features: Tensor, index: Tensor, inside: Tensor) -> Tensor:
    """Return ``(B, T, D)`` of ``(N, D)`` features; 0 where a row is not ``inside``."""
    return features[index] * inside[..., None]


def rows_of_another_clip(tape: Tape, index: Tensor) -> Tensor:
    """Return for ``(B, T)`` rows those as far into the next clip, which goes round.

    The control for sound: as natural as the clip's own, and about something else.
    """
    starts = torch.unique_consecutive(tape.start)
    ends = torch.cat([starts[1:], torch.tensor([len(tape.start)])])
    other = (tape.clip[index] + 1) % len(starts)
    into = index - tape.start[index]
    rows: Tensor = starts[other] + into % (ends - starts)[other]
    return rows
