"""The files of a bundle in a directory; an archive gives them by the same names."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from edge_affect.errors import BundleError
from edge_affect.model.archive import ARCHIVE_SUFFIX, open_archive
from edge_affect.model.entries import MANIFEST_FILE


class BundleFiles(Protocol):
    """Where the files of a bundle are read from."""

    def has(self, name: str) -> bool:
        """Tell whether there is a file ``name``."""

    def read(self, name: str, max_bytes: int) -> bytes:
        """Return a file of at most ``max_bytes``; raises BundleError."""

    def check_names(self, expected: Iterable[str]) -> None:
        """Refuse files that nobody names, where they could do harm; BundleError."""


@contextmanager
def open_files(path: Path) -> Iterator[BundleFiles]:
    """Open the bundle at ``path``: an archive by its ending, else a directory.

    Raises:
        BundleError: The archive is none, or not one that may be read.
    """
    if path.suffix != ARCHIVE_SUFFIX or path.is_dir():
        yield FolderFiles(path)
        return
    with open_plain(path) as file, open_archive(file, path.name) as files:
        yield files


class FolderFiles:
    """Plain files beside each other; what the manifest does not name is ignored."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, name: str) -> bool:
        """Tell whether there is anything called ``name``."""
        return os.path.lexists(self._folder / name)

    def read(self, name: str, max_bytes: int) -> bytes:
        """Return a file of at most ``max_bytes``.

        Raises:
            BundleError: It is none, no plain one, or longer.
        """
        path = self._folder / name
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > max_bytes:
                raise BundleError(f"{name}: got {size} bytes, expected <= {max_bytes}")
            try:
                return file.read(max_bytes + 1)
            except OSError as error:
                raise _unreadable(path, error) from error

    def check_names(self, expected: Iterable[str]) -> None:
        """Leave alone what else lies in the directory: it is never read."""


@contextmanager
def open_plain(path: Path) -> Iterator[BinaryIO]:
    """Open a plain file to read; never through a link or a pipe.

    Raises:
        BundleError: There is none, or it is something else.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    # O_NONBLOCK, or opening a pipe that nobody writes to would hang.
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        if path.is_symlink():
            raise BundleError(f"{path.name}: is a link, expected a plain file")
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BundleError(f"{path.name}: is not a plain file")
    with os.fdopen(descriptor, "rb") as file:
        yield file


def _unreadable(path: Path, error: Exception) -> BundleError:
    reason = getattr(error, "strerror", None) or str(error)
    return BundleError(
        f"{path.name}: cannot be read from the bundle {path.parent.name or '.'!a} "
        f"({reason}); expected a directory with {MANIFEST_FILE} and its graphs, or "
        f"a {ARCHIVE_SUFFIX} of one"
    )
