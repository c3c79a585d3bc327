"""The voice network in the folds: trained anew in each, as the shipped one is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.emodb import Utterance
from training.engine.loop import run
from training.models.load import load_voice_net
from training.recipes.voice import (
    PRESETS,
    VoiceTrainer,
    VoiceTraining,
    read_spoken,
    said_of,
)

Ints = NDArray[np.int64]


class FoldTrainer(VoiceTrainer[VoiceTraining]):
    """Trains on all that it is given for as long as it is told: nothing is selected.

    The best epoch is always the last one.
    """

    selection = "epochs"
    _done = 0.0

    def resumed(self, figures: dict[str, float]) -> None:
        """Take up the number of epochs."""
        self._done = figures["dev_epochs"]

    def evaluate(self) -> dict[str, float]:
        """Return how many epochs there were."""
        self._done += 1
        return {"epochs": self._done}


def train_and_tell(
    heard: Sequence[Utterance], asked: Sequence[Utterance], work: Path
) -> tuple[Ints, Ints]:
    """Train on ``heard``, or go on in ``work``; return what is said of ``asked``.

    Returns:
        The emotion at each utterance's end, and after its first second.

    Raises:
        DataError: An utterance is not usable, or ``work`` holds another run.
    """
    config = replace(PRESETS["default"], dev_speakers=())
    best = run(FoldTrainer(config, heard), work)
    return said_of(load_voice_net(best), read_spoken(asked))
