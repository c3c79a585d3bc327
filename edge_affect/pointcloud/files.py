"""Read and write clouds: PLY, PCD, XYZ and NumPy files, their points alone."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError, SinkError
from edge_affect.pointcloud.cloud import MAX_POINTS
from edge_affect.sinks.files import check_target, part_of

MAX_BYTES = 512 * 1024 * 1024
"""Largest file that is read."""
_HEADER_BYTES = 64 * 1024
_AXES = ("x", "y", "z")
_PLY_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "<i2"),
    **dict.fromkeys(("ushort", "uint16"), "<u2"),
    **dict.fromkeys(("int", "int32"), "<i4"),
    **dict.fromkeys(("uint", "uint32"), "<u4"),
    **dict.fromkeys(("float", "float32"), "<f4"),
    **dict.fromkeys(("double", "float64"), "<f8"),
}
_PCD_KINDS = {"F": "f", "I": "i", "U": "u"}
Fields = list[tuple[str, str]]
"""Name and NumPy type of each number of a point."""


def read_cloud(path: Path) -> NDArray[Any]:
    """Return the points of a file, told by its ending.

    Of a PCD file the points are left out whose coordinates are all NaN: so it says that
    there is none.

    Returns:
        ``(n, 3)`` float32, or float64 where the file has it.

    Raises:
        DataError: It cannot be read, is too large, or no such file.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise DataError(
            f"{path}: got the ending {path.suffix!r}, expected one of "
            f"{', '.join(_READERS)}"
        )
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"{path}: got {size} bytes, expected {MAX_BYTES} at most")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        points = read(content)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:
        told = str(error).split("\n")[0][:100]
        raise DataError(f"{path}: is damaged ({told})") from error
    if points.ndim != 2 or points.shape[1] < 3 or points.dtype.kind not in "fiu":
        raise DataError(
            f"{path}: got {points.dtype} {points.shape}, expected numbers (n, 3)"
        )
    wide = points.dtype.itemsize > 4
    return points[:, :3].astype(np.float64 if wide else np.float32)


def write_cloud(path: Path, points: NDArray[Any]) -> None:
    """Write points to a file, told by its ending, whole or not at all.

    Args:
        path: The file; one that is there is replaced.
        points: ``(n, 3)``.

    Raises:
        SinkError: It cannot be written, or the ending is unknown.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise SinkError(
            f"{path}: got the ending {path.suffix!r}, expected one of "
            f"{', '.join(_WRITERS)}"
        )
    check_target(path)
    write_bytes(path, write(points))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        SinkError: It cannot be written.
    """
    part = part_of(path)
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise SinkError(f"{path}: cannot be written ({error.strerror})") from error


def _read_npy(content: bytes) -> NDArray[Any]:
    points: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return points


def _read_xyz(content: bytes) -> NDArray[Any]:
    return _table(content, MAX_POINTS + 1, None)


def _table(
    text: bytes, most: int, columns: Sequence[int] | None
) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it tells of an empty file
        rows = np.loadtxt(io.BytesIO(text), usecols=columns, max_rows=most, ndmin=2)
    return np.asarray(rows)


def _read_ply(content: bytes) -> NDArray[Any]:
    lines, body = _header(content, "end_header")
    if not lines or lines[0] != ["ply"]:
        raise DataError("is no PLY file")
    form, count, fields = "", -1, Fields()
    element = ""
    for words in lines[1:]:
        if words[0] == "format" and len(words) > 1:
            form = words[1]
        elif words[0] == "element" and len(words) == 3:
            element = words[1]
            if count < 0 and element != "vertex":
                raise DataError(f"begins with {element!a:.40}, expected its vertices")
            count = int(words[2]) if element == "vertex" else count
        elif words[0] == "property" and element == "vertex":
            if len(words) != 3 or words[1] not in _PLY_TYPES:
                raise DataError(f"has the vertex property {' '.join(words)!a:.60}")
            fields.append((words[2], _PLY_TYPES[words[1]]))
    if form == "ascii":
        return _text_rows(body, count, fields)
    if form != "binary_little_endian":
        raise DataError(f"has the format {form!a:.40}, expected text or little-endian")
    return _binary_rows(body, count, fields)


def _read_pcd(content: bytes) -> NDArray[Any]:
    lines, body = _header(content, "DATA")
    told = {words[0]: words[1:] for words in lines}
    form = " ".join(told.get("DATA", []))
    names, sizes = told.get("FIELDS", []), told.get("SIZE", [])
    kinds = told.get("TYPE", [])
    counts = told.get("COUNT", ["1"] * len(names))
    if not len(names) == len(sizes) == len(kinds) == len(counts) > 0:
        raise DataError("is no PCD file, or its header is damaged")
    fields = Fields()
    for name, size, kind, many in zip(names, sizes, kinds, counts, strict=True):
        number = np.dtype(f"<{_PCD_KINDS.get(kind, '?')}{int(size)}").str
        fields += [(name, number)] + [("", number)] * (int(many) - 1)
    count = int((told.get("POINTS") or ["-1"])[0])
    if form == "ascii":
        points = _text_rows(body, count, fields)
    elif form == "binary":
        points = _binary_rows(body, count, fields)
    else:
        raise DataError(
            f"has the data {form!a:.40}, expected ascii or binary; write it so"
        )
    there: NDArray[Any] = points[~np.isnan(points).all(axis=1)]
    return there


def _header(content: bytes, last: str) -> tuple[list[list[str]], bytes]:
    """Return the words of each line up to the one that begins with ``last``."""
    lines: list[list[str]] = []
    start = 0
    while True:
        end = content.find(b"\n", start, _HEADER_BYTES)
        if end < 0:
            raise DataError(f"has no line {last!r} in its first {_HEADER_BYTES} bytes")
        words = content[start:end].decode("latin-1").split()
        start = end + 1
        if not words or words[0] in ("comment", "obj_info") or words[0][0] == "#":
            continue
        lines.append(words)
        if words[0] == last:
            return lines, content[start:]


def _columns(count: int, fields: Fields) -> list[int]:
    if not 0 <= count <= MAX_POINTS:
        raise DataError(f"has {count} points, expected 0 to {MAX_POINTS}")
    names = [name for name, _ in fields]
    missing = [axis for axis in _AXES if axis not in names]
    if missing:
        raise DataError(f"has no {missing[0]} among {', '.join(names)[:60]!a}")
    return [names.index(axis) for axis in _AXES]


def _text_rows(body: bytes, count: int, fields: Fields) -> NDArray[Any]:
    columns = _columns(count, fields)
    wide = any(fields[column][1] == "<f8" for column in columns)
    if not count:
        return np.zeros((0, 3), np.float32)
    # A list beside the vertices follows them; only so many lines are read.
    rows = _table(body, count, columns)
    if len(rows) < count:
        raise DataError(f"ends after {len(rows)} of {count} points")
    return rows.astype(np.float64 if wide else np.float32)


def _binary_rows(body: bytes, count: int, fields: Fields) -> NDArray[Any]:
    columns = _columns(count, fields)
    layout = np.dtype([(f"f{number}", kind) for number, (_, kind) in enumerate(fields)])
    if len(body) < count * layout.itemsize:
        raise DataError(f"ends after {len(body) // layout.itemsize} of {count} points")
    rows = np.frombuffer(body, layout, count)
    return np.stack([rows[f"f{column}"] for column in columns], axis=1)


def _text_of(points: NDArray[Any]) -> bytes:
    text = io.BytesIO()
    np.savetxt(text, points, fmt="%.9g")
    return text.getvalue()


def _npy_of(points: NDArray[Any]) -> bytes:
    content = io.BytesIO()
    np.save(content, points, allow_pickle=False)
    return content.getvalue()


def _ply_of(points: NDArray[Any]) -> bytes:
    kind = "double" if points.dtype == np.float64 else "float"
    names = [f"property {kind} {axis}" for axis in _AXES]
    lines = ("ply", "format binary_little_endian 1.0", f"element vertex {len(points)}")
    header = "\n".join((*lines, *names, "end_header", ""))
    return header.encode() + _little(points)


def _pcd_of(points: NDArray[Any]) -> bytes:
    size, count = points.dtype.itemsize, len(points)
    lines = (
        *("VERSION 0.7", "FIELDS x y z", f"SIZE {size} {size} {size}", "TYPE F F F"),
        *("COUNT 1 1 1", f"WIDTH {count}", "HEIGHT 1", "VIEWPOINT 0 0 0 1 0 0 0"),
        *(f"POINTS {count}", "DATA binary", ""),
    )
    return "\n".join(lines).encode() + _little(points)


def _little(points: NDArray[Any]) -> bytes:
    return points.astype(points.dtype.newbyteorder("<")).tobytes()


_READERS: dict[str, Callable[[bytes], NDArray[Any]]] = {
    ".ply": _read_ply,
    ".pcd": _read_pcd,
    ".xyz": _read_xyz,
    ".npy": _read_npy,
}
_WRITERS: dict[str, Callable[[NDArray[Any]], bytes]] = {
    ".ply": _ply_of,
    ".pcd": _pcd_of,
    ".xyz": _text_of,
    ".npy": _npy_of,
}
ENDINGS: Sequence[str] = tuple(_READERS)
"""Endings of files that are read and written."""
