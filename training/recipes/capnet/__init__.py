"""CAPNet: valence and arousal from past faces only, the newest 1/3 s old."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from training.clips.recipe import (
    load_tape,
    refuse_shared_video,
    trainer_finder,
    trainer_functions,
)
from training.data.aff_wild2 import load_aff_wild2
from training.engine.loop import run
from training.inputs import Inputs
from training.recipes.capnet.config import OWN_CNN, PRESETS, CapnetTraining
from training.recipes.capnet.pixels import FerTunedTrainer
from training.recipes.capnet.stages import (
    TemporalTrainer,
    capnet_figures,
    train_stages,
    tuned_settings,
)

__all__ = ["PRESETS", "CapnetTraining", "evaluate", "train", "trainer_of"]

_SETS = ("VA", "MTL")


def train(config: CapnetTraining, inputs: Inputs, out: Path) -> Path:
    """Train all stages, or go on; return the last one's best checkpoint.

    With ``face_backbone = capnet`` the CNN is tuned on crops first, in
    ``out/fer_tuned``, and its features are used from then on.

    Raises:
        DataError: The clips cannot be read, a video is in both parts, a loss is not
            finite, or ``out`` holds a run with other settings.
    """
    clips = [load_aff_wild2(inputs.data, part, _SETS) for part in ("train", "valid")]
    refuse_shared_video(*((clip.name for clip in part) for part in clips))
    if config.face_backbone == OWN_CNN:
        tuned = run(FerTunedTrainer(tuned_settings(config), *clips), out / "fer_tuned")
        config = replace(config, face_backbone=f"{OWN_CNN}:{tuned}")
    train_tape, dev = (
        load_tape(inputs, config, part, _SETS) for part in ("train", "valid")
    )
    return train_stages(config, train_tape, dev, out)


_, evaluate = trainer_functions(TemporalTrainer, _SETS, capnet_figures)
trainer_of = trainer_finder(TemporalTrainer)
