"""Where a sink may put a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from edge_affect.errors import SinkError, UsageError


def part_of(path: Path) -> Path:
    """Return the name under which the file at ``path`` grows until it is whole."""
    return Path(f"{path}.part")


def is_file(path: Path) -> bool:
    """Tell whether a file can be seen at ``path``; False too where looking fails."""
    found = _seen(path)
    return found is not None and stat.S_ISREG(found.st_mode)


def check_apart(target: Path, inputs: Iterable[Path]) -> None:
    """Refuse to write over something that is read, under either of a file's names.

    Args:
        target: Where a file would be made.
        inputs: Files that are read, and folders that are read from.

    Raises:
        UsageError: ``target`` or its ``part_of`` is one of ``inputs`` or lies in one,
            or ``target`` names no place.
    """
    for place in (target, part_of(target)):
        for path in inputs:
            if _lies_over(_resolved(place), _resolved(path)):
                raise UsageError(f"{place}: would be written over {path}; name another")


def are_apart(first: Path, second: Path) -> bool:
    """Tell whether two files can be made side by side, under both names of each.

    Raises:
        UsageError: One of them names no place.
    """
    return not any(
        _is_same(_resolved(one), _resolved(other))
        for one in (first, part_of(first))
        for other in (second, part_of(second))
    )


def _lies_over(place: Path, read: Path) -> bool:
    found = _seen(read)
    is_folder = found is not None and stat.S_ISDIR(found.st_mode)
    return _is_same(place, read) or (is_folder and read in place.parents)


def _is_same(one: Path, other: Path) -> bool:
    seen, found = _seen(one), _seen(other)
    linked = seen is not None and found is not None and os.path.samestat(seen, found)
    return linked or one == other


def _seen(path: Path) -> os.stat_result | None:
    """Return what is known of ``path``; None where nothing is or looking fails.

    Whoever opens the file says then why it cannot be.
    """
    try:
        return _stat(path)
    except SinkError:
        return None


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # such as a ring of links
        raise UsageError(f"{str(path)!r}: names no file ({error})") from error


def check_target(path: Path) -> None:
    """Check that a file can be made at ``path``, without making it.

    Raises:
        SinkError: It or its ``part_of`` is a directory or no name that a file can have,
            or its directory is missing or closed.
    """
    for place in (path, part_of(path)):
        found = _stat(place)
        if found is not None and stat.S_ISDIR(found.st_mode):
            raise SinkError(f"{place}: is a directory, expected the name of a file")
    folder = path.parent
    found = _stat(folder)
    if found is None or not stat.S_ISDIR(found.st_mode):
        raise SinkError(f"{path}: there is no directory {folder}; make it first")
    if not os.access(folder, os.W_OK):
        raise SinkError(f"{path}: the directory {folder} may not be written to")


def _stat(path: Path) -> os.stat_result | None:
    """Return what is known of ``path``; None where nothing is.

    Raises:
        SinkError: It cannot be looked at.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else None
        raise SinkError(f"{path}: {told or error}; name another file") from error
