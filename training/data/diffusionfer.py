"""DiffusionFER: synthetic faces with a prompt's class, valence and arousal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.root import PictureArchive, read_part

PROMPTS = {
    "neutral": "neutral",
    "happy": "happiness",
    "surprise": "surprise",
    "angry": "anger",
    "disgust": "disgust",
    "sad": "sadness",
    "fear": "fear",
}
"""The prompt's class in the table → our name of the expression."""


@dataclass(frozen=True, slots=True)
class DiffusionFer:
    """One part of DiffusionFER."""

    names: list[str]
    """File names inside the archive."""
    expressions: list[str]
    """Our names of the prompts' classes."""
    valence: NDArray[np.float32]
    """``(B,)`` in [-1, 1], raters undocumented."""
    arousal: NDArray[np.float32]
    """``(B,)`` in [-1, 1], raters undocumented."""
    archive: PictureArchive


def load_diffusionfer(root: Path, part: str) -> DiffusionFer:
    """Read ``part`` (``train``, ``valid`` or ``test``) of DiffusionFER under ``root``.

    ``valid`` is the fifth of the train file's pictures that is held out.

    Raises:
        DataError: The part is missing or not in DiffusionFER's layout.
    """
    rows, archive = read_part(
        root / "diffusionfer", part, ("valence", "arousal"), PROMPTS
    )
    return DiffusionFer(
        [row["image"] for row in rows],
        [PROMPTS[row["expression"]] for row in rows],
        np.array([row["valence"] for row in rows], np.float32),
        np.array([row["arousal"] for row in rows], np.float32),
        archive,
    )
