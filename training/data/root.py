"""Find the parts of a data root that a user names, and say what is missing."""

from __future__ import annotations

import csv
import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError

HELD_OUT_SHARE = 0.2
"""Share of a set without a part of its own for reporting that is held out."""
DEV_SHARE = 0.1
"""Share of FER+'s training part kept for selection, stopping and temperatures."""


def unit_hash(name: str) -> float:
    """Return a fixed number in [0, 1] for ``name``, the same on every machine."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF


def read_table(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read a CSV file with a header.

    Raises:
        DataError: The file is missing or lacks one of ``columns``.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    missing = [name for name in columns if not rows or name not in rows[0]]
    if missing:
        raise DataError(
            f"{path}: got a table without {', '.join(missing)}; "
            f"expected the columns {', '.join(columns)}"
        )
    return rows


@dataclass(frozen=True, slots=True)
class PictureArchive:
    """A zip of pictures beside its table, as ``NAME.zip`` and ``NAME.csv``."""

    path: Path
    """The zip file."""

    def read(self, names: list[str], size_px: int, *, grey: bool) -> NDArray[np.uint8]:
        """Decode pictures, each resized to a square.

        Returns:
            ``(B, size_px, size_px)`` uint8 luma when ``grey``, else
            ``(B, size_px, size_px, 3)`` uint8 BGR.

        Raises:
            DataError: The archive or one of its pictures cannot be read.
        """
        mode = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
        shape = (size_px, size_px) if grey else (size_px, size_px, 3)
        pictures = np.empty((len(names), *shape), np.uint8)
        try:
            with zipfile.ZipFile(self.path) as archive:
                for row, name in enumerate(names):
                    pictures[row] = _decode(archive, name, mode, size_px)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{self.path}: cannot be read ({error})") from error
        return pictures

    def originals(self, names: list[str]) -> Iterator[NDArray[np.uint8]]:
        """Yield each picture as it is: ``(H, W, 3)`` uint8 BGR.

        Raises:
            DataError: The archive or one of its pictures cannot be read.
        """
        try:
            with zipfile.ZipFile(self.path) as archive:
                for name in names:
                    yield _decode_whole(archive, name, cv2.IMREAD_COLOR)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{self.path}: cannot be read ({error})") from error


def _decode(
    archive: zipfile.ZipFile, name: str, mode: int, size_px: int
) -> NDArray[np.uint8]:
    return to_square(_decode_whole(archive, name, mode), size_px)


def _decode_whole(archive: zipfile.ZipFile, name: str, mode: int) -> NDArray[np.uint8]:
    try:
        encoded = archive.read(name)
    except KeyError:
        raise DataError(
            f"{archive.filename}: lacks {name}, which its table lists"
        ) from None
    picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), mode)
    if picture is None:
        raise DataError(f"{archive.filename}: {name} is not a picture")
    return np.asarray(picture, np.uint8)


def to_square(picture: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Resize a picture to a square, averaging where it shrinks."""
    shrinks = picture.shape[0] > size_px
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(picture, (size_px, size_px), interpolation=method)
    return np.asarray(resized, np.uint8)


def read_square(path: Path, size_px: int, *, grey: bool) -> NDArray[np.uint8]:
    """Read a picture file as a square: ``(S, S)`` luma when ``grey``, else BGR.

    Raises:
        DataError: It is missing or is not a picture.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR)
    if picture is None:
        raise DataError(f"{path}: not a picture, or not there; remove or repair it")
    return to_square(np.asarray(picture, np.uint8), size_px)
