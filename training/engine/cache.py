"""Arrays that are made once and kept beside a run."""

from __future__ import annotations

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


def settings_key(*settings: object) -> str:
    """Return a short digest of settings, to name what was made by them."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:8]
