"""Where a sink may put a file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from edge_affect.errors import SinkError, UsageError


def check_apart(target: Path, inputs: Iterable[Path]) -> None:
    """Refuse to write over something that is read.

    Args:
        target: Where a file would be made.
        inputs: Files that are read, and folders that are read from.

    Raises:
        UsageError: ``target`` is one of ``inputs``, lies in one, or names no place.
    """
    place = _resolved(target)
    for path in inputs:
        read = _resolved(path)
        same = place.exists() and read.exists() and place.samefile(read)
        if same or place == read or (read.is_dir() and read in place.parents):
            raise UsageError(f"{target}: would be written over {path}; name another")


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # such as a ring of links
        raise UsageError(f"{str(path)!r}: names no file ({error})") from error


def check_target(path: Path) -> None:
    """Check that a file can be made at ``path``, without making it.

    Raises:
        SinkError: It is a directory, or its directory is missing or closed.
    """
    folder = path.parent
    if path.is_dir():
        raise SinkError(f"{path}: is a directory, expected the name of a file")
    if not folder.is_dir():
        raise SinkError(f"{path}: there is no directory {folder}; make it first")
    if not os.access(folder, os.W_OK):
        raise SinkError(f"{path}: the directory {folder} may not be written to")
