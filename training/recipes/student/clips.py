"""Labelled clips as the students of voice and affect take them: cells and hops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError
from edge_affect.labels import EXPRESSIONS
from training.composed.compose import CELL_HZ, HOP_S, Sequence
from training.data.aff_wild2 import LabelledClip
from training.features.clips import ClipFeatures
from training.models.face import FACE_EXPRESSIONS
from training.targets.folder import TargetFolder
from training.targets.label import clip_part
from training.targets.soft_targets import clip_digest

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
_HAIR = 1e-6
"""Frames: what floats may sit beside a time that frame and hop share."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a teacher says of a clip's ``T`` frames; NaN where it says nothing."""

    expression: Floats
    """``(T, K)`` logits in the teacher's order."""
    affect: Floats
    """``(T, 2)`` valence and arousal."""

    def at(self, rows: Rows) -> Told:
        """Return what it says of ``rows``; nothing of those below 0."""
        known = (rows >= 0)[:, None]
        return Told(
            np.where(known, self.expression[rows], np.float32(np.nan)),
            np.where(known, self.affect[rows], np.float32(np.nan)),
        )


def read_told(
    targets: TargetFolder, split: str, clip: ClipFeatures | LabelledClip
) -> Told:
    """Return what the teacher says of a clip.

    Raises:
        DataError: The clip was not labelled, or the teacher says nothing of valence,
            arousal or expression.
    """
    found = targets.read(clip_part(split, clip.name), clip_digest(clip))
    if found.expression is None and found.valence_arousal is None:
        raise DataError(
            f"{targets.path}: got a teacher ({targets.teacher}) without valence, "
            "arousal and expression, expected one with either"
        )
    count = len(found.names)
    return Told(
        _or_nothing(found.expression, count, len(targets.teacher.classes)),
        _or_nothing(found.valence_arousal, count, 2),
    )


def _or_nothing(values: Floats | None, count: int, width: int) -> Floats:
    return np.full((count, width), np.nan, np.float32) if values is None else values


def cell_of_frames(count: int, fps: float) -> Rows:
    """Return ``(count,)`` the cell that each frame falls in, the first one mid-cell."""
    cells = np.floor(np.arange(count) * CELL_HZ / fps + 0.5 + _HAIR)
    return cells.astype(np.int64)


def frame_of_cells(count: int, fps: float) -> Rows:
    """Return the newest of ``count`` frames in or before each cell."""
    cells = cell_of_frames(count, fps)
    wanted = np.arange(cells[-1] + 1)
    return np.searchsorted(cells, wanted, side="right").astype(np.int64) - 1


def frame_of_hops(hops: int, count: int, fps: float) -> Rows:
    """Return the newest of ``count`` frames by each hop's end; -1 after the last."""
    ends = (np.arange(hops) + 1) * HOP_S * fps
    rows = np.floor(ends + _HAIR).astype(np.int64)
    return np.where(rows < count, rows, -1)


def to_sequence(clip: ClipFeatures) -> Sequence:
    """Lay a clip's frames on the grid of cells; a label holds until the next frame."""
    count = len(clip.present)
    frame = frame_of_cells(count, clip.fps)
    is_its_own = cell_of_frames(count, clip.fps)[frame] == np.arange(len(frame))
    return Sequence(
        clip.face[frame],
        is_its_own & clip.present[frame],
        voice_hops(clip),
        class_shares(clip.expression[frame]),
        clip.valence_arousal[frame],
    )


def voice_hops(clip: ClipFeatures) -> Floats:
    """Return ``(hops, E)`` voice embeddings, taken from the frames that first have one.

    A frame has the newest hop that ended by its time, so above 10 frames a second no
    hop is lost.
    """
    count = len(clip.present)
    hops = int((count - 1) / clip.fps / HOP_S + _HAIR)
    if hops == 0:
        return np.zeros((1, clip.sound.shape[1]), np.float32)
    rows = np.ceil((np.arange(hops) + 1) * HOP_S * clip.fps - _HAIR).astype(np.int64)
    return np.asarray(clip.sound[np.minimum(rows, count - 1)], np.float32)


def class_shares(expression: Rows) -> Floats:
    """Return ``(T, K)`` over our classes, zeros for no label and for ``other``."""
    table = np.zeros((len(EXPRESSIONS) + 1, len(FACE_EXPRESSIONS)), np.float32)
    for index, name in enumerate(EXPRESSIONS):
        if name in FACE_EXPRESSIONS:
            table[index, FACE_EXPRESSIONS.index(name)] = 1
    # -1, no label, is the table's last row.
    return table[expression]
