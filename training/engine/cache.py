"""Arrays that are made once and kept beside a run."""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError
from training.engine.files import written_whole

Arrays = dict[str, NDArray[Any]]
_ROWS_AT_ONCE = 65_536


def cached(path: Path, make: Callable[[], Arrays]) -> Arrays:
    """Return the arrays stored at ``path``, made and stored there the first time.

    Raises:
        DataError: The file is damaged or cannot be written.
    """
    try:
        if path.exists():
            with np.load(path, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        arrays = make()
        with written_whole(path) as partial, partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a usable cache ({error}); remove it") from error
    return arrays


def file_key(path: Path) -> str:
    """Return a short digest of a file, to name what was made with it.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def content_key(*values: Any) -> str:
    """Return a short digest of what a run is trained on.

    Args:
        values: Arrays, tensors, dataclasses of them, and plain values, in any nesting.
    """
    told = hashlib.sha256()
    for value in values:
        _tell(told, value)
    return told.hexdigest()[:16]


def _tell(told: Any, value: Any) -> None:
    # An array or a tensor; torch is not imported here, so it is not asked by name.
    if hasattr(value, "__array__") and not isinstance(value, np.generic):
        value = np.asarray(value)
        told.update(f"{value.dtype} {value.shape}".encode())
        # Part by part: a copy of all rows may not fit into memory beside them.
        for start in range(0, len(value), _ROWS_AT_ONCE):
            part = np.ascontiguousarray(value[start : start + _ROWS_AT_ONCE])
            told.update(part.tobytes())
    elif dataclasses.is_dataclass(value):
        for one in dataclasses.fields(value):
            _tell(told, getattr(value, one.name))
    elif isinstance(value, list | tuple):
        told.update(f"{len(value)} of".encode())
        for one in value:
            _tell(told, one)
    else:
        told.update(repr(value).encode())


def settings_key(*settings: object) -> str:
    """Return a short digest of settings, to name what was made by them."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:8]
