"""Frames of clips, and what a locator finds in them beside YuNet at full size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.progress import Progress
from edge_affect.sensing.align import box_from_points
from edge_affect.sensing.faces import overlap
from edge_affect.sensing.locator import Locator
from edge_affect.types import Frame
from training.scenes.faces import LEAST_SCORE
from training.scenes.matches import Matches, match_faces
from training.teachers import yunet

_FILMS = (".mpg", ".mp4", ".mov", ".jpg")
_EVERY = 5
"""Every so many frames of a clip one is looked at."""
_LEAST_SHARE = 24 / 320
"""Least width of a face in a clip, as a share of the frame's: 24 px when searched."""
_NEAR = 0.2
"""Overlap with a face that YuNet is unsure of, from which a find is not judged."""


@dataclass(frozen=True, slots=True)
class ClipFrame:
    """One frame, and its truth."""

    clip: str
    """Name of the file."""
    picture: NDArray[np.uint8]
    """``(H, W, 3)`` BGR."""
    marks: list[yunet.Marks]
    """What YuNet finds at full size."""


def read_clips(data: Path, progress: Progress) -> list[ClipFrame]:
    """Return some frames of every clip, and what YuNet finds in them at full size."""
    paths = list_clips(data)
    teacher = yunet.YuNet(data)
    return [
        ClipFrame(path.name, picture, teacher.marks(picture))
        for path in progress.track(paths, len(paths), "clips")
        for _, picture in islice(frames_of(path), 0, None, _EVERY)
    ]


def list_clips(data: Path) -> list[Path]:
    """Return the clips and pictures of a data root's folder ``clips``."""
    files = (data / "clips").glob("*.*")
    return sorted(path for path in files if path.suffix in _FILMS)


def frames_of(path: Path) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yield a clip's frames and when they are: s from its start, ``(H, W, 3)`` BGR."""
    film = cv2.VideoCapture(str(path))
    rate_hz = film.get(cv2.CAP_PROP_FPS) or 1.0  # a picture has none
    try:
        number = 0
        while film.grab():
            yield number / rate_hz, np.asarray(film.retrieve()[1], np.uint8)
            number += 1
    finally:
        film.release()


def match_clip_frame(locator: Locator, frame: ClipFrame) -> Matches:
    """Return what a locator finds in a frame of a clip, beside YuNet.

    A face that YuNet is not sure of, or a small one, counts neither way.
    """
    least_px = _LEAST_SHARE * frame.picture.shape[1]
    truth, unsure = [], []
    for mark in frame.marks:
        box = box_from_points(mark.points)
        if mark.score >= LEAST_SCORE and box[2] >= least_px:
            truth.append(mark.points)
        else:
            unsure.append(box)
    found = [
        face
        for face in locator.locate(Frame(frame.picture, 0, 0, index=0))
        if all(overlap(face.box, box) < _NEAR for box in unsure)
    ]
    return match_faces(found, np.array(truth, np.float32).reshape(-1, 5, 2))
