"""What the landmarker teaches of a face: action units, eyes, mouth and head pose.

Sources, per issue of the landmarker's outputs: the mean over both sides of a
blendshape, and for AU25 the gap between the inner lips over the distance between the
eyes. Values are activations in 0–1 without calibration, no probabilities. AU6 and AU23
have no source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_affect.sensing.align import box_from_points
from training.data.signals import FACE_SIGNALS, POSE_SIGNALS
from training.teachers.landmarker import BLENDSHAPES, Landmarked, Landmarker
from training.teachers.yunet import YuNet

AU_BLENDSHAPES = MappingProxyType(
    {
        "AU1": ("browInnerUp",),
        "AU2": ("browOuterUpLeft", "browOuterUpRight"),
        "AU4": ("browDownLeft", "browDownRight"),
        "AU7": ("eyeSquintLeft", "eyeSquintRight"),
        "AU10": ("mouthUpperUpLeft", "mouthUpperUpRight"),
        "AU12": ("mouthSmileLeft", "mouthSmileRight"),
        "AU15": ("mouthFrownLeft", "mouthFrownRight"),
        "AU24": ("mouthPressLeft", "mouthPressRight"),
        "AU26": ("jawOpen",),
    }
)
"""Blendshapes whose mean is an action unit's activation."""
EYES_CLOSED = ("eyeBlinkLeft", "eyeBlinkRight")
"""Blendshapes whose mean is the closure of the eyes."""
LEAST_SCORE = 0.85
"""Pictures whose face YuNet is less sure of teach nothing."""
LEAST_FACE_PX = 96.0
"""Width of the smallest face that the landmarker teaches of."""
LEAST_PRESENCE = 0.5
"""Likelihood of a face below which the teacher is not believed."""
TOLERANCE, TOLERANCE_DEG = 0.15, 6.0
"""A signal is kept where no changed picture moves it further than this."""
_ZOOMS = (0.9, 1.1)
_LIPS = (13, 14)
"""Landmarks: the middles of the inner lips."""
_IRISES = (468, 473)
"""Landmarks: the middles of the irises."""
MIRRORED_SIGNALS = np.array(
    [-1 if n == "yaw_deg" else 1 for n in FACE_SIGNALS], np.float32
)
"""What a flip of the picture does to each signal."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What is taught of one face."""

    values: NDArray[np.float32]
    """``(13,)`` in the order of ``FACE_SIGNALS``: of the picture as it is."""
    changed: NDArray[np.float32]
    """``(3, 13)``: of the picture flipped, and of it 10 % smaller and larger."""
    presence: float
    """Least likelihood of a face that the teacher saw in the four, in [0, 1]."""

    def kept(self) -> NDArray[np.bool_]:
        """Return which signals all four agree on: ``(13,)``; none without a face."""
        apart = np.abs(self.changed - self.values).max(axis=0)
        limits = np.where(np.isin(FACE_SIGNALS, POSE_SIGNALS), TOLERANCE_DEG, TOLERANCE)
        return np.asarray((apart <= limits) & (self.presence >= LEAST_PRESENCE))


@dataclass(frozen=True, slots=True)
class TaughtFace:
    """A face of a picture, and what is taught of it."""

    picture: NDArray[np.uint8]
    """``(H, W, 3)`` BGR."""
    points: NDArray[np.float32]
    """``(5, 2)`` of YuNet."""
    signals: Signals


def taught_faces(
    root: Path, pictures: Iterable[NDArray[np.uint8]]
) -> Iterator[TaughtFace]:
    """Yield the pictures with one sure face that is large enough, and its signals.

    Args:
        root: Data root with both teachers.
        pictures: ``(H, W, 3)`` uint8 BGR each, as they were taken.

    Raises:
        DataError: A teacher is missing or cannot be read.
        MissingDependencyError: ``ai-edge-litert`` is not installed.
    """
    locator, landmarker = YuNet(root), Landmarker(root)
    for picture, points in locator.alone(pictures, LEAST_SCORE):
        if box_from_points(points)[2] < LEAST_FACE_PX:
            continue
        signals = read_signals(landmarker, picture, points)
        if signals.kept().any():
            yield TaughtFace(picture, points, signals)


def read_signals(
    landmarker: Landmarker, picture: NDArray[np.uint8], points: NDArray[np.float32]
) -> Signals:
    """Return what the landmarker teaches of a face.

    Args:
        landmarker: The teacher.
        picture: ``(H, W, 3)`` uint8 BGR, as it was taken.
        points: ``(5, 2)`` where a detector found the face.
    """
    reads = [landmarker.read(picture, points)]
    flipped = np.ascontiguousarray(picture[:, ::-1])
    there = points[[1, 0, 2, 4, 3]] * [-1, 1] + [picture.shape[1] - 1, 0]
    reads.append(landmarker.read(flipped, there.astype(np.float32)))
    for zoom in _ZOOMS:
        middle = points.mean(axis=0)
        affine = np.column_stack([zoom * np.eye(2), (1 - zoom) * middle])
        size = picture.shape[1], picture.shape[0]
        moved = cv2.warpAffine(picture, affine, size, borderMode=cv2.BORDER_REPLICATE)
        there = ((points - middle) * zoom + middle).astype(np.float32)
        reads.append(landmarker.read(np.asarray(moved, np.uint8), there))
    values, *changed = (_columns(read) for read in reads)
    changed[0] = changed[0] * MIRRORED_SIGNALS
    presence = min(read.presence for read in reads)
    return Signals(values, np.stack(changed), presence)


def _columns(read: Landmarked) -> NDArray[np.float32]:
    shapes = dict(zip(BLENDSHAPES, read.blendshapes.tolist(), strict=True))
    told = {name: _mean(shapes, parts) for name, parts in AU_BLENDSHAPES.items()}
    flat = read.landmarks[:, :2]
    eyes = float(np.hypot(*(flat[_IRISES[1]] - flat[_IRISES[0]])))
    lips = float(np.hypot(*(flat[_LIPS[1]] - flat[_LIPS[0]])))
    told["AU25"] = min(1.0, lips / max(eyes, 1e-6))
    told["eyes_closed"] = _mean(shapes, EYES_CLOSED)
    told |= {name: float(getattr(read, name)) for name in POSE_SIGNALS}
    return np.array([told[name] for name in FACE_SIGNALS], np.float32)


def _mean(shapes: dict[str, float], names: Iterable[str]) -> float:
    return float(np.mean([shapes[name] for name in names]))
