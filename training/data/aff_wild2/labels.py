"""Read label files: a fast way for whole ones, a slow way that names the bad line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError
from edge_affect.labels import ACTION_UNITS, EXPRESSIONS

Floats = NDArray[np.float32]

INVALID_AFFECT = -5
"""Mark of a frame without valence and arousal."""
INVALID_LABEL = -1
"""Mark of a frame without a class or an action unit."""
COLUMNS = {
    "VA": ("valence", "arousal"),
    "EXPR": tuple(name.lower() for name in EXPRESSIONS),
    "AU": tuple(name.lower() for name in ACTION_UNITS),
}
"""Headers of the uni-task files, without spaces and capitals."""
_EXPR_ALIASES = {"happy": "happiness", "sad": "sadness", "angry": "anger"}
_SEVEN = COLUMNS["EXPR"][:-1]
"""ABAW 2's classes: there was no ``other`` yet."""
_MTL_HEADS = (
    ("image", "valence", "arousal", "expression", "aus"),
    ("image", "valence", "arousal", "expression", *COLUMNS["AU"]),
)
_MTL_NUMBERS = 15
# Six digits are nine hours: a longer number is a slip, and would fill the memory.
_IMAGE = re.compile(r"(?P<clip>[^./\\][^/\\]*)/(?P<number>\d{5}|[1-9]\d{5})\.jpg")


@dataclass(frozen=True, slots=True)
class Labels:
    """What one file says of one clip's ``T`` frames."""

    valence_arousal: Floats
    """``(T, 2)``; NaN where invalid."""
    expression: NDArray[np.int64]
    """``(T,)``; -1 where invalid."""
    action_units: Floats
    """``(T, 12)`` 0 or 1; NaN where invalid."""

    def first(self, frames: int) -> Labels:
        """Return the labels of the first ``frames`` frames."""
        return Labels(
            self.valence_arousal[:frames],
            self.expression[:frames],
            self.action_units[:frames],
        )


def no_labels(frames: int) -> Labels:
    """Return the labels of a clip that nothing is said of."""
    return Labels(
        np.full((frames, 2), np.nan, np.float32),
        np.full(frames, -1, np.int64),
        np.full((frames, len(ACTION_UNITS)), np.nan, np.float32),
    )


def read_uni_task(path: Path, task: str) -> Labels:
    """Read one clip's file of a uni-task set.

    Raises:
        DataError: It cannot be read, its header is another one, or a row is wrong; the
            message names file and line.
    """
    lines = _lines(path)
    classes = _check_header(path, lines[0], task)
    width = 1 if task == "EXPR" else len(COLUMNS[task])
    values = _numbers(path, lines[1:], width)
    out = no_labels(len(values))
    if task == "VA":
        out.valence_arousal[:] = _affect(path, values)
    elif task == "EXPR":
        out.expression[:] = _classes(path, values[:, 0], classes)
    else:
        out.action_units[:] = _units(path, values)
    return out


def read_multi_task(path: Path) -> dict[str, tuple[NDArray[np.int64], Labels]]:
    """Read a multi-task file: clip → 0-based frames and what is said of them.

    Raises:
        DataError: It cannot be read, its header is another one, or a row is wrong; the
            message names file and line.
    """
    lines = _lines(path)
    header = ["image" if n == "image_location" else n for n in _words(lines[0])]
    if tuple(header) not in _MTL_HEADS:
        raise DataError(
            f"{path}:1: got the header {lines[0].strip()!r}, expected "
            f"{','.join(_MTL_HEADS[0])} or one column for each action unit"
        )
    names, owner, frames, rest = _images(path, lines[1:])
    values = _numbers(path, rest, _MTL_NUMBERS)
    both = Labels(
        _affect(path, values[:, :2]),
        _classes(path, values[:, 2], len(EXPRESSIONS)),
        _units(path, values[:, 3:]),
    )
    # By clip, then by frame; rows of one frame stay in the order of the file.
    order = np.lexsort((frames, owner))
    _refuse_contradictions(path, order, owner, frames, values)
    starts = np.searchsorted(owner[order], np.arange(1, len(names)))
    out = {}
    for name, rows in zip(names, np.split(order, starts), strict=True):
        picked = both.valence_arousal[rows], both.expression[rows]
        out[name] = frames[rows], Labels(*picked, both.action_units[rows])
    return out


def _refuse_contradictions(
    path: Path,
    order: NDArray[np.intp],
    owner: NDArray[np.int64],
    frames: NDArray[np.int64],
    values: NDArray[np.float64],
) -> None:
    first, second = order[:-1], order[1:]
    same = (owner[first] == owner[second]) & (frames[first] == frames[second])
    wrong = same & (values[first] != values[second]).any(axis=1)
    if wrong.any():
        pair = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{path}:{second[pair] + 2}: got other labels for the image of line "
            f"{first[pair] + 2}, expected each image once"
        )


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) < 2:
        got = "no labels below the header" if lines else "an empty file"
        raise DataError(f"{path}: got {got}, expected a header and labels")
    return lines


def _words(header: str) -> list[str]:
    return [re.sub(r"\s", "", name).lower() for name in header.split(",")]


def _check_header(path: Path, line: str, task: str) -> int:
    """Return the number of columns that the header names."""
    names = tuple(_EXPR_ALIASES.get(name, name) for name in _words(line))
    if names != COLUMNS[task] and not (task == "EXPR" and names == _SEVEN):
        raise DataError(
            f"{path}:1: got the header {line.strip()!r}, "
            f"expected {','.join(COLUMNS[task])}"
        )
    return len(names)


def _numbers(path: Path, lines: list[str], width: int) -> NDArray[np.float64]:
    """Return ``(rows, width)``, read at once: sets have millions of rows."""
    if not all(map(str.strip, lines)):  # loadtxt passes over empty lines
        return _slowly(path, lines, width)
    try:
        values = np.loadtxt(lines, np.float64, comments=None, delimiter=",", ndmin=2)
    except ValueError:
        return _slowly(path, lines, width)
    if values.shape[1] != width or not np.isfinite(values).all():
        return _slowly(path, lines, width)
    return values


def _slowly(path: Path, lines: list[str], width: int) -> NDArray[np.float64]:
    rows = np.empty((len(lines), width), np.float64)
    for index, line in enumerate(lines):
        cells = line.split(",")
        if len(cells) != width:
            raise DataError(
                f"{path}:{index + 2}: got {len(cells)} values, expected {width}"
            )
        for column, cell in enumerate(cells):
            try:
                rows[index, column] = float(cell)
            except ValueError:
                rows[index, column] = np.nan
            if not np.isfinite(rows[index, column]):
                raise DataError(
                    f"{path}:{index + 2}: got {cell.strip()!r}, expected a number"
                )
    return rows


def _refuse_row(path: Path, wrong: Any, got: object, want: str) -> None:
    line = int(np.flatnonzero(wrong)[0]) + 2
    raise DataError(f"{path}:{line}: got {got}, expected {want}")


def _affect(path: Path, values: NDArray[np.float64]) -> Floats:
    invalid = (values == INVALID_AFFECT).any(axis=1)
    wrong = ~invalid & (np.abs(values) > 1).any(axis=1)
    if wrong.any():
        got = "valence, arousal {:g}, {:g}".format(*values[wrong][0])
        _refuse_row(path, wrong, got, f"[-1, 1], or {INVALID_AFFECT} for none")
    out = values.astype(np.float32)
    out[invalid] = np.nan
    return out


def _classes(path: Path, values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    wrong = (values != np.round(values)) | (values < INVALID_LABEL)
    wrong |= values >= count
    if wrong.any():
        want = f"a whole number from -1 to {count - 1}"
        _refuse_row(path, wrong, f"the class {values[wrong][0]:g}", want)
    return values.astype(np.int64)


def _units(path: Path, values: NDArray[np.float64]) -> Floats:
    wrong = ~np.isin(values, (INVALID_LABEL, 0, 1)).all(axis=1)
    if wrong.any():
        row = values[wrong][0]
        bad = row[~np.isin(row, (INVALID_LABEL, 0, 1))][0]
        _refuse_row(path, wrong, f"the action unit {bad:g}", "-1, 0 or 1")
    out = values.astype(np.float32)
    out[values == INVALID_LABEL] = np.nan
    return out


def _images(
    path: Path, lines: list[str]
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Return the clips, each row's clip and 0-based frame, and the rest of the rows."""
    clips: dict[str, int] = {}
    owner = np.empty(len(lines), np.int64)
    frames = np.empty(len(lines), np.int64)
    rest = []
    for index, line in enumerate(lines):
        image, _, numbers = line.partition(",")
        match = _IMAGE.fullmatch(image.strip())
        if match is None or int(match["number"]) < 1:
            raise DataError(
                f"{path}:{index + 2}: got the image {image.strip()!r}, "
                "expected CLIP/00001.jpg"
            )
        owner[index] = clips.setdefault(match["clip"], len(clips))
        frames[index] = int(match["number"]) - 1
        rest.append(numbers)
    return list(clips), owner, frames, rest
