"""Where the user's cache lies."""

from __future__ import annotations

import os
from pathlib import Path

from edge_affect.errors import SinkError

CACHE_VARIABLE = "XDG_CACHE_HOME"
"""Environment variable that moves the user's cache, as freedesktop.org has it."""


def cache_folder(name: str) -> Path:
    """Return the folder ``name`` of the user's cache, which need not exist.

    Raises:
        SinkError: This user has no home, so no cache either.
    """
    named = Path(os.environ.get(CACHE_VARIABLE, ""))
    try:
        # A relative path is to be ignored, says freedesktop.org.
        home = named if named.is_absolute() else Path.home() / ".cache"
    except RuntimeError as error:
        raise SinkError(
            f"the user's cache: {error}; set {CACHE_VARIABLE} to a folder"
        ) from error
    return home / "edge_affect" / name
