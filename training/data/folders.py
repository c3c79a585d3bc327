"""Any set of pictures with a folder for each expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError, UsageError
from edge_affect.labels import EXPRESSION_NAMES
from training.data.root import (
    HELD_OUT_SHARE,
    empty_squares,
    read_picture,
    to_square,
    unit_hash,
)

SYNONYMS = {
    **{name: name for name in EXPRESSION_NAMES},
    "angry": "anger",
    "contemptuous": "contempt",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "scared": "fear",
    "happy": "happiness",
    "joy": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
}
"""Folder name, in small letters → our name of the expression."""
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".pgm", ".tif", ".tiff")
"""Files that count as pictures; others are passed over."""
_PARTS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
}


@dataclass(frozen=True, slots=True)
class FolderSet:
    """A whole set of ``N`` pictures."""

    root: Path
    """The folder of the set."""
    names: list[str]
    """Paths below ``root``, with ``/``, sorted within each part and class."""
    labels: list[str]
    """Our names of the expressions."""
    parts: list[str]
    """``train``, ``valid`` or ``test``."""

    def rows(self, part: str) -> NDArray[np.int64]:
        """Return the indices of the pictures in ``part``, none if it has none."""
        return np.flatnonzero(np.array(self.parts) == part)

    def read(
        self,
        indices: Sequence[int] | NDArray[np.int64],
        size_px: int,
        *,
        grey: bool,
    ) -> NDArray[np.uint8]:
        """Decode pictures, each resized to a square.

        Returns:
            ``(B, size_px, size_px)`` uint8 luma when ``grey``, else
            ``(B, size_px, size_px, 3)`` uint8 BGR.

        Raises:
            DataError: A picture cannot be read; the message names it.
        """
        pictures = empty_squares(len(indices), size_px, grey=grey)
        for row, index in enumerate(indices):
            picture = read_picture(self.root / self.names[int(index)], grey=grey)
            pictures[row] = to_square(picture, size_px)
        return pictures


def load_folder_set(root: Path, classes: Mapping[str, str] | None) -> FolderSet:
    """Read the lists of a set with a folder for each class.

    The class folders lie in ``root``, or in folders ``train``, ``valid`` and ``test``
    there. Without a ``valid`` the fifth of the training pictures that is held out takes
    its place.

    Args:
        root: The folder of the set.
        classes: Class folder → our name of the expression, whatever the capitals;
            None for ``SYNONYMS``.

    Raises:
        UsageError: ``classes`` names an expression that is none.
        DataError: There is no folder, no picture, or a class of unknown name.
    """
    known = _known(classes)
    folders = _folders(root)
    parted = {f: _PARTS[f.name.lower()] for f in folders if f.name.lower() in _PARTS}
    for folder in folders:
        if parted and folder not in parted and folder.name.strip().lower() in known:
            raise DataError(
                f"{folder}: got a class beside {next(iter(parted)).name}, expected "
                "classes either in such folders or in none; move it into one"
            )
    names, labels, parts = [], [], []
    for base, part in (parted or {root: "train"}).items():
        for folder in _folders(base):
            label = _label(folder, known)
            for path in _pictures(folder):
                names.append(path.relative_to(root).as_posix())
                labels.append(label)
                parts.append(part)
    if not names:
        raise DataError(
            f"{root}: got no pictures, expected a folder for each class with "
            f"{', '.join(PICTURE_SUFFIXES)} files in it"
        )
    if "valid" not in parted.values():
        parts = [_split(*pair) for pair in zip(names, parts, strict=True)]
    return FolderSet(root, names, labels, parts)


def _known(classes: Mapping[str, str] | None) -> dict[str, str]:
    if classes is None:
        return SYNONYMS
    unknown = sorted(set(classes.values()) - set(EXPRESSION_NAMES))
    if unknown:
        raise UsageError(
            f"classes: got the expression {unknown[0]!r}, "
            f"expected one of {', '.join(EXPRESSION_NAMES)}"
        )
    return {folder.strip().lower(): name for folder, name in classes.items()}


def _folders(root: Path) -> list[Path]:
    try:
        found = [path for path in root.iterdir() if path.is_dir()]
    except OSError as error:
        raise DataError(
            f"{root}: cannot be read ({error.strerror}); expected a folder of classes"
        ) from error
    return sorted(path for path in found if not _is_hidden(path))


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name == "__MACOSX"


def _label(folder: Path, known: Mapping[str, str]) -> str:
    label = known.get(folder.name.strip().lower())
    if label is None:
        raise DataError(
            f"{folder}: got the class {folder.name!r}, expected one of "
            f"{', '.join(known)}; name it in classes, or move the folder away"
        )
    return label


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PICTURE_SUFFIXES and not _is_hidden(path)
    )


def _split(name: str, part: str) -> str:
    held_out = part == "train" and unit_hash(name) < HELD_OUT_SHARE
    return "valid" if held_out else part
