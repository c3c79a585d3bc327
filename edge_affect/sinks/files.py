"""Where a sink may put a file."""

from __future__ import annotations

import os
from pathlib import Path

from edge_affect.errors import SinkError


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
