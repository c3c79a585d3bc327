"""The loop that every recipe shares: steps, averaging, selection, exact resume."""

from __future__ import annotations

import copy
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from edge_affect.errors import ConfigError, DataError, UsageError
from training.engine import distributed
from training.engine.checkpoint import (
    Checkpoint,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from training.engine.config import check_choice, differences, to_plain
from training.engine.curves import Curves
from training.engine.progress import progress

_LOG = logging.getLogger(__name__)

WARM_UP_SHARE = 0.15
"""Share of all steps in which the learning rate climbs."""
LARGEST_GRADIENT = 5.0
"""Norm that gradients are clipped to."""
SCHEDULES = ("one_cycle", "cosine", "constant")
"""Rates: up and down again; down along a cosine; as it is."""


class LoopSettings(Protocol):
    """What the loop reads of a recipe's configuration."""

    @property
    def epochs(self) -> int:
        """Passes over the training part."""

    @property
    def learning_rate(self) -> float:
        """Highest rate of the one-cycle schedule."""

    @property
    def schedule(self) -> str:
        """How the rate moves, one of ``SCHEDULES``."""

    @property
    def patience(self) -> int | None:
        """Epochs without a better figure before the run stops; None stops at none."""

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
    shares_batches: ClassVar[bool] = False
    """Whether ``losses`` shares each batch among the processes of torchrun."""
    data: str
    """Digest of what it trains and selects on; a run goes on with the same alone."""
    selection: ClassVar[str]
    """The figure of ``evaluate`` that the best epoch is chosen by; higher is better."""

    def __init__(self, config: SettingsT, net: NetT, steps: int) -> None:
        check_choice("schedule", config.schedule, SCHEDULES)
        if config.epochs < 1:
            raise ConfigError(f"epochs: got {config.epochs}, expected 1 or more")
        self.config = config
        self.net = net
        self.shared = distributed.shared_out(net)
        self.steps = steps
        self.average = copy.deepcopy(net).requires_grad_(False).eval()
        trained = [p for p in net.parameters() if p.requires_grad]
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(
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
        """Yield the loss of each of the epoch's ``steps`` batches.

        Under torchrun forward ``self.shared`` on ``distributed.share`` of the batch
        and take the loss of the ``distributed.gathered`` outputs.
        """

    @abstractmethod
    def evaluate(self) -> dict[str, float]:
        """Return the averaged network's figures on the selection part."""

    def resumed(self, figures: dict[str, float]) -> None:
        """Take up what the recipe itself kept in the last epoch's figures.

        The optimiser's state is restored after it.
        """

    def title(self) -> str:
        """Return what the run is called in its log: the recipe, or a stage of it."""
        return self.recipe

    def rate(self, step: int) -> float:
        """Return the learning rate at global ``step``."""
        highest, schedule = self.config.learning_rate, self.config.schedule
        if schedule == "constant":
            return highest
        share = step / max(1, self.config.epochs * self.steps)
        warm_up = WARM_UP_SHARE if schedule == "one_cycle" else 0.0
        return highest * cycle(share, warm_up)

    def train_epoch(self, epoch: int) -> float:
        """Run one pass; the same ``epoch`` and weights always give the same result.

        Returns:
            The mean loss.

        Raises:
            DataError: The loss became NaN or infinite.
        """
        seed = self.config.seed * 100_003 + epoch
        random = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.net.train()
        told = f"{self.title()} epoch {epoch + 1} of {self.config.epochs}, batches"
        total = 0.0
        for step, loss in enumerate(progress(self.losses(random), told, self.steps)):
            value = loss.detach().item()
            if not math.isfinite(value):
                raise self._not_finite("loss", value, epoch)
            total += value
            self._update(loss, self.rate(epoch * self.steps + step), epoch)
        return total / self.steps

    def _not_finite(self, what: str, value: float, epoch: int) -> DataError:
        return DataError(
            f"{self.recipe}: the {what} became {value} at epoch {epoch + 1}; the last "
            "checkpoint is intact; lower learning_rate and start again"
        )

    def _update(self, loss: Tensor, rate: float, epoch: int) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), LARGEST_GRADIENT)
        if not torch.isfinite(norm):
            # The weights are still those of before: one such step would spoil them all.
            raise self._not_finite("gradient", float(norm), epoch)
        self.optimizer.step()
        update_average(self.average, self.net, self.config.average)


def cycle(share: float, warm_up: float = WARM_UP_SHARE) -> float:
    """Return the factor of the highest rate after ``share`` of the steps: up, down.

    Args:
        share: Steps done, 0–1.
        warm_up: Share of the steps in which the rate climbs.
    """
    if share < warm_up:
        return 0.05 + 0.95 * share / warm_up
    return 0.5 * (1 + math.cos(math.pi * (share - warm_up) / (1 - warm_up)))


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

    ``out`` receives ``last.safetensors`` after every epoch, ``best.safetensors``
    whenever the selection figure rises, and curves for TensorBoard in ``curves``. Under
    torchrun process 0 alone writes.

    Raises:
        DataError: The loss is not finite, a checkpoint cannot be written, or the one
            in ``out`` was trained with other settings.
    """
    if distributed.world_size() > 1 and not trainer.shares_batches:
        raise UsageError(
            f"torchrun: got {distributed.world_size()} processes, but {trainer.recipe} "
            "is the work of one; start it without"
        )
    so_far = _begin(trainer, out / "last.safetensors")
    best = out / "best.safetensors"
    curves = Curves(out / "curves", so_far.epoch)
    for epoch in range(so_far.epoch, trainer.config.epochs):
        if so_far.is_spent(trainer.config.patience):
            break
        so_far.epoch = epoch + 1
        loss = trainer.train_epoch(epoch)
        figures = {f"dev_{name}": value for name, value in trainer.evaluate().items()}
        figure = distributed.agreed(figures[f"dev_{trainer.selection}"])
        if math.isnan(figure):
            raise DataError(
                f"{trainer.recipe}: {trainer.selection} of the selection part is NaN "
                f"at epoch {epoch + 1}; the last checkpoint is intact; look at its "
                "labels"
            )
        is_best = so_far.tell(figure)
        figures[f"best_{trainer.selection}"] = so_far.best
        figures["best_epoch"] = so_far.best_epoch
        if distributed.rank() == 0:
            if is_best:
                save_checkpoint(best, _checkpoint(trainer, epoch + 1, figures, {}))
            state = optimizer_tensors(trainer.optimizer)
            last = _checkpoint(trainer, epoch + 1, figures, state)
            save_checkpoint(out / "last.safetensors", last)
        curves.add(epoch + 1, {"loss": loss, **figures})
        told = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
        if distributed.rank() == 0:
            _LOG.info(
                "%s epoch %d: loss %.4f, %s", trainer.title(), epoch + 1, loss, told
            )
        distributed.barrier()
    curves.close()
    return best


@dataclass(slots=True)
class _Progress:
    """How far a run has come."""

    epoch: int = 0
    """Epochs that were finished."""
    best: float = -math.inf
    """Highest selection figure."""
    best_epoch: float = 0
    """Epochs that were finished when it was reached."""

    def tell(self, figure: float) -> bool:
        """Take the newest epoch's figure; return whether it is the best one."""
        if not figure > self.best:
            return False
        self.best, self.best_epoch = figure, self.epoch
        return True

    def is_spent(self, patience: int | None) -> bool:
        """Tell whether ``patience`` epochs went by without a better figure."""
        return patience is not None and self.epoch - self.best_epoch >= patience


def _begin(trainer: Trainer[Any, Any], last: Path) -> _Progress:
    if not last.exists():
        return _Progress()
    resumed = load_checkpoint(last, trainer.recipe)
    _restore(trainer, resumed, last)
    if distributed.rank() == 0:
        _LOG.info(
            "%s: going on after epoch %d of %d",
            trainer.title(),
            resumed.epoch,
            trainer.config.epochs,
        )
    best = resumed.metrics[f"best_{trainer.selection}"]
    return _Progress(resumed.epoch, best, resumed.metrics["best_epoch"])


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
        trainer.data,
    )


def _restore(trainer: Trainer[Any, Any], resumed: Checkpoint, path: Path) -> None:
    other = differences(trainer.config, resumed.config)
    if other:
        raise DataError(
            f"{path}: was trained with other settings: {'; '.join(other)}; give "
            "another --out, or remove it to begin again (rates depend on the length "
            "of a run, so none can be made longer)"
        )
    if resumed.data != trainer.data:
        raise DataError(
            f"{path}: was trained on other data, or by another teacher; "
            "give another --out or remove it"
        )
    trainer.net.load_state_dict(resumed.model)
    trainer.average.load_state_dict(resumed.average)
    trainer.resumed(resumed.metrics)
    restore_optimizer(trainer.optimizer, resumed.optimizer)
