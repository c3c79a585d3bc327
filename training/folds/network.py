"""The voice network in the folds: trained anew in each, as the shipped one is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.emodb import Utterance
from training.engine.loop import run
from training.models.load import load_voice_net
from training.recipes.voice import (
    PRESETS,
    WholeTrainer,
    read_spoken,
    said_of,
)

Ints = NDArray[np.int64]


def train_and_tell(
    heard: Sequence[Utterance], asked: Sequence[Utterance], work: Path
) -> tuple[Ints, Ints]:
    """Train on ``heard``, or go on in ``work``; return what is said of ``asked``.

    Returns:
        The emotion at each utterance's end, and after its first second.

    Raises:
        DataError: An utterance is not usable, or ``work`` holds another run.
    """
    best = run(WholeTrainer(PRESETS["default"], heard), work)
    return said_of(load_voice_net(best), read_spoken(asked))
