"""Picture sets as the face network sees them: what a teacher is asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError, UsageError
from edge_affect.sensing.align import affine_from_face
from edge_affect.sensing.locator import HaarLocator
from edge_affect.types import Frame
from training.data.diffusionfer import load_diffusionfer
from training.data.ferplus import load_ferplus
from training.data.folders import PICTURE_SUFFIXES
from training.data.photos import load_photos
from training.data.root import read_picture, to_square
from training.recipes.face import TRAIN_PX


@dataclass(frozen=True, slots=True)
class Pictures:
    """The training part of a set."""

    names: tuple[str, ...]
    """File names inside the set."""
    luma: NDArray[np.uint8]
    """``(N, 56, 56)``."""


def _ferplus(root: Path) -> Pictures:
    data = load_ferplus(root, "train")
    return Pictures(
        tuple(data.names), data.archive.read(data.names, TRAIN_PX, grey=True)
    )


def _diffusionfer(root: Path) -> Pictures:
    data = load_diffusionfer(root, "train")
    return Pictures(
        tuple(data.names), data.archive.read(data.names, TRAIN_PX, grey=True)
    )


def _photos(root: Path) -> Pictures:
    data = load_photos(root, "train")
    return located(data.names, data.archive.originals(data.names))


def located(names: list[str], originals: Iterator[NDArray[np.uint8]]) -> Pictures:
    """Return the surest face of each ``(H, W, 3)`` BGR picture that shows one."""
    locator = HaarLocator()
    kept, faces = [], []
    for name, picture in zip(names, originals, strict=True):
        frame = Frame(picture, 0, 0, 0)
        found = locator.locate(frame)
        if found:
            affine = affine_from_face(found[0], TRAIN_PX)
            kept.append(name)
            faces.append(frame.crop(affine, (TRAIN_PX, TRAIN_PX), channels=1))
    nothing = np.zeros((0, TRAIN_PX, TRAIN_PX), np.uint8)
    return Pictures(tuple(kept), np.stack(faces) if faces else nothing)


def _folder(folder: Path) -> Pictures:
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES)
    if not paths:
        raise DataError(
            f"{folder}: got no picture, "
            f"expected some ending in {', '.join(PICTURE_SUFFIXES)}"
        )
    luma = np.stack(
        [to_square(read_picture(path, grey=True), TRAIN_PX) for path in paths]
    )
    return Pictures(tuple(p.relative_to(folder).as_posix() for p in paths), luma)


_READERS: dict[str, Callable[[Path], Pictures]] = {
    "ferplus": _ferplus,
    "diffusionfer": _diffusionfer,
    "photos": _photos,
}
FOLDER = "folder:"
"""Before a folder's name under the data root: faces, framed as FER+'s, in any folders
below it. A teacher needs no class of them."""
PICTURE_SETS = (*_READERS, f"{FOLDER}NAME")
"""Sets that can be read."""


def read_pictures(name: str, root: Path) -> Pictures:
    """Return the training part of the set ``name`` under the data root.

    Photographs without a face that our locator finds are left out.

    Raises:
        UsageError: There is no such set.
        DataError: The set is missing, not in its layout, or holds a damaged picture.
    """
    if name.startswith(FOLDER):
        return _folder(root / name.removeprefix(FOLDER))
    if name not in _READERS:
        raise UsageError(
            f"picture set: got {name!r}, expected one of {', '.join(PICTURE_SETS)}"
        )
    return _READERS[name](root)
