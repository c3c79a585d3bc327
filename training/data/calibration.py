"""The training pictures that quantizers take their ranges from, ours and a peer's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.data.diffusionfer import load_diffusionfer
from training.data.ferplus import load_ferplus
from training.data.root import PictureArchive

FERPLUS_PICTURES = 1024
"""Pictures of FER+ that ranges are taken from."""
DIFFUSIONFER_PICTURES = 128
"""Pictures of DiffusionFER on top of them."""


def calibration_pictures(root: Path) -> list[tuple[PictureArchive, list[str]]]:
    """Choose pictures of FER+'s and DiffusionFER's training parts, evenly spread.

    Returns:
        Each set's archive with the names of the pictures that were chosen of it.

    Raises:
        DataError: A set is missing or damaged.
    """
    ferplus = load_ferplus(root, "train")
    made = load_diffusionfer(root, "train")
    return [
        (ferplus.archive, _evenly(ferplus.names, FERPLUS_PICTURES)),
        (made.archive, _evenly(made.names, DIFFUSIONFER_PICTURES)),
    ]


def _evenly(names: list[str], count: int) -> list[str]:
    rows = np.linspace(0, len(names) - 1, min(count, len(names))).round()
    return [names[int(row)] for row in rows]
