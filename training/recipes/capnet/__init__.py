"""CAPNet: valence and arousal from past faces only, the newest 1/3 s old."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from training.clips.recipe import (
    Trainable,
    load_config,
    load_net,
    load_tape,
    refuse_overlap,
)
from training.data.aff_wild2 import load_aff_wild2
from training.engine.checkpoint import load_checkpoint
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

__all__ = ["PRESETS", "CapnetTraining", "evaluate", "train"]

_SETS = ("VA", "MTL")


def train(config: CapnetTraining, inputs: Inputs, out: Path) -> Path:
    """Train all stages, or go on; return the last one's best checkpoint.

    With ``face_backbone = capnet`` the CNN is tuned on crops first, in
    ``out/fer_tuned``, and its features are used from then on.

    Raises:
        DataError: The clips cannot be read, a loss is not finite, or ``out`` holds a
            run with other settings.
    """
    if config.face_backbone == OWN_CNN:
        parts = (
            load_aff_wild2(inputs.data, part, _SETS) for part in ("train", "valid")
        )
        tuned = run(FerTunedTrainer(tuned_settings(config), *parts), out / "fer_tuned")
        config = replace(config, face_backbone=f"{OWN_CNN}:{tuned}")
    train_tape, dev = (
        load_tape(inputs, config, part, _SETS) for part in ("train", "valid")
    )
    refuse_overlap(train_tape, dev)
    return train_stages(config, train_tape, dev, out)


def evaluate(checkpoint: Path, inputs: Inputs) -> dict[str, float]:
    """Return the figures of ``capnet_figures`` on the validation part.

    Raises:
        DataError: The checkpoint or the clips cannot be read, or it is stage 1's.
    """
    config = load_config(TemporalTrainer, checkpoint)
    tape = load_tape(inputs, config, "valid", _SETS)
    net = load_net(TemporalTrainer, checkpoint, tape)
    return capnet_figures(config, net, tape)


def trainer_of(checkpoint: Path) -> Trainable:
    """Return the trainer that wrote ``checkpoint``, so that it can label clips.

    Raises:
        DataError: The checkpoint is missing, damaged or another recipe's.
    """
    load_checkpoint(checkpoint, TemporalTrainer.recipe)
    return TemporalTrainer
