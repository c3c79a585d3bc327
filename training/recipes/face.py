"""Train the face network: FER+ votes, and DiffusionFER's valence and arousal."""

from __future__ import annotations

import copy
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from edge_affect.errors import DataError
from edge_affect.labels import EXPRESSION_NAMES
from training.augment import AugmentConfig, augment_faces
from training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from training.data.diffusionfer import load_diffusionfer
from training.data.ferplus import VOTE_NAMES, load_ferplus
from training.losses import ccc_loss, soft_cross_entropy
from training.models.face import FaceConfig, FaceNet

_LOG = logging.getLogger(__name__)

RECIPE = "face"
FACE_EXPRESSIONS = tuple(n for n in EXPRESSION_NAMES if n in VOTE_NAMES)
"""The classes of the expression head, in the order of ``EXPRESSION_NAMES``."""
TRAIN_PX = 56
"""Side of the luma picture that the network sees: half of the graph's input."""


@dataclass(frozen=True, slots=True)
class FaceTraining:
    """Settings of the recipe ``face``."""

    epochs: int = 30
    """Passes over FER+'s training part."""
    batch: int = 112
    """FER+ pictures in a batch."""
    synthetic_batch: int = 24
    """DiffusionFER pictures in a batch."""
    learning_rate: float = 2e-3
    """Highest rate of the one-cycle schedule."""
    weight_decay: float = 0.02
    """AdamW's weight decay."""
    average: float = 0.998
    """Decay of the weights' moving average, per step."""
    affect_weight: float = 1.0
    """Weight of the valence and arousal loss."""
    seed: int = 1
    """Seed of initial weights, order and augmentation."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    net: FaceConfig = field(default_factory=FaceConfig)


@dataclass(frozen=True, slots=True)
class _Examples:
    luma: Tensor
    shares: Tensor
    affect: Tensor


def to_class_order(votes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reorder ``(B, 8)`` from FER+'s table order to ``FACE_EXPRESSIONS``."""
    return votes[:, [VOTE_NAMES.index(name) for name in FACE_EXPRESSIONS]]


def _load_ferplus(root: Path, part: str) -> _Examples:
    data = load_ferplus(root, part)
    luma = data.archive.read(data.names, TRAIN_PX, grey=True)
    shares = torch.from_numpy(to_class_order(data.soft_labels))
    return _Examples(torch.from_numpy(luma), shares, torch.empty(0))


def _load_synthetic(root: Path) -> _Examples:
    data = load_diffusionfer(root, "train")
    luma = data.archive.read(data.names, TRAIN_PX, grey=True)
    index = torch.tensor([FACE_EXPRESSIONS.index(name) for name in data.expressions])
    shares = functional.one_hot(index, len(FACE_EXPRESSIONS)).float()
    affect = np.stack([data.valence, data.arousal], axis=1)
    return _Examples(torch.from_numpy(luma), shares, torch.from_numpy(affect))


class FaceTrainer:
    """Holds what one run needs between epochs."""

    def __init__(self, config: FaceTraining, data_root: Path) -> None:
        self.config = config
        torch.manual_seed(config.seed)
        self.net = FaceNet(config.net).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.net).requires_grad_(False).eval()
        self.real = _load_ferplus(data_root, "train")
        self.dev = _load_ferplus(data_root, "dev")
        self.synthetic = _load_synthetic(data_root)
        decay = [p for p in self.net.parameters() if p.ndim > 1]
        plain = [p for p in self.net.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decay, "weight_decay": config.weight_decay},
                {"params": plain, "weight_decay": 0.0},
            ],
            lr=config.learning_rate,
        )
        self.steps = len(self.real.luma) // config.batch

    def rate(self, step: int) -> float:
        """Return the one-cycle learning rate at global ``step``."""
        total = self.config.epochs * self.steps
        share = step / max(1, total)
        if share < 0.15:
            return self.config.learning_rate * (0.05 + 0.95 * share / 0.15)
        fall = (share - 0.15) / 0.85
        return self.config.learning_rate * float(0.5 * (1 + np.cos(np.pi * fall)))

    def train_epoch(self, epoch: int) -> None:
        """Run one pass; the same ``epoch`` and weights always give the same result."""
        random = torch.Generator().manual_seed(self.config.seed * 100_003 + epoch)
        torch.manual_seed(self.config.seed * 100_003 + epoch)
        self.net.train()
        order = torch.randperm(len(self.real.luma), generator=random)
        progress = tqdm(range(self.steps), desc=f"face {epoch + 1}", leave=False)
        for step in progress:
            rate = self.rate(epoch * self.steps + step)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            size = self.config.batch
            real = order[step * size : (step + 1) * size]
            synthetic = torch.randint(
                len(self.synthetic.luma),
                (self.config.synthetic_batch,),
                generator=random,
            )
            loss = self._loss(real, synthetic, random)
            if not torch.isfinite(loss):
                raise DataError(
                    f"face: the loss became {float(loss)} at epoch {epoch + 1}; the "
                    "last checkpoint is intact; lower learning_rate and start again"
                )
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
            self.optimizer.step()
            update_average(self.average, self.net, self.config.average)
            progress.set_postfix(loss=f"{float(loss):.3f}")

    def _loss(self, real: Tensor, synthetic: Tensor, random: torch.Generator) -> Tensor:
        luma = torch.cat([self.real.luma[real], self.synthetic.luma[synthetic]])
        images = augment_faces(luma[:, None].float(), self.config.augment, random)
        with torch.autocast("cpu", torch.bfloat16):
            _, logits, affect = self.net(images)
        shares = torch.cat([self.real.shares[real], self.synthetic.shares[synthetic]])
        shares = 0.95 * shares + 0.05 / shares.shape[1]
        expression = soft_cross_entropy(logits.float(), shares)
        estimate = affect[len(real) :].float()
        truth = self.synthetic.affect[synthetic]
        affect_loss = functional.mse_loss(estimate, truth) + 0.25 * (
            ccc_loss(estimate[:, 0], truth[:, 0])
            + ccc_loss(estimate[:, 1], truth[:, 1])
        )
        return expression + self.config.affect_weight * affect_loss

    @torch.no_grad()
    def accuracy(self) -> float:
        """Return the averaged network's accuracy on FER+'s selection part."""
        hits = 0
        labels = self.dev.shares.argmax(1)
        for start in range(0, len(labels), 512):
            luma = self.dev.luma[start : start + 512, None].float()
            _, logits, _ = self.average(luma)
            hits += int((logits.argmax(1) == labels[start : start + 512]).sum())
        return hits / len(labels)


@torch.no_grad()
def update_average(average: torch.nn.Module, net: torch.nn.Module, decay: float) -> None:
    """Move ``average`` towards ``net``; counters are copied as they are."""
    for held, new in zip(
        average.state_dict().values(), net.state_dict().values(), strict=True
    ):
        if held.is_floating_point():
            held.lerp_(new, 1 - decay)
        else:
            held.copy_(new)


def train_face(config: FaceTraining, data_root: Path, out: Path) -> Path:
    """Train, or go on from where ``out`` stopped; return the best checkpoint's path.

    ``out`` receives ``last.safetensors`` after every epoch and ``best.safetensors``
    whenever the selection part's accuracy rises.

    Raises:
        DataError: The data root is incomplete, the loss is not finite, or a
            checkpoint cannot be written.
    """
    trainer = FaceTrainer(config, data_root)
    last, best = out / "last.safetensors", out / "best.safetensors"
    first, best_accuracy = 0, 0.0
    if last.exists():
        resumed = load_checkpoint(last, RECIPE)
        if resumed.config != asdict(config):
            raise DataError(
                f"{last}: was trained with other settings; give another --out or "
                "remove it"
            )
        trainer.net.load_state_dict(resumed.model)
        trainer.average.load_state_dict(resumed.average)
        restore_optimizer(trainer.optimizer, resumed.optimizer)
        first, best_accuracy = resumed.epoch, resumed.metrics["best_accuracy"]
    for epoch in range(first, config.epochs):
        trainer.train_epoch(epoch)
        accuracy = trainer.accuracy()
        best_accuracy = max(best_accuracy, accuracy)
        checkpoint = Checkpoint(
            RECIPE,
            asdict(config),
            epoch + 1,
            trainer.net.state_dict(),
            trainer.average.state_dict(),
            optimizer_tensors(trainer.optimizer),
            {"dev_accuracy": accuracy, "best_accuracy": best_accuracy},
        )
        save_checkpoint(last, checkpoint)
        if accuracy == best_accuracy:
            finished = Checkpoint(
                RECIPE,
                checkpoint.config,
                epoch + 1,
                checkpoint.model,
                checkpoint.average,
                {},
                checkpoint.metrics,
            )
            save_checkpoint(best, finished)
        _LOG.info("face epoch %d: dev accuracy %.4f", epoch + 1, accuracy)
    return best
