"""Recipe ``cross_attention``: expression from face and sound that ask each other.

"Bi-directional Cross-Attention and Temporal Modeling", 2026, arXiv 2603.11971. What is
the paper's and what is ours stands in ``docs/recipes/cross_attention.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from edge_affect.errors import ConfigError
from edge_affect.labels import EXPRESSIONS
from training.challenge import Estimates
from training.clips.recipe import trainer_finder, trainer_functions
from training.clips.settings import ClipTraining
from training.clips.tape import Tape
from training.clips.trainer import ClipTrainer
from training.clips.windows import (
    features_at,
    past_times,
    rows_of_another_clip,
    window_rows,
)
from training.engine import distributed
from training.engine.config import check_choice
from training.features.text import text_vectors
from training.models.cross_attention import CrossAttentionNet, CrossAttentionShape

PROMPTS = tuple(
    f"a photo of a person with a {name} facial expression" for name in EXPRESSIONS
)
"""One for each class."""
CHOICES = {
    "modality": ("both", "face", "sound"),
    "fusion": ("cross", "late", "shuffled_sound"),
    "label": ("last", "centre"),
}
"""What these settings may be."""


@dataclass(frozen=True, slots=True)
class CrossAttentionConfig(ClipTraining):
    """Settings of the recipe ``cross_attention``."""

    epochs: int = 20
    batch: int = 64
    hop: int = 8
    learning_rate: float = 1e-4
    schedule: str = "cosine"
    patience: int | None = None
    average: float = 0.0
    face_backbone: str = "clip:openai/clip-vit-base-patch32"
    sound_backbone: str = "wav2vec2:facebook/wav2vec2-base"
    text: str = "clip:openai/clip-vit-base-patch32"
    """Where the class vectors come from, see ``training.features.text``."""
    text_weight: float = 0.1
    """Weight of the text loss; 0 leaves it out."""
    modality: str = "both"
    """``both``, or ``face`` or ``sound`` in both streams: as many weights for one."""
    fusion: str = "cross"
    """``cross``; ``late`` averages two streams that never meet; ``shuffled_sound`` is
    ``cross`` with the sound of another clip."""
    label: str = "last"
    """Which frame of the window is named: the ``last``, or the ``centre``, which sees
    as far ahead as back."""
    causal: bool = True
    """Whether settings that look ahead are refused."""
    frames: int = 32
    """Frames of a window."""
    spacing_s: float = 1 / 30
    """Seconds between two of them."""
    width: int = 256
    """Features of a frame inside."""
    heads: int = 4
    """Of the attention."""
    dropout: float = 0.2
    """Share dropped inside the TCN and the head."""

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            check_choice(name, getattr(self, name), choices)
        if self.causal and self.label == "centre":
            raise ConfigError(
                "label: got 'centre', which looks ahead, expected 'last' where causal "
                "is true; set causal=false for the variant that no stream can run"
            )


PRESETS = {
    "small": CrossAttentionConfig(
        epochs=8,
        batch=128,
        learning_rate=1e-3,
        schedule="one_cycle",
        patience=3,
        average=0.97,
        face_backbone="ours",
        sound_backbone="ours",
        text="prototypes",
        spacing_s=1 / 12,
        width=48,
    ),
    "paper": CrossAttentionConfig(),
}
"""``small`` runs in half a minute on one core; ``paper`` is our reconstruction."""


class CrossAttentionTrainer(ClipTrainer[CrossAttentionConfig, CrossAttentionNet]):
    """Trains on windows, each with the class of one of its frames."""

    recipe = "cross_attention"
    selection = "p_expr"
    task = "EXPR"
    config_type = CrossAttentionConfig

    def __init__(self, config: CrossAttentionConfig, train: Tape, dev: Tape) -> None:
        super().__init__(config, train, dev)
        self.class_weight = class_weights(train.expression[self.rows])

    @classmethod
    def new_net(
        cls, config: CrossAttentionConfig, face: int, sound: int
    ) -> CrossAttentionNet:
        """Return the network for features of these widths."""
        shape = CrossAttentionShape(
            seen=sound if config.modality == "sound" else face,
            heard=face if config.modality == "face" else sound,
            width=config.width,
            heads=config.heads,
            dropout=config.dropout,
            crossed=config.fusion != "late",
        )
        return CrossAttentionNet(shape, text_vectors(config.text, PROMPTS, config.seed))

    @classmethod
    def estimate(
        cls, config: CrossAttentionConfig, net: Any, tape: Tape, rows: Tensor
    ) -> Estimates:
        """Return the classes' probabilities for ``(B,)`` rows."""
        logits, _ = net(*streams(config, tape, rows))
        return Estimates(expression=functional.softmax(logits, dim=1).numpy())

    def batch_loss(self, rows: Tensor, random: torch.Generator) -> Tensor:  # noqa: ARG002
        """Return the loss of ``(B,)`` rows."""
        given = streams(self.config, self.train, distributed.share(rows))
        logits, to_text = (distributed.gathered(out) for out in self.shared(*given))
        truth = self.train.expression[rows]
        loss = functional.cross_entropy(logits, truth, self.class_weight)
        if self.config.text_weight > 0:
            loss = loss + self.config.text_weight * text_loss(to_text, truth)
        return loss


def text_loss(to_text: Tensor, truth: Tensor) -> Tensor:
    """L_txt: cross-entropy of ``(B, K)`` cosines over τ to ``(B,)`` classes, mean.

    The contrast is between the classes' texts, not between the pairs of a batch: a
    batch holds many frames of one class.
    """
    return functional.cross_entropy(to_text, truth)


def class_weights(truth: Tensor) -> Tensor:
    """Return ``(K,)`` weights, one over the share of each class in ``(N,)`` classes.

    Their mean over frames is 1; a class that never occurs has a weight of 0.
    """
    counts = torch.bincount(truth, minlength=len(EXPRESSIONS)).float()
    weights = torch.where(counts > 0, 1 / counts.clamp(min=1), 0.0)
    return weights * len(truth) / (counts > 0).sum()


def window_times(config: CrossAttentionConfig) -> Sequence[float]:
    """Return how long before the named frame each of the window's was; < 0 is later."""
    ago_s = past_times(config.frames, config.spacing_s)
    if config.label == "last":
        return ago_s
    centre = ago_s[config.frames // 2]
    return tuple(ago - centre for ago in ago_s)


def streams(
    config: CrossAttentionConfig, tape: Tape, rows: Tensor
) -> tuple[Tensor, Tensor]:
    """Return what the two streams are given for ``(B,)`` rows, ``(B, T, D)`` each.

    Before the clip's start, and after its end, features are 0.
    """
    index, inside = window_rows(tape, rows, window_times(config))
    sound_at = index
    if config.fusion == "shuffled_sound":
        sound_at = rows_of_another_clip(tape, index)
    seen = features_at(tape.face, index, inside)
    heard = features_at(tape.sound, sound_at, inside)
    if config.modality == "both":
        return seen, heard
    return (seen, seen) if config.modality == "face" else (heard, heard)


train, evaluate = trainer_functions(CrossAttentionTrainer)
trainer_of = trainer_finder(CrossAttentionTrainer)
