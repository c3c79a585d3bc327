"""Pictures for BYEL: grey, of 48 pixels, six basic emotions; folds for tuning."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from edge_affect.errors import DataError
from edge_affect.labels import EXPRESSIONS
from training.data.aff_wild2 import load_aff_wild2, read_crops
from training.data.diffusionfer import load_diffusionfer
from training.data.ferplus import VOTE_NAMES, load_ferplus
from training.data.root import unit_hash

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
"""The six basic classes, in the challenge's order."""
SOURCES = ("diffusionfer", "aff_wild2")
"""Sets of drawn faces: one of single pictures, one of frames."""
MOST_STILLS = 20_000
"""Frames taken of ``aff_wild2``, spread over its clips by a hash of their names."""
_EMOTION_OF = {name: index for index, name in enumerate(EMOTIONS)}
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


def synthetic_pictures(root: Path, source: str = "diffusionfer") -> Pictures:
    """Return drawn faces of six classes.

    Args:
        root: Folder of the public sets, or Aff-Wild2's layout.
        source: ``diffusionfer``, outside the held-out part; or ``aff_wild2``, at most
            20,000 frames of its training part, such as family A of the simulated
            driver.

    Raises:
        DataError: The set is missing or damaged.
    """
    if source == "aff_wild2":
        return _stills(root)
    data = load_diffusionfer(root, "train")
    return _pictures(data.names, data.expressions, data.archive.read)


def _stills(root: Path) -> Pictures:
    clips = load_aff_wild2(root, "train", ("EXPR", "MTL"))
    emotion = np.array([_EMOTION_OF.get(name, -1) for name in EXPRESSIONS])
    # The last class is for -1: a frame without a label is of no emotion.
    emotion = np.append(emotion, -1)
    frames = [
        (clip, int(row))
        for clip in clips
        for row in np.flatnonzero(clip.present & (emotion[clip.expression] >= 0))
    ]
    frames.sort(key=lambda frame: unit_hash(f"{frame[0].name} {frame[1]}"))
    chosen = sorted(frames[:MOST_STILLS], key=lambda frame: (frame[0].name, frame[1]))
    if not chosen:
        raise DataError(
            f"{root}: got no frame of the six basic emotions with a crop; expected "
            "EXPR or MTL labels of the training part"
        )
    luma, labels, folds = [], [], []
    for name, group in itertools.groupby(chosen, key=lambda frame: frame[0].name):
        same = list(group)
        clip, rows = same[0][0], np.array([row for _, row in same])
        luma += [
            cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
            for crop in read_crops(clip, rows, STORED_PX)
        ]
        labels += emotion[clip.expression[rows]].tolist()
        # Frames of a clip are alike: they go to one fold together.
        folds += [unit_hash(f"fold {name}")] * len(rows)
    return Pictures(
        torch.from_numpy(np.stack(luma)),
        torch.tensor(labels),
        torch.tensor(folds).double(),
    )


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
