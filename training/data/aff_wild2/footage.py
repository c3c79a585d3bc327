"""What there is to see and hear of a clip, by one look at its folder and its video."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError, missing_dependency
from training.data.aff_wild2.layout import Layout

DEFAULT_FPS = 30.0
"""Frames a second of a clip whose video is missing and whose name tells none."""
_FPS_IN_NAME = re.compile(r"-(\d{2,3})-\d{3,4}x\d{3,4}")
# Exactly the names that a frame's number gives, so that what is seen can be opened.
_CROP = re.compile(r"(\d{5}|[1-9]\d{5})\.jpg")


@dataclass(frozen=True, slots=True)
class Footage:
    """A clip apart from its labels."""

    folder: Path
    """Folder of its crops, there or not."""
    crops: NDArray[np.int64]
    """0-based frames that have a crop, in order."""
    video: Path | None
    """The file with picture and sound; None when it is not there."""
    sound: Path | None
    """A WAV file of the video's name, when there is one."""
    fps: float
    """Frames a second."""
    fps_is_known: bool
    """Whether video or name tells ``fps``; else it is ``DEFAULT_FPS``."""
    length: int | None
    """Frames the clip can have: those of the video, and no fewer than the last crop's
    number; None when there are neither video nor crops."""

    def frames(self, rows: int) -> int:
        """Return how many of ``rows`` labels have a frame."""
        return rows if self.length is None else min(rows, self.length)

    def present(self, frames: int) -> NDArray[np.bool_]:
        """Return ``(frames,)`` whether each frame has a crop."""
        out = np.zeros(frames, np.bool_)
        out[self.crops[self.crops < frames]] = True
        return out


def look_at(layout: Layout, clip: str) -> Footage:
    """Find out what there is of a clip.

    Raises:
        DataError: Its video cannot be opened, or its folder cannot be read.
        MissingDependencyError: It has a video, and PyAV is not installed.
    """
    folder, video = layout.crops_of(clip), layout.video_of(clip)
    crops = crop_numbers(folder)
    last = int(crops[-1]) + 1 if len(crops) else 0
    rate, stated = (None, 0) if video is None else _open(video)
    rate = rate or _rate_in(clip)
    return Footage(
        folder,
        crops,
        video,
        layout.sound_of(clip),
        rate or DEFAULT_FPS,
        rate is not None,
        max(last, stated) or None,
    )


def crop_numbers(folder: Path) -> NDArray[np.int64]:
    """Return the 0-based frames that have a crop, in order, by one look at the folder.

    Raises:
        DataError: The folder is there and cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            matches = [_CROP.fullmatch(entry.name) for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return np.zeros(0, np.int64)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from error
    numbers = np.array([int(found[1]) for found in matches if found], np.int64)
    numbers.sort()
    return numbers[numbers > 0] - 1


def _rate_in(clip: str) -> float | None:
    """Return the rate in names such as ``135-24-1920x1080_right``."""
    match = _FPS_IN_NAME.search(clip)
    return (float(match[1]) or None) if match is not None else None


def _open(video: Path) -> tuple[float | None, int]:
    """Return frames a second, and how many frames the file states; 0 is not stated."""
    try:
        import av
    except ImportError as error:
        raise missing_dependency("av", "train", "reading Aff-Wild2's videos") from error
    try:
        with av.open(str(video)) as container:
            stream: Any = container.streams.video[0]
            rate, frames = stream.average_rate, stream.frames
            length_s = (container.duration or 0) / av.time_base
    except (OSError, IndexError, av.FFmpegError) as error:
        raise DataError(
            f"{video}: no video that can be opened ({error}); remove or replace it"
        ) from error
    if not rate:
        return None, frames
    return float(rate), frames or round(length_s * rate)
