"""Train and measure a recipe on Aff-Wild2's layout: clips in, checkpoint out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from edge_affect.errors import DataError
from training.clips.tape import Tape
from training.clips.trainer import ClipTrainer, clip_figures
from training.data.aff_wild2 import load_aff_wild2
from training.data.aff_wild2.layout import SETS, video_name
from training.engine.checkpoint import load_checkpoint
from training.engine.config import from_plain
from training.engine.loop import run
from training.features.cache import gather_features
from training.features.clips import ClipFeatures
from training.features.open import open_face_backbone, open_sound_backbone
from training.inputs import Inputs

Trainable = type[ClipTrainer[Any, Any]]
Figures = Callable[[Any, nn.Module, Tape], dict[str, float]]


def load_tape(
    inputs: Inputs, config: Any, split: str, sets: Sequence[str] = SETS
) -> Tape:
    """Return the clips of ``load_clips`` end to end.

    Raises:
        DataError: The data root is incomplete or a file cannot be read.
    """
    return Tape.join(load_clips(inputs, config, split, sets))


def load_clips(
    inputs: Inputs, config: Any, split: str, sets: Sequence[str] = SETS
) -> list[ClipFeatures]:
    """Return a part of Aff-Wild2 as the configuration's backbones see and hear it.

    Args:
        inputs: Where the clips lie, and where their features are kept.
        config: Names the backbones.
        split: ``train`` or ``valid``.
        sets: Which sets' labels count.

    Raises:
        DataError: The data root is incomplete or a file cannot be read.
    """
    clips = load_aff_wild2(inputs.data, split, sets)
    face = open_face_backbone(config.face_backbone)
    sound = open_sound_backbone(config.sound_backbone)
    return gather_features(clips, face, sound, inputs.cache)


def refuse_overlap(train: Tape, dev: Tape) -> None:
    """Make sure that no video is in both parts: see ``refuse_shared_video``.

    Raises:
        DataError: One is.
    """
    refuse_shared_video(train.names, dev.names)


def refuse_shared_video(train: Iterable[str], dev: Iterable[str]) -> None:
    """Make sure that no video is in both parts, under any subject's name.

    Args:
        train: Names of the training part's clips.
        dev: Names of the validation part's clips.

    Raises:
        DataError: One is; the message names it.
    """
    both = {video_name(name) for name in train} & {video_name(name) for name in dev}
    if both:
        raise DataError(
            f"video {min(both)}: got it in the training part and in the validation "
            f"part, of {len(both)} such, expected each in one; move its label files of "
            "one part away"
        )


def trainer_functions(
    kind: Trainable, sets: Sequence[str] = SETS, figures: Figures | None = None
) -> tuple[
    Callable[[Any, Inputs, Path], Path], Callable[[Path, Inputs], dict[str, float]]
]:
    """Return the ``train`` and ``evaluate`` of a recipe that is one trainer.

    Args:
        kind: The trainer.
        sets: Which sets' labels count.
        figures: What is measured of configuration, network and validation part; None
            for ``clip_figures``.
    """
    measure = figures or partial(clip_figures, kind)

    def train(config: Any, inputs: Inputs, out: Path) -> Path:
        tapes = [load_tape(inputs, config, part, sets) for part in ("train", "valid")]
        refuse_overlap(*tapes)
        return run(kind(config, *tapes), out)

    def evaluate(checkpoint: Path, inputs: Inputs) -> dict[str, float]:
        config = load_config(kind, checkpoint)
        tape = load_tape(inputs, config, "valid", sets)
        return measure(config, load_net(kind, checkpoint, tape), tape)

    return train, evaluate


def trainer_finder(*kinds: Trainable) -> Callable[[Path], Trainable]:
    """Return the ``trainer_of`` of a recipe whose checkpoints are of ``kinds``.

    It names the trainer that wrote a checkpoint, so that it can label clips, and raises
    DataError where the checkpoint is missing, damaged or another recipe's.
    """
    by_name = {kind.recipe: kind for kind in kinds}

    def trainer_of(checkpoint: Path) -> Trainable:
        return by_name[load_checkpoint(checkpoint, *by_name).recipe]

    return trainer_of


def load_config(kind: Trainable, checkpoint: Path) -> Any:
    """Return the configuration that a checkpoint was trained with.

    Raises:
        DataError: The checkpoint is missing, damaged or another recipe's.
    """
    plain = load_checkpoint(checkpoint, kind.recipe).config
    return from_plain(kind.config_type, plain)


def load_net(kind: Trainable, checkpoint: Path, tape: Tape) -> nn.Module:
    """Return a checkpoint's averaged network, for features as in ``tape``.

    Raises:
        DataError: The checkpoint is missing, damaged, another recipe's, or was trained
            on features of other widths.
    """
    stored = load_checkpoint(checkpoint, kind.recipe)
    config = from_plain(kind.config_type, stored.config)
    net: nn.Module = kind.new_net(config, tape.face.shape[1], tape.sound.shape[1])
    try:
        net.load_state_dict(stored.average)
    except RuntimeError as error:
        raise DataError(
            f"{checkpoint}: the weights do not fit features of widths "
            f"{tape.face.shape[1]} and {tape.sound.shape[1]} "
            f"({' '.join(str(error).split())[:200]}); use the backbones it was "
            "trained with"
        ) from error
    return net.requires_grad_(False).eval()
