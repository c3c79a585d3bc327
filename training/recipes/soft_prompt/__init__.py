"""Recipe ``soft_prompt``: valence and arousal, helped by texts of nine regions.

"Distance-aware Soft Prompt Learning", 2026, arXiv 2603.13415. What is the paper's and
what is ours stands in ``docs/recipes/soft_prompt.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_affect.errors import ConfigError
from training.challenge import Estimates, p_va
from training.clips.recipe import trainer_finder, trainer_functions
from training.clips.settings import ClipTraining
from training.clips.tape import Tape
from training.clips.trainer import ClipTrainer, clip_figures, estimate_rows
from training.clips.windows import features_at, past_times, window_rows
from training.engine import distributed
from training.engine.config import check_choice
from training.features.text import text_vectors
from training.losses import va_loss
from training.models.soft_prompt import SoftPromptNet, SoftPromptShape
from training.recipes.soft_prompt.regions import (
    LABELS,
    PROMPTS,
    nearest_region,
    region_estimate,
    region_loss,
    soft_regions,
)

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class SoftPromptConfig(ClipTraining):
    """Settings of the recipe ``soft_prompt``."""

    epochs: int = 20
    batch: int = 32
    hop: int = 8
    learning_rate: float = 1e-4
    schedule: str = "cosine"
    patience: int | None = None
    average: float = 0.0
    face_backbone: str = "clip:openai/clip-vit-base-patch32"
    sound_backbone: str = "ast:MIT/ast-finetuned-audioset-10-10-0.4593"
    text: str = "clip:openai/clip-vit-base-patch32"
    """Where the regions' vectors come from, see ``training.features.text``."""
    labels: str = "gaussian"
    """What the region head learns, one of ``regions.LABELS``."""
    sigma: float = 1 / 3
    """Width of the Gaussian labels, in units of valence and arousal."""
    region_weight: float = 0.5
    """Weight of the regions' KL."""
    error_weight: float = 0.1
    """Weight of the squared error."""
    temperature: float = 0.07
    """Where the region head's learnt temperature starts."""
    frames: int = 64
    """Frames of a window."""
    spacing_s: float = 1 / 30
    """Seconds between two of them."""
    width: int = 256
    """Units of a GRU."""
    heads: int = 4
    """Of the attention."""
    dropout: float = 0.2
    """Share of the fused features dropped."""

    def __post_init__(self) -> None:
        check_choice("labels", self.labels, LABELS)
        if self.sigma <= 0:
            raise ConfigError(f"sigma: got {self.sigma}, expected more than 0")


PRESETS = {
    "small": SoftPromptConfig(
        epochs=8,
        hop=16,
        learning_rate=2e-3,
        schedule="one_cycle",
        patience=3,
        average=0.97,
        face_backbone="ours",
        sound_backbone="ours",
        text="prototypes",
        frames=32,
        spacing_s=1 / 12,
        width=48,
    ),
    "paper": SoftPromptConfig(),
}
"""``small`` runs in half a minute on one core; ``paper`` is our reconstruction."""


class SoftPromptTrainer(ClipTrainer[SoftPromptConfig, SoftPromptNet]):
    """Trains on all frames of windows; a frame's estimate is that of a window's end."""

    recipe = "soft_prompt"
    selection = "p_va"
    task = "VA"
    config_type = SoftPromptConfig

    @classmethod
    def new_net(cls, config: SoftPromptConfig, face: int, sound: int) -> SoftPromptNet:
        """Return the network for features of these widths."""
        shape = SoftPromptShape(
            face, sound, config.width, config.heads, config.dropout, config.temperature
        )
        return SoftPromptNet(shape, text_vectors(config.text, PROMPTS, config.seed))

    @classmethod
    def estimate(
        cls, config: SoftPromptConfig, net: Any, tape: Tape, rows: Tensor
    ) -> Estimates:
        """Return valence and arousal of ``(B,)`` rows."""
        affect, _ = net(*_features(tape, *_window(config, tape, rows)))
        return Estimates(valence_arousal=affect[:, -1].numpy())

    def batch_loss(self, rows: Tensor, random: torch.Generator) -> Tensor:  # noqa: ARG002
        """Return the loss of the windows that end at ``(B,)`` rows."""
        mine = _window(self.config, self.train, distributed.share(rows))
        given = self.shared(*_features(self.train, *mine))
        affect, regions = (distributed.gathered(out) for out in given)
        index, inside = _window(self.config, self.train, rows)
        truth = self.train.valence_arousal[index]
        known = inside & ~torch.isnan(truth).any(dim=2)
        return soft_prompt_loss(
            self.config, affect[known], regions[known], truth[known]
        )


def soft_prompt_loss(
    config: SoftPromptConfig, affect: Tensor, regions: Tensor, truth: Tensor
) -> Tensor:
    """L = L_CCC + 0.5 KL(p‖q) + 0.1 MSE, the weights as configured.

    Args:
        config: Weights and kind of labels.
        affect: ``(N, 2)`` estimates.
        regions: ``(N, 9)`` logits of q.
        truth: ``(N, 2)``, all known.
    """
    loss = va_loss(affect, truth)
    loss = loss + config.error_weight * functional.mse_loss(affect, truth)
    if config.labels == "none":
        return loss
    shares = (
        nearest_region(truth)
        if config.labels == "one_hot"
        else soft_regions(truth, config.sigma)
    )
    return loss + config.region_weight * region_loss(regions, shares)


def soft_prompt_figures(
    config: SoftPromptConfig, net: nn.Module, tape: Tape
) -> dict[str, float]:
    """Return the challenge figures, and how good the region head alone is.

    ``region_p_va`` is P_VA of Σ q_k c_k; ``region_spread_error`` is the correlation of
    the regions' spread with the estimate's absolute error: whether the spread tells an
    uncertain frame. A head that was not trained has neither.
    """
    figures = clip_figures(SoftPromptTrainer, config, net, tape)
    if config.labels == "none":
        return figures
    rows = tape.labelled("VA")
    truth = tape.valence_arousal[rows].numpy()
    said = estimate_rows(SoftPromptTrainer, config, net, tape, rows).valence_arousal
    middle, spread = _region_estimates(config, net, tape, rows)
    error = np.abs(np.asarray(said) - truth).mean(axis=1)
    return figures | {
        "region_p_va": p_va(truth, middle.numpy()),
        "region_spread_error": float(np.corrcoef(spread.numpy(), error)[0, 1]),
    }


@torch.no_grad()
def _region_estimates(
    config: SoftPromptConfig, net: nn.Module, tape: Tape, rows: Tensor
) -> tuple[Tensor, Tensor]:
    logits = [
        net(*_features(tape, *_window(config, tape, part)))[1][:, -1]
        for part in torch.split(rows, _ROWS_AT_ONCE)
    ]
    return region_estimate(torch.cat(logits))


def _window(
    config: SoftPromptConfig, tape: Tape, rows: Tensor
) -> tuple[Tensor, Tensor]:
    return window_rows(tape, rows, past_times(config.frames, config.spacing_s))


def _features(tape: Tape, index: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    seen = features_at(tape.face, index, inside)
    return seen, features_at(tape.sound, index, inside)


train, evaluate = trainer_functions(SoftPromptTrainer, figures=soft_prompt_figures)
trainer_of = trainer_finder(SoftPromptTrainer)
