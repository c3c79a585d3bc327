"""Where a command finds what it reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Inputs:
    """The folders and checkpoints that a recipe may read."""

    data: Path
    """Data root: Aff-Wild2's layout, or the folder that holds the public sets."""
    cache: Path
    """Folder of features that were computed once."""
    face: Path | None = None
    """Checkpoint of the recipe ``face``."""
    voice: Path | None = None
    """Checkpoint of the recipe ``voice``."""
