"""Faces to paste into scenes: photographs, drawn people and the simulated driver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_affect.sensing.align import box_from_points
from edge_affect.sources.simulated import driver_from_seed
from training.data.diffusionfer import load_diffusionfer
from training.data.photos import load_photos
from training.data.root import names_of
from training.engine.cache import Arrays, cached, file_key, settings_key
from training.engine.progress import progress
from training.teachers.yunet import MODEL, YuNet

SIDE_PX = 256
"""Side of the squares that pictures are kept in, at their upper left."""
LEAST_SCORE = 0.85
"""A picture whose face YuNet is less sure of is left out."""
LEAST_WIDTH_PX = 48
"""A smaller face has nothing to shrink."""
DRIVERS, LOOKS = 400, 3
"""Simulated drivers, and pictures of each."""
_FIRST_SEED = 910_000
"""Of the drivers; far from those of any other set."""


@dataclass(frozen=True, slots=True)
class Faces:
    """Pictures with one face each."""

    pictures: NDArray[np.uint8]
    """``(N, 256, 256)`` luma; what lies beyond a smaller picture is 0."""
    sizes: NDArray[np.int64]
    """``(N, 2)``: width and height of each picture, px."""
    points: NDArray[np.float32]
    """``(N, 5, 2)`` picture pixels, as YuNet gave them."""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.pictures)


def load_faces(root: Path, cache: Path, part: str) -> Faces:
    """Return the faces of ``part``, found by YuNet once and kept in ``cache``.

    Args:
        root: Data root with ``photos``, ``diffusionfer`` and the detector.
        cache: Folder to keep them in.
        part: ``train``, ``dev`` (to select by) or ``valid`` (photographs held out).

    Raises:
        DataError: A set or the detector is missing or cannot be read.
    """
    key = settings_key(
        file_key(root / MODEL), LEAST_SCORE, LEAST_WIDTH_PX, DRIVERS, LOOKS, "steady"
    )

    def make() -> Arrays:
        shown = progress(_originals(root, part), f"faces, {part}")
        found = mark_faces(root, shown)
        return {name: getattr(found, name) for name in Faces.__slots__}

    stored = cached(cache / f"faces-{part}-{key}.npz", make)
    return Faces(stored["pictures"], stored["sizes"], stored["points"])


def mark_faces(root: Path, originals: Iterable[NDArray[np.uint8]]) -> Faces:
    """Return the pictures that show exactly one sure face, with YuNet's points.

    Args:
        root: Data root with the detector.
        originals: ``(H, W, 3)`` uint8 BGR each.

    Raises:
        DataError: The detector is missing or cannot be read.
    """
    pictures, sizes, points = [], [], []
    for picture, found in YuNet(root).alone(originals, LEAST_SCORE):
        height, width = picture.shape[:2]
        shrink = min(1.0, SIDE_PX / max(height, width))
        if box_from_points(found)[2] * shrink < LEAST_WIDTH_PX:
            continue
        size = round(width * shrink), round(height * shrink)
        square = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        square[: size[1], : size[0]] = cv2.resize(
            grey, size, interpolation=cv2.INTER_AREA
        )
        pictures.append(square)
        sizes.append(size)
        points.append((found + 0.5) * shrink - 0.5)
    return Faces(
        np.array(pictures, np.uint8).reshape(-1, SIDE_PX, SIDE_PX),
        np.array(sizes, np.int64).reshape(-1, 2),
        np.array(points, np.float32).reshape(-1, 5, 2),
    )


def _originals(root: Path, part: str) -> Iterator[NDArray[np.uint8]]:
    if part == "valid":
        photos = load_photos(root, "valid")
        yield from photos.archive.originals(photos.names)
        return
    for read in (load_photos(root, "train"), load_diffusionfer(root, "train")):
        yield from read.archive.originals(names_of(read.names, part))
    if part == "train":
        yield from _drivers()


def _drivers() -> Iterator[NDArray[np.uint8]]:
    for seed in range(_FIRST_SEED, _FIRST_SEED + DRIVERS):
        driver = driver_from_seed(seed, (320, 240))
        for look in range(LOOKS):
            truth = driver.script.truth_at((3 + 7 * look) * 1_000_000_000)
            yield driver.renderer.render(truth, look)
