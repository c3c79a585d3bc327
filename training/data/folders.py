"""Any set of pictures with a folder for each expression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError
from edge_affect.labels import EXPRESSION_NAMES
from training.data.root import HELD_OUT_SHARE, read_square, unit_hash

PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png")
"""Endings of the files that count."""
SYNONYMS = {
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "happy": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
    "neutrality": "neutral",
}
"""What folders are also called → our name."""
_PARTS = {"train": ("train", "training"), "valid": ("valid", "validation", "val")}


@dataclass(frozen=True, slots=True)
class FolderSet:
    """One part of a set."""

    paths: tuple[Path, ...]
    """The picture files, sorted."""
    expressions: tuple[str, ...]
    """Our name of each picture's class."""

    def read(
        self, indices: NDArray[np.int64], size_px: int, *, grey: bool
    ) -> NDArray[np.uint8]:
        """Decode pictures, each resized to a square.

        Returns:
            ``(B, S, S)`` uint8 luma when ``grey``, else ``(B, S, S, 3)`` uint8 BGR.

        Raises:
            DataError: A file is not a picture.
        """
        return np.stack(
            [read_square(self.paths[i], size_px, grey=grey) for i in indices]
        )


def load_folder_set(
    root: Path, part: str, classes: Mapping[str, str] | None = None
) -> FolderSet:
    """Read one part, ``train`` or ``valid``, of a set with a folder for each class.

    A set that has folders of that name is split by them; of another one the fifth of
    the pictures whose name hashes lowest is ``valid``.

    Args:
        root: Folder that holds the folders of the classes, or of the parts.
        part: Which part.
        classes: Folder → our name of the expression; None recognises the usual names.

    Raises:
        DataError: There is no such part, no picture, or a folder of an unknown class.
    """
    if part not in _PARTS:
        raise DataError(f"part: got {part!r}, expected one of {', '.join(_PARTS)}")
    own = {name: _part_folder(root, name) for name in _PARTS}
    if any(own.values()):
        folder = own[part]
        if folder is None:
            raise DataError(f"{root}: got no folder {part}, expected one")
        return _whole(folder, classes)
    whole = _whole(root, classes)
    kept = [
        row
        for row, path in enumerate(whole.paths)
        if (unit_hash(path.relative_to(root).as_posix()) < HELD_OUT_SHARE)
        == (part == "valid")
    ]
    return FolderSet(
        tuple(whole.paths[row] for row in kept),
        tuple(whole.expressions[row] for row in kept),
    )


def _part_folder(root: Path, part: str) -> Path | None:
    return next(
        (f for f in _folders(root) if f.name.lower() in _PARTS[part]),
        None,
    )


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir())
    except OSError as error:
        raise DataError(f"{root}: cannot be read ({error})") from error


def _whole(root: Path, classes: Mapping[str, str] | None) -> FolderSet:
    paths: list[Path] = []
    expressions: list[str] = []
    for folder in _folders(root):
        name = _expression(folder, classes)
        inside = [
            path
            for path in sorted(folder.rglob("*"))
            if path.suffix.lower() in PICTURE_SUFFIXES
        ]
        paths += inside
        expressions += [name] * len(inside)
    if not paths:
        raise DataError(
            f"{root}: got no picture, expected a folder for each expression with files "
            f"ending in {', '.join(PICTURE_SUFFIXES)}"
        )
    return FolderSet(tuple(paths), tuple(expressions))


def _expression(folder: Path, classes: Mapping[str, str] | None) -> str:
    if classes is not None:
        if folder.name not in classes:
            raise DataError(
                f"{folder}: got a folder of no class, "
                f"expected one of {', '.join(classes)}"
            )
        return classes[folder.name]
    plain = folder.name.lower()
    name = SYNONYMS.get(plain, plain)
    if name not in EXPRESSION_NAMES:
        raise DataError(
            f"{folder}: got a folder of no known expression, expected one of "
            f"{', '.join(EXPRESSION_NAMES)}; rename it or name the classes"
        )
    return name
