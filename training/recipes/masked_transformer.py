"""Transformers with masked learning: frame features, a window, one task a network."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from edge_affect.errors import ConfigError
from training.challenge import Estimates
from training.clips.recipe import Trainable, trainer_functions
from training.clips.settings import ClipTraining
from training.clips.tape import Tape
from training.clips.trainer import ClipTrainer
from training.data.aff_wild2.layout import UNI_TASK_SETS
from training.engine import distributed
from training.engine.checkpoint import load_checkpoint
from training.engine.config import check_choice
from training.inputs import Inputs
from training.losses import focal_binary_cross_entropy, focal_cross_entropy, va_loss
from training.models.masked_transformer import (
    MASKS,
    EncoderConfig,
    MaskedTransformer,
    draw_mask,
)

RECIPE = "masked_transformer"
_OUTPUTS = {"VA": 2, "EXPR": 8, "AU": 12}


@dataclass(frozen=True, slots=True)
class MaskedTraining(ClipTraining):
    """Settings of the recipe ``masked_transformer``; sound is not heard."""

    seed: int = 1
    task: str = "VA"
    """What is estimated: VA, EXPR or AU."""
    frames: int = 32
    """Positions of a window; the last one is the estimated frame."""
    rate_hz: float = 10.0
    """Positions a second."""
    mask: str = "frame"
    """What training masks, one of ``MASKS``."""
    mask_probability: float = 0.2
    """Probability that it is masked; 0 masks nothing."""
    alpha: float = 0.25
    """Focal loss: factor of all. With ``alpha`` 1 and ``gamma`` 0 the loss is the
    weighted cross-entropy."""
    gamma: float = 2.0
    """Focal loss: how much sure frames are discounted."""
    net: EncoderConfig = field(default_factory=EncoderConfig)
    """Shape of the network."""

    def __post_init__(self) -> None:
        """Check what has only some values.

        Raises:
            ConfigError: The task or mask is unknown, or a number out of range.
        """
        check_choice("task", self.task, UNI_TASK_SETS)
        check_choice("mask", self.mask, MASKS)
        if not 0 <= self.mask_probability < 1:
            raise ConfigError(
                f"mask_probability: got {self.mask_probability}, "
                "expected 0 or more, below 1"
            )

    @property
    def ago_s(self) -> tuple[float, ...]:
        """Age of each position of a window, oldest first, in seconds."""
        return tuple(back / self.rate_hz for back in reversed(range(self.frames)))


class MaskedTrainer(ClipTrainer[MaskedTraining, MaskedTransformer]):
    """What the three tasks share; one network estimates one of them."""

    recipe = RECIPE
    config_type = MaskedTraining

    @classmethod
    def new_net(
        cls,
        config: MaskedTraining,
        face: int,
        sound: int,  # noqa: ARG003
    ) -> MaskedTransformer:
        """Return the network for face features of this width."""
        return MaskedTransformer(config.net, face, config.frames, _OUTPUTS[cls.task])

    def batch_loss(self, rows: Tensor, random: torch.Generator) -> Tensor:
        """Return the task's loss of ``(B,)`` rows, their windows masked."""
        # Masks are drawn for the whole batch: any number of processes draws the same.
        window = window_features(self.config, self.train, rows)
        hidden = draw_mask(
            self.config.mask, window, self.config.mask_probability, random
        )
        shown = distributed.share(window.masked_fill(hidden, 0))
        return self.task_loss(distributed.gathered(self.shared(shown)), rows)

    @abstractmethod
    def task_loss(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """Return the loss of ``(B, outputs)`` of ``(B,)`` rows."""


def window_features(config: MaskedTraining, tape: Tape, rows: Tensor) -> Tensor:
    """Return the ``(B, T, D)`` face features that end at each of ``(B,)`` rows.

    Before a clip's start its first frame is repeated; a missing face is 0.
    """
    past, _ = tape.past(rows, config.ago_s)
    return tape.face[past]


class VaTrainer(MaskedTrainer):
    """Valence and arousal, by L_CCC."""

    task = "VA"
    selection = "p_va"

    def task_loss(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """Return L_CCC."""
        return va_loss(torch.tanh(outputs), self.train.valence_arousal[rows])

    @classmethod
    def estimate(
        cls, config: MaskedTraining, net: MaskedTransformer, tape: Tape, rows: Tensor
    ) -> Estimates:
        """Return valence and arousal."""
        outputs = net(window_features(config, tape, rows))
        return Estimates(valence_arousal=torch.tanh(outputs).numpy())


class ExprTrainer(MaskedTrainer):
    """Eight expressions, by focal loss."""

    task = "EXPR"
    selection = "p_expr"

    def task_loss(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """Return the focal cross-entropy, rare classes weighing more."""
        settings = self.config
        return focal_cross_entropy(
            outputs,
            self.train.expression[rows],
            self.weight,
            settings.alpha,
            settings.gamma,
        )

    @cached_property
    def weight(self) -> Tensor:
        """``(8,)`` one minus the share of frames that show each class."""
        shown = self.train.expression[self.rows]
        return rarity(torch.bincount(shown, minlength=_OUTPUTS["EXPR"]))

    @classmethod
    def estimate(
        cls, config: MaskedTraining, net: MaskedTransformer, tape: Tape, rows: Tensor
    ) -> Estimates:
        """Return logits of the expressions."""
        return Estimates(expression=net(window_features(config, tape, rows)).numpy())


class AuTrainer(MaskedTrainer):
    """Twelve action units, each a yes or no, by focal loss."""

    task = "AU"
    selection = "p_au"

    def task_loss(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """Return the focal binary cross-entropy, rare units weighing more."""
        settings = self.config
        return focal_binary_cross_entropy(
            outputs,
            self.train.action_units[rows],
            self.weight,
            settings.alpha,
            settings.gamma,
        )

    @cached_property
    def weight(self) -> Tensor:
        """``(12,)`` one minus each unit's share of all that is shown."""
        return rarity(self.train.action_units[self.rows].sum(dim=0))

    @classmethod
    def estimate(
        cls, config: MaskedTraining, net: MaskedTransformer, tape: Tape, rows: Tensor
    ) -> Estimates:
        """Return probabilities of the action units."""
        outputs = net(window_features(config, tape, rows))
        return Estimates(action_units=torch.sigmoid(outputs).numpy())


def rarity(counts: Tensor) -> Tensor:
    """Return w = 1 − n / Σn of ``(K,)`` counts, the paper's class weights."""
    return 1 - counts / counts.sum()


TRAINERS: dict[str, type[MaskedTrainer]] = {
    kind.task: kind for kind in (VaTrainer, ExprTrainer, AuTrainer)
}
"""The trainer of each task."""


def train(config: MaskedTraining, inputs: Inputs, out: Path) -> Path:
    """Train on the labels of ``config.task``; see ``training.engine.loop.run``."""
    train_task, _ = trainer_functions(TRAINERS[config.task], _sets(config.task))
    return train_task(config, inputs, out)


def evaluate(checkpoint: Path, inputs: Inputs) -> dict[str, float]:
    """Return the task's challenge figures on the validation part."""
    task = load_checkpoint(checkpoint, RECIPE).config["task"]
    _, evaluate_task = trainer_functions(TRAINERS[task], _sets(task))
    return evaluate_task(checkpoint, inputs)


def _sets(task: str) -> tuple[str, ...]:
    return (task, "MTL")


PRESETS = {
    "small": MaskedTraining(),
    "paper": MaskedTraining(
        epochs=200,
        batch=268,
        hop=1,
        learning_rate=5e-5,
        schedule="constant",
        patience=3,
        average=0.0,
        face_backbone="vit:google/vit-base-patch16-224-in21k",
        frames=100,
        rate_hz=30.0,
        net=EncoderConfig(
            width=768,
            layers=6,
            heads=8,
            inner=2048,
            dropout=0.5,
            activation="relu",
            readout="flatten",
        ),
    ),
}
"""The paper's EXPR runs take batch 512 and learning_rate 1e-4."""


def trainer_of(checkpoint: Path) -> Trainable:
    """Return the trainer that wrote ``checkpoint``, so that it can label clips.

    Raises:
        DataError: The checkpoint is missing, damaged or another recipe's.
    """
    return TRAINERS[load_checkpoint(checkpoint, RECIPE).config["task"]]
