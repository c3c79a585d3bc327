"""Clips with all that is known of them, put together from the sets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError
from training.data.aff_wild2.footage import look_at
from training.data.aff_wild2.labels import (
    Labels,
    no_labels,
    read_multi_task,
    read_uni_task,
)
from training.data.aff_wild2.layout import (
    EXPECTED,
    SETS,
    SPLITS,
    UNI_TASK_SETS,
    Layout,
    find_layout,
)


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """One subject in one video, ``T`` frames."""

    name: str
    """The clip, with its ``_left`` or ``_right``."""
    label_sets: tuple[str, ...]
    """Which of VA, EXPR, AU and MTL its labels came from."""
    split: str
    """``train`` or ``valid``."""
    fps: float
    """Frames a second of the video."""
    video: Path | None
    """The file with picture and sound; None when it is not there."""
    sound: Path | None
    """A WAV file of the video's name, when there is one."""
    crops: Path
    """Folder of its crops."""
    present: NDArray[np.bool_]
    """``(T,)`` whether the frame has a crop."""
    valence_arousal: NDArray[np.float32]
    """``(T, 2)`` in [-1, 1]; NaN where there is no label."""
    expression: NDArray[np.int64]
    """``(T,)`` class in Aff-Wild2's order; -1 where there is no label."""
    action_units: NDArray[np.float32]
    """``(T, 12)`` 0 or 1; NaN where there is no label."""

    def crop_path(self, index: int) -> Path:
        """Return the crop of the 0-based frame ``index``."""
        return self.crops / f"{index + 1:05}.jpg"


def load_aff_wild2(
    root: Path, split: str, sets: Sequence[str] = SETS
) -> list[LabelledClip]:
    """Read the clips of a split with the labels of the named sets, by name.

    What several sets say of a clip is put together; where two say something of the same
    frame, the first in the order VA, EXPR, AU, MTL counts. Labels beyond the video's
    last frame and frames beyond the last label are cut off; without a video the last
    crop counts as the last frame.

    Raises:
        DataError: The root lacks the split in every named set, or a file is wrong.
        MissingDependencyError: There are videos, and PyAV is not installed.
    """
    layout = find_layout(root)
    said = gather_labels(layout, split, sets)
    if not said:
        expected = " or ".join(EXPECTED[name] for name in SETS if name in sets)
        raise DataError(
            f"{root}: got no {split} part of {', '.join(sets)}; expected {expected}"
        )
    return [_clip(layout, split, name, parts) for name, parts in sorted(said.items())]


def gather_labels(
    layout: Layout, split: str, sets: Iterable[str]
) -> dict[str, list[tuple[str, Labels]]]:
    """Return for each clip which set says what.

    Raises:
        DataError: The split or a set is none, or a file is wrong.
    """
    if split not in SPLITS:
        raise DataError(f"split: got {split!r}, expected one of {', '.join(SPLITS)}")
    chosen = tuple(sets)
    for name in chosen:
        if name not in SETS:
            raise DataError(f"set: got {name!r}, expected one of {', '.join(SETS)}")
    said: dict[str, list[tuple[str, Labels]]] = {}
    for task in UNI_TASK_SETS:
        if task in chosen:
            for name, path in layout.labels.get((task, split), {}).items():
                said.setdefault(name, []).append((task, read_uni_task(path, task)))
    if "MTL" in chosen and ("MTL", split) in layout.labels:
        whole = read_multi_task(layout.labels[("MTL", split)][""])
        for name, (frames, labels) in whole.items():
            spread = _spread(frames, labels)
            said.setdefault(name, []).append(("MTL", spread))
    return said


def _spread(frames: NDArray[np.int64], labels: Labels) -> Labels:
    out = no_labels(int(frames.max()) + 1)
    out.valence_arousal[frames] = labels.valence_arousal
    out.expression[frames] = labels.expression
    out.action_units[frames] = labels.action_units
    return out


def _clip(
    layout: Layout, split: str, name: str, parts: list[tuple[str, Labels]]
) -> LabelledClip:
    footage = look_at(layout, name)
    frames = footage.frames(max(len(labels.expression) for _, labels in parts))
    together = no_labels(frames)
    for _, labels in parts:
        _fill(together, labels, frames)
    return LabelledClip(
        name,
        tuple(kind for kind, _ in parts),
        split,
        footage.fps,
        footage.video,
        footage.sound,
        footage.folder,
        footage.present(frames),
        together.valence_arousal,
        together.expression,
        together.action_units,
    )


def _fill(out: Labels, more: Labels, frames: int) -> None:
    n = min(frames, len(more.expression))
    for held, new in (
        (out.valence_arousal, more.valence_arousal),
        (out.action_units, more.action_units),
    ):
        held[:n] = np.where(np.isnan(held[:n]), new[:n], held[:n])
    unknown = out.expression[:n] < 0
    out.expression[:n][unknown] = more.expression[:n][unknown]
