"""Pictures for BYEL: grey, of 48 pixels, six basic emotions; folds for tuning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from edge_affect.errors import DataError
from training.data.diffusionfer import load_diffusionfer
from training.data.ferplus import VOTE_NAMES, load_ferplus
from training.data.root import unit_hash

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
"""The six basic classes, in the challenge's order."""
STORED_PX = 48
"""Side that every picture is brought to first: that of FER+, in every arm."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures of one kind."""

    luma: Tensor
    """``(N, 48, 48)`` uint8."""
    labels: Tensor
    """``(N,)`` int64 index in ``EMOTIONS``."""
    fold: Tensor
    """``(N,)`` float64 in [0, 1]: fixed by the picture's name."""

    def take(self, rows: Tensor) -> Pictures:
        """Return the pictures of these rows."""
        return Pictures(self.luma[rows], self.labels[rows], self.fold[rows])

    def split(self, fold: int, folds: int) -> tuple[Pictures, Pictures]:
        """Return all but the ``fold``-th part, and that part."""
        held = (self.fold * folds).long().clamp(max=folds - 1) == fold
        return self.take(torch.nonzero(~held)[:, 0]), self.take(
            torch.nonzero(held)[:, 0]
        )


def synthetic_pictures(root: Path) -> Pictures:
    """Return DiffusionFER's pictures outside the held-out part, six classes.

    Raises:
        DataError: The set is missing or damaged.
    """
    data = load_diffusionfer(root, "train")
    return _pictures(data.names, data.expressions, data.archive.read)


def real_pictures(root: Path) -> Pictures:
    """Return FER+'s ``valid`` part, six classes: for the one test at the end.

    Raises:
        DataError: The set is missing or damaged.
    """
    data = load_ferplus(root, "valid")
    names = [VOTE_NAMES[label] for label in data.labels]
    return _pictures(data.names, names, data.archive.read)


def _pictures(names: list[str], expressions: list[str], read: object) -> Pictures:
    kept = [i for i, name in enumerate(expressions) if name in EMOTIONS]
    if not kept:
        raise DataError("byel: got no picture of the six basic emotions")
    chosen = [names[i] for i in kept]
    luma: NDArray[np.uint8] = read(chosen, STORED_PX, grey=True)  # type: ignore[operator]
    labels = torch.tensor([EMOTIONS.index(expressions[i]) for i in kept])
    fold = torch.tensor([unit_hash(f"fold {name}") for name in chosen])
    return Pictures(torch.from_numpy(luma), labels, fold.double())


def enlarge(luma: Tensor, size_px: int) -> Tensor:
    """Turn ``(B, 48, 48)`` uint8 into ``(B, 1, size_px, size_px)`` float32."""
    return functional.interpolate(
        luma[:, None].float(), size=size_px, mode="bilinear", align_corners=False
    )
