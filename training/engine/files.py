"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_affect.errors import DataError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, None)
"""What a full disk says; libraries that lose the number mostly met one."""


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``, which gets its place at the end.

    Whatever goes wrong before, the file that was there stays, and nothing half written
    is left.

    Raises:
        DataError: The disk is full, or the folder cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        mend = "free some space" if error.errno in _FULL else "name another place"
        raise DataError(
            f"{path}: cannot be written ({error.strerror or error}); what was there is "
            f"untouched; {mend} and run the same command again"
        ) from error
