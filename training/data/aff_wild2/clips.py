"""Clips with all that is known of them, put together from the sets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError
from training.data.aff_wild2.labels import (
    Labels,
    no_labels,
    read_multi_task,
    read_uni_task,
)
from training.data.aff_wild2.layout import SPLITS, UNI_TASK_SETS, Layout, find_layout

DEFAULT_FPS = 30.0
"""Frames a second of a clip whose video is missing and whose name tells none."""
_FPS_IN_NAME = re.compile(r"-(\d{2})-\d{3,4}x\d{3,4}")
_CROP = re.compile(r"^(\d{5,})\.jpe?g$", re.IGNORECASE)


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
    root: Path, split: str, sets: Sequence[str] = (*UNI_TASK_SETS, "MTL")
) -> list[LabelledClip]:
    """Read the clips of a split with the labels of the named sets, by name.

    What several sets say of a clip is put together; where two say something of the same
    frame, the first in the order VA, EXPR, AU, MTL counts. Labels beyond the last crop
    and crops beyond the last label are cut off.

    Raises:
        DataError: The root lacks the split in every named set, or a file is wrong.
    """
    layout = find_layout(root)
    said = gather_labels(layout, split, sets)
    if not said:
        raise DataError(
            f"{root}: got no {split} part of {', '.join(sets)}; expected a folder such "
            "as VA_Estimation_Challenge/Train_Set, or MTL_Challenge/train_set.txt"
        )
    return [_clip(layout, split, name, parts) for name, parts in sorted(said.items())]


def gather_labels(
    layout: Layout, split: str, sets: Iterable[str]
) -> dict[str, list[tuple[str, Labels]]]:
    """Return for each clip which set says what.

    Raises:
        DataError: The split is none, or a file is wrong.
    """
    if split not in SPLITS:
        raise DataError(f"split: got {split!r}, expected one of {', '.join(SPLITS)}")
    said: dict[str, list[tuple[str, Labels]]] = {}
    chosen = tuple(sets)
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
    folder = layout.crops / name
    crops = crop_numbers(folder)
    labelled = max(len(labels.expression) for _, labels in parts)
    # A crop may be missing anywhere, the last ones too: labels decide, unless there
    # are more of them than the video can have.
    video = layout.video_of(name)
    frames = labelled if not len(crops) else min(labelled, int(crops.max()) + 1)
    together = no_labels(frames)
    for _, labels in parts:
        _fill(together, labels, frames)
    present = np.zeros(frames, np.bool_)
    present[crops[crops < frames]] = True
    return LabelledClip(
        name,
        tuple(kind for kind, _ in parts),
        split,
        fps_of(name, video),
        video,
        layout.sound_of(name),
        folder,
        present,
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


def crop_numbers(folder: Path) -> NDArray[np.int64]:
    """Return the 0-based frames that have a crop, by one look at the folder."""
    try:
        with os.scandir(folder) as entries:
            matches = [_CROP.match(entry.name) for entry in entries]
    except OSError:
        return np.zeros(0, np.int64)
    numbers = [int(match[1]) - 1 for match in matches if match is not None]
    return np.array(sorted(n for n in numbers if n >= 0), np.int64)


def fps_of(name: str, video: Path | None) -> float:
    """Return a clip's frames a second: the video's, else the name's, else 30.

    Raises:
        DataError: The video cannot be opened.
    """
    if video is not None:
        return _video_fps(video)
    match = _FPS_IN_NAME.search(name)
    return float(match[1]) if match is not None else DEFAULT_FPS


def _video_fps(video: Path) -> float:
    import av

    try:
        with av.open(str(video)) as container:
            rate: Fraction | None = container.streams.video[0].average_rate
    except (OSError, IndexError, av.FFmpegError) as error:
        raise DataError(f"{video}: no video that can be opened ({error})") from error
    return float(rate) if rate else DEFAULT_FPS
