"""Find the parts of a data root that a user names, and say what is missing."""

from __future__ import annotations

import csv
import hashlib
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError

HELD_OUT_SHARE = 0.2
"""Share of a set without a part of its own for reporting that is held out."""
DEV_SHARE = 0.1
"""Share of a training part kept for selection, stopping and temperatures."""


def unit_hash(name: str) -> float:
    """Return a fixed number in [0, 1] for ``name``, the same on every machine."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF


def names_of(names: Iterable[str], part: str) -> list[str]:
    """Return those of a set's training names that are trained on or selected by.

    The tenth that hashes lowest above the held-out border is ``dev``.

    Args:
        names: Pictures that are not held out.
        part: ``train`` or ``dev``.
    """
    border = HELD_OUT_SHARE + (1 - HELD_OUT_SHARE) * DEV_SHARE
    return [name for name in names if (unit_hash(name) < border) == (part == "dev")]


def read_table(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read a CSV file with a header.

    Raises:
        DataError: The file is missing or lacks one of ``columns``.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: is not there; expected the data root's layout, see docs/data.md"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    missing = [name for name in columns if not rows or name not in rows[0]]
    if missing:
        raise DataError(
            f"{path}: got a table without {', '.join(missing)}; "
            f"expected the columns {', '.join(columns)}"
        )
    return rows


def read_part(
    folder: Path, part: str, columns: Sequence[str], classes: Collection[str]
) -> tuple[list[dict[str, str]], PictureArchive]:
    """Read ``part`` of a set of ``train`` and ``test``, each a table and its pictures.

    Args:
        folder: The set's.
        part: ``train``, ``valid`` or ``test``; ``valid`` is the fifth of the train
            file's pictures that is held out.
        columns: Columns beside ``image`` and ``expression`` that are read.
        classes: What ``expression`` may be.

    Raises:
        DataError: The part is missing, lacks a column or names another expression.
    """
    file = "test" if part == "test" else "train"
    table = folder / f"{file}.csv"
    rows = read_table(table, ("image", *columns, "expression"))
    if part != "test":
        held_out = part == "valid"
        rows = [
            row
            for row in rows
            if (unit_hash(row["image"]) < HELD_OUT_SHARE) == held_out
        ]
    unknown = {row["expression"] for row in rows} - set(classes)
    if unknown:
        raise DataError(
            f"{table}: got the expression {min(unknown)!r}; "
            f"expected one of {', '.join(classes)}"
        )
    return rows, PictureArchive(folder / f"{file}.zip")


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
        pictures = empty_squares(len(names), size_px, grey=grey)
        try:
            with zipfile.ZipFile(self.path) as archive:
                for row, name in enumerate(names):
                    picture = _decode_member(archive, name, grey=grey)
                    pictures[row] = to_square(picture, size_px)
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
                    yield _decode_member(archive, name, grey=False)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{self.path}: cannot be read ({error})") from error


def decode_picture(encoded: bytes, place: str, *, grey: bool) -> NDArray[np.uint8]:
    """Decode a picture as it is: ``(H, W)`` luma when ``grey``, else ``(H, W, 3)`` BGR.

    Args:
        encoded: A whole JPEG, PNG or the like.
        place: Where it is from, for the message.
        grey: Whether to read luma alone.

    Raises:
        DataError: It is not a picture, or a part of it is missing.
    """
    mode = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
    # OpenCV fails an assertion on nothing at all.
    picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), mode) if encoded else None
    if picture is None:
        raise DataError(f"{place}: not a picture, or cut short; remove or repair it")
    return np.asarray(picture, np.uint8)


def read_picture(path: Path, *, grey: bool) -> NDArray[np.uint8]:
    """Read a picture file as ``decode_picture`` does.

    Raises:
        DataError: It cannot be read or is not a picture.
    """
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return decode_picture(encoded, str(path), grey=grey)


def to_square(picture: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Return the picture resized to ``size_px`` a side, its proportions given up."""
    shrinks = picture.shape[0] > size_px
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(picture, (size_px, size_px), interpolation=method)
    return np.asarray(resized, np.uint8)


def empty_squares(count: int, size_px: int, *, grey: bool) -> NDArray[np.uint8]:
    """Return room for ``count`` pictures, as ``PictureArchive.read`` returns them."""
    shape = (size_px, size_px) if grey else (size_px, size_px, 3)
    return np.empty((count, *shape), np.uint8)


def _decode_member(
    archive: zipfile.ZipFile, name: str, *, grey: bool
) -> NDArray[np.uint8]:
    try:
        encoded = archive.read(name)
    except KeyError:
        raise DataError(
            f"{archive.filename}: lacks {name}, which its table lists"
        ) from None
    return decode_picture(encoded, f"{archive.filename}: {name}", grey=grey)
