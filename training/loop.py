"""The loop that every recipe shares: steps, averaging, selection, exact resume."""

from __future__ import annotations

import copy
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from edge_affect.errors import DataError
from training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from training.config import differing_keys, to_plain

_LOG = logging.getLogger(__name__)

WARM_UP_SHARE = 0.15
"""Share of all steps in which the learning rate climbs."""
LARGEST_GRADIENT = 5.0
"""Norm that gradients are clipped to."""


class LoopSettings(Protocol):
    """What the loop reads of a recipe's configuration."""

    @property
    def epochs(self) -> int:
        """Passes over the training part."""

    @property
    def learning_rate(self) -> float:
        """Highest rate of the one-cycle schedule."""

    @property
    def weight_decay(self) -> float:
        """AdamW's weight decay, on matrices and kernels only."""

    @property
    def average(self) -> float:
        """Decay of the weights' moving average, per step."""

    @property
    def seed(self) -> int:
        """Seed of initial weights, order and augmentation."""


SettingsT = TypeVar("SettingsT", bound=LoopSettings)
NetT = TypeVar("NetT", bound=nn.Module)


class Trainer(ABC, Generic[SettingsT, NetT]):
    """Holds what one run needs between epochs; a recipe gives batches and figures."""

    recipe: ClassVar[str]
    """Name of the recipe, stored in its checkpoints."""
    selection: ClassVar[str]
    """The figure of ``evaluate`` that the best epoch is chosen by; higher is better."""

    def __init__(self, config: SettingsT, net: NetT, steps: int) -> None:
        self.config = config
        self.net = net
        self.steps = steps
        self.average = copy.deepcopy(net).requires_grad_(False).eval()
        trained = [p for p in net.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            [
                {
                    "params": [p for p in trained if p.ndim > 1],
                    "weight_decay": config.weight_decay,
                },
                {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=config.learning_rate,
        )

    @abstractmethod
    def losses(self, random: torch.Generator) -> Iterator[Tensor]:
        """Yield the loss of each of the epoch's ``steps`` batches."""

    @abstractmethod
    def evaluate(self) -> dict[str, float]:
        """Return the averaged network's figures on the selection part."""

    def rate(self, step: int) -> float:
        """Return the one-cycle learning rate at global ``step``."""
        share = step / max(1, self.config.epochs * self.steps)
        if share < WARM_UP_SHARE:
            return self.config.learning_rate * (0.05 + 0.95 * share / WARM_UP_SHARE)
        fall = (share - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)
        return self.config.learning_rate * 0.5 * (1 + math.cos(math.pi * fall))

    def train_epoch(self, epoch: int) -> None:
        """Run one pass; the same ``epoch`` and weights always give the same result.

        Raises:
            DataError: The loss became NaN or infinite.
        """
        seed = self.config.seed * 100_003 + epoch
        random = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.net.train()
        progress = tqdm(
            self.losses(random),
            desc=f"{self.recipe} {epoch + 1}/{self.config.epochs}",
            total=self.steps,
            leave=False,
            disable=None,
        )
        for step, loss in enumerate(progress):
            if not torch.isfinite(loss):
                raise DataError(
                    f"{self.recipe}: the loss became {loss.detach().item()} at epoch "
                    f"{epoch + 1}; the last checkpoint is intact; lower "
                    "learning_rate and start again"
                )
            self._update(loss, self.rate(epoch * self.steps + step))

    def _update(self, loss: Tensor, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), LARGEST_GRADIENT)
        self.optimizer.step()
        update_average(self.average, self.net, self.config.average)


@torch.no_grad()
def update_average(average: nn.Module, net: nn.Module, decay: float) -> None:
    """Move ``average`` towards ``net``; counters are copied as they are."""
    for held, new in zip(
        average.state_dict().values(), net.state_dict().values(), strict=True
    ):
        if held.is_floating_point():
            held.lerp_(new, 1 - decay)
        else:
            held.copy_(new)


def run(trainer: Trainer[Any, Any], out: Path) -> Path:
    """Train, or go on from where ``out`` stopped; return the best checkpoint's path.

    ``out`` receives ``last.safetensors`` after every epoch and ``best.safetensors``
    whenever the selection figure rises.

    Raises:
        DataError: The loss is not finite, a checkpoint cannot be written, or the one
            in ``out`` was trained with other settings.
    """
    last, best = out / "last.safetensors", out / "best.safetensors"
    best_key = f"best_{trainer.selection}"
    first, best_figure = 0, -math.inf
    if last.exists():
        resumed = load_checkpoint(last, trainer.recipe)
        _restore(trainer, resumed, last)
        first, best_figure = resumed.epoch, resumed.metrics[best_key]
    for epoch in range(first, trainer.config.epochs):
        trainer.train_epoch(epoch)
        figures = {f"dev_{name}": value for name, value in trainer.evaluate().items()}
        figure = figures[f"dev_{trainer.selection}"]
        is_best = figure >= best_figure
        figures[best_key] = best_figure = max(best_figure, figure)
        if is_best:
            save_checkpoint(best, _checkpoint(trainer, epoch + 1, figures, {}))
        state = optimizer_tensors(trainer.optimizer)
        save_checkpoint(last, _checkpoint(trainer, epoch + 1, figures, state))
        told = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
        _LOG.info("%s epoch %d: %s", trainer.recipe, epoch + 1, told)
    return best


def _checkpoint(
    trainer: Trainer[Any, Any],
    epochs: int,
    figures: dict[str, float],
    optimizer: dict[str, Tensor],
) -> Checkpoint:
    return Checkpoint(
        trainer.recipe,
        to_plain(trainer.config),
        epochs,
        trainer.net.state_dict(),
        trainer.average.state_dict(),
        optimizer,
        figures,
    )


def _restore(trainer: Trainer[Any, Any], resumed: Checkpoint, path: Path) -> None:
    other = differing_keys(trainer.config, resumed.config)
    if other:
        raise DataError(
            f"{path}: was trained with another {', '.join(other)}; "
            "give another --out or remove it"
        )
    trainer.net.load_state_dict(resumed.model)
    trainer.average.load_state_dict(resumed.average)
    restore_optimizer(trainer.optimizer, resumed.optimizer)
