"""All clips of a part laid end to end, and windows of their past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edge_affect.errors import DataError
from training.challenge import Labels
from training.data.aff_wild2.layout import UNI_TASK_SETS
from training.engine.cache import content_key
from training.features.clips import ClipFeatures


@dataclass(frozen=True, slots=True)
class Tape:
    """``N`` frames of many clips, one after the other. A row is a frame."""

    names: tuple[str, ...]
    """Name of each clip."""
    clip: Tensor
    """``(N,)`` int64: index of the frame's clip in ``names``."""
    start: Tensor
    """``(N,)`` int64: row of the first frame of the frame's clip."""
    fps: Tensor
    """``(N,)`` float64: frames a second of the frame's clip."""
    label_set: Tensor
    """``(N,)`` int64: uni-task set of the clip in ``UNI_TASK_SETS``; -1 for none."""
    face: Tensor
    """``(N, Dv)`` float32; 0 where no face was found."""
    present: Tensor
    """``(N,)`` bool: whether a face was found."""
    sound: Tensor
    """``(N, Da)`` float32: newest feature that ended by the frame's time."""
    valence_arousal: Tensor
    """``(N, 2)`` float32; NaN where there is no label."""
    expression: Tensor
    """``(N,)`` int64; -1 where there is no label."""
    action_units: Tensor
    """``(N, 12)`` float32; NaN where there is no label."""

    @classmethod
    def join(cls, clips: Sequence[ClipFeatures]) -> Tape:
        """Lay ``clips`` end to end.

        Raises:
            DataError: There is none.
        """
        if not clips:
            raise DataError(
                "clips: got none; expected some with labels of this recipe; look at "
                "the data with: python -m training validate"
            )
        lengths = torch.tensor([len(c.present) for c in clips])
        index = torch.repeat_interleave(torch.arange(len(clips)), lengths)
        starts = torch.cumsum(lengths, 0) - lengths

        def joined(field: str) -> Tensor:
            return torch.from_numpy(np.concatenate([getattr(c, field) for c in clips]))

        return cls(
            names=tuple(c.name for c in clips),
            clip=index,
            start=starts[index],
            fps=torch.tensor([c.fps for c in clips], dtype=torch.float64)[index],
            label_set=torch.tensor([_uni_task_set(c) for c in clips])[index],
            face=joined("face"),
            present=joined("present"),
            sound=joined("sound"),
            valence_arousal=joined("valence_arousal"),
            expression=joined("expression"),
            action_units=joined("action_units"),
        )

    def digest(self) -> str:
        """Return a short digest of the clips, their labels and their features."""
        return content_key(self)

    def past(
        self, rows: Tensor, ago_s: Sequence[float], *, at_least: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return the rows that lay ``ago_s`` before each of ``rows`` in its clip.

        Args:
            rows: ``(B,)`` int64.
            ago_s: ``n`` seconds, 0 or more.
            at_least: Whether the frame is the newest one that is as old, or older;
                else it is the nearest one, which may be half a frame younger.

        Returns:
            ``(B, n)`` int64 rows, those before the clip's start replaced by its first,
            and ``(B, n)`` bool: whether they lay in the clip.
        """
        ago = torch.tensor(list(ago_s), dtype=torch.float64)
        frames = ago[None] * self.fps[rows][:, None]
        # A third of a second at 30 a second is 10 frames, though floats say 10.0000001.
        back = torch.ceil(frames - 1e-6) if at_least else torch.round(frames)
        back = back.long()
        wanted = rows[:, None] - back
        start = self.start[rows][:, None]
        return torch.maximum(wanted, start), wanted >= start

    def labels(self, rows: Tensor) -> Labels:
        """Return what is true of ``(B,)`` rows, as numpy arrays."""
        return Labels(
            self.valence_arousal[rows].numpy(),
            self.expression[rows].numpy(),
            self.action_units[rows].numpy(),
        )

    def labelled(self, task: str) -> Tensor:
        """Return the rows with a label of ``task``: VA, EXPR, AU, or MTL for all three.

        Raises:
            KeyError: There is no such task.
        """
        known = {
            "VA": ~torch.isnan(self.valence_arousal).any(dim=1),
            "EXPR": self.expression >= 0,
            "AU": ~torch.isnan(self.action_units).any(dim=1),
        }
        known["MTL"] = known["VA"] & known["EXPR"] & known["AU"]
        return torch.nonzero(known[task])[:, 0]


def _uni_task_set(clip: ClipFeatures) -> int:
    for index, name in enumerate(UNI_TASK_SETS):
        if name in clip.label_sets:
            return index
    return -1
