"""MediaPipe's mean face, read from the metadata of its landmarker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError

_VARINT, _BYTES, _FIXED32 = 0, 2, 5
_MESH, _BASIS = 1, 2
"""Fields of ``GeometryPipelineMetadata``: its canonical mesh, and the landmarks that
pose is read off."""
_VERTICES = 3
"""Field of the mesh: five floats a vertex, the first three its place."""
_FLOATS = 5


@dataclass(frozen=True, slots=True)
class Canonical:
    """The landmarks that a pose is read off."""

    indices: NDArray[np.int64]
    """``(N,)`` numbers of the landmarks."""
    points: NDArray[np.float64]
    """``(N, 3)`` where they lie in the mean face, cm; x right, y up, z to the front."""
    weights: NDArray[np.float64]
    """``(N,)`` how much each counts."""


def read_canonical(metadata: bytes, place: str) -> Canonical:
    """Read ``geometry_pipeline_metadata_landmarks.binarypb``.

    Args:
        metadata: The file: a protocol buffer.
        place: Where it is from, for the message.

    Raises:
        DataError: It does not hold a mesh and weighted landmarks.
    """
    try:
        vertices, chosen = _parts(metadata)
        indices = np.array([index for index, _ in chosen], np.int64)
        points = vertices.reshape(-1, _FLOATS)[indices, :3].astype(np.float64)
        weights = np.array([weight for _, weight in chosen], np.float64)
    except (ValueError, IndexError) as error:
        raise DataError(f"{place}: holds no mean face ({error})") from error
    return Canonical(indices, points, weights)


def _parts(metadata: bytes) -> tuple[NDArray[np.float32], list[tuple[int, float]]]:
    vertices = np.empty(0, np.float32)
    chosen = []
    for field, value in _fields(metadata):
        if field == _MESH and isinstance(value, bytes):
            inner = [v for f, v in _fields(value) if f == _VERTICES]
            vertices = _floats(inner)
        elif field == _BASIS and isinstance(value, bytes):
            told = dict(_fields(value))
            chosen.append((int(told.get(1, 0)), _floats([told[2]]).item()))
    if not len(vertices) or not chosen:
        raise ValueError("a mesh or its landmarks are missing")
    return vertices, chosen


def _floats(values: list[int | bytes]) -> NDArray[np.float32]:
    """Return floats that were stored one by one or packed."""
    return np.frombuffer(b"".join(v for v in values if isinstance(v, bytes)), "<f4")


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field of a protocol buffer."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
        elif kind in (_BYTES, _FIXED32):
            length, at = _varint(message, at) if kind == _BYTES else (4, at)
            if at + length > len(message):
                raise ValueError("it is cut short")
            yield key >> 3, message[at : at + length]
            at += length
        else:
            raise ValueError(f"a field of the kind {kind}")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
