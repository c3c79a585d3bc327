"""BYEL's two stages, counted in steps, and the arms it is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edge_affect.errors import ConfigError, missing_dependency
from training.augment import AugmentConfig, augment_faces
from training.engine.cache import content_key
from training.engine.config import check_choice
from training.engine.loop import Trainer, cycle
from training.metrics import accuracy, macro_f1
from training.models.byel import ByelNet, ByelNetConfig
from training.recipes.byel.losses import (
    bootstrap_loss,
    follow,
    orthonormality_loss,
)
from training.recipes.byel.pictures import EMOTIONS, SOURCES, Pictures, enlarge

CHUNK_STEPS = 100
"""Steps between two checkpoints: what the loop calls an epoch."""
ARMS = ("supervised", "byol", "no_subtraction", "no_orthonormality", "byel")
"""What stage 1 does: nothing, BYOL alone, BYEL without one of its parts, BYEL."""
OPTIMIZERS = ("adamw", "lars")
"""AdamW through both stages; the paper's LARS, then Adam from its first moment on."""
_TRUST = 0.001
"""LARS's trust coefficient, as in the paper."""


@dataclass(frozen=True, slots=True)
class ByelTraining:
    """Settings of the recipe ``byel``."""

    arm: str = "byel"
    """One of ``ARMS``; ``supervised`` spends all steps in stage 2."""
    source: str = "diffusionfer"
    """Pictures it trains on, one of ``pictures.SOURCES``."""
    steps: int = 2000
    """Steps of both stages together, a multiple of 100."""
    stage_1_share: float = 0.4
    """Share of the steps in stage 1."""
    batch: int = 128
    """Pictures in a batch, classes drawn alike (paper: 256)."""
    size_px: int = 64
    """Side of the pictures that the encoder sees (paper: 128)."""
    learning_rate: float = 2e-3
    """Highest rate of stage 1 (paper: 0.2 with LARS)."""
    fine_rate: float = 2e-3
    """Highest rate of stage 2 (paper: 1e-4 with Adam, 100 epochs)."""
    schedule: str = "one_cycle"
    """How the rate moves, in each stage by itself: ``one_cycle`` or ``constant``."""
    optimizer: str = "adamw"
    """One of ``OPTIMIZERS``."""
    patience: int | None = None
    """Steps are fixed: nothing is stopped early, nothing is selected."""
    weight_decay: float = 0.02
    """Weight decay of AdamW or LARS; the paper's Adam has none."""
    average: float = 0.0
    """No averaged weights."""
    decay: float = 0.99
    """Decay of the target's moving average, per step (paper)."""
    seed: int = 1
    """Seed of initial weights, order and augmentation."""
    augment: AugmentConfig = field(
        default_factory=lambda: AugmentConfig(scale=0.25, degrade_share=0.5)
    )
    net: ByelNetConfig = field(default_factory=ByelNetConfig)

    @property
    def epochs(self) -> int:
        """Chunks of ``CHUNK_STEPS``."""
        return self.steps // CHUNK_STEPS

    @property
    def stage_1_steps(self) -> int:
        """Steps of stage 1."""
        share = 0.0 if self.arm == "supervised" else self.stage_1_share
        return round(self.epochs * share) * CHUNK_STEPS


class ByelTrainer(Trainer[ByelTraining, ByelNet]):
    """Holds what one run needs between chunks of steps."""

    recipe = "byel"
    selection = "steps"

    def __init__(
        self, config: ByelTraining, train: Pictures, held: Pictures | None = None
    ) -> None:
        check_choice("arm", config.arm, ARMS)
        check_choice("source", config.source, SOURCES)
        check_choice("optimizer", config.optimizer, OPTIMIZERS)
        check_choice("schedule", config.schedule, ("one_cycle", "constant"))
        if config.steps % CHUNK_STEPS:
            raise ConfigError(
                f"steps: got {config.steps}, expected a multiple of {CHUNK_STEPS}"
            )
        torch.manual_seed(config.seed)
        net = ByelNet(config.net)
        # torch's stub lacks memory_format.
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        super().__init__(config, net, CHUNK_STEPS)
        self.pictures = train
        self.held = held
        self.data = content_key(train)
        self.done = 0
        if config.optimizer == "lars":
            self.optimizer = self._lars()

    def resumed(self, figures: dict[str, float]) -> None:
        """Take up the number of steps, and the stage's optimiser."""
        self.done = int(figures["dev_steps"])
        if self.done > self.config.stage_1_steps:
            self._enter_stage_2()

    def rate(self, step: int) -> float:
        """Return the rate at ``step``: constant, or one cycle in each stage."""
        first = self.config.stage_1_steps
        if self.config.schedule == "constant":
            return self.config.learning_rate if step < first else self.config.fine_rate
        if step < first:
            return cycle(step / first) * self.config.learning_rate
        share = (step - first) / (self.config.steps - first)
        return cycle(share) * self.config.fine_rate

    def losses(self, random: torch.Generator) -> Iterator[Tensor]:
        """Yield the loss of each batch of a chunk; the target follows after each."""
        for _ in range(self.steps):
            if self.done == self.config.stage_1_steps:
                self._enter_stage_2()
            rows = self._rows(random)
            if self.done < self.config.stage_1_steps:
                yield self._stage_1(rows, random)
                self._follow()
            else:
                yield self._stage_2(rows, random)
            self.done += 1

    def _lars(self) -> torch.optim.Optimizer:
        try:
            from pytorch_optimizer import LARS
        except ImportError as error:
            raise missing_dependency("pytorch_optimizer", "train", "LARS") from error
        return LARS(
            [p for p in self.net.parameters() if p.requires_grad],
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            trust_coefficient=_TRUST,
        )

    def _enter_stage_2(self) -> None:
        """Take Adam after LARS; AdamW goes on with its moments."""
        if self.config.optimizer == "lars":
            trained = [p for p in self.net.parameters() if p.requires_grad]
            self.optimizer = torch.optim.Adam(trained, lr=self.config.fine_rate)

    def _rows(self, random: torch.Generator) -> Tensor:
        """Draw a batch in which every class is as likely."""
        counts = torch.bincount(self.pictures.labels, minlength=len(EMOTIONS))
        weights = 1.0 / counts[self.pictures.labels]
        size = self.config.batch
        return torch.multinomial(weights, size, replacement=True, generator=random)

    def _seen(self, rows: Tensor, random: torch.Generator) -> Tensor:
        luma = enlarge(self.pictures.luma[rows], self.config.size_px)
        return augment_faces(luma, self.config.augment, random)

    def _stage_1(self, rows: Tensor, random: torch.Generator) -> Tensor:
        labels, arm = self.pictures.labels[rows], self.config.arm
        subtract = arm in {"byel", "no_orthonormality"}
        seen = [self._seen(rows, random) for _ in range(2)]
        with torch.autocast("cpu", torch.bfloat16):
            first, second = (
                self.net.view(luma, labels, subtract=subtract) for luma in seen
            )
        loss = bootstrap_loss(first.prediction, second.target) + bootstrap_loss(
            second.prediction, first.target
        )
        if arm == "byol":
            return loss
        for view in (first, second):
            loss = loss + functional.cross_entropy(view.logits.float(), labels)
        if arm != "no_orthonormality":
            loss = loss + orthonormality_loss(self.net.vectors)
        return loss

    def _stage_2(self, rows: Tensor, random: torch.Generator) -> Tensor:
        seen = self._seen(rows, random)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.net(seen)
        return functional.cross_entropy(logits.float(), self.pictures.labels[rows])

    def _follow(self) -> None:
        for target, online in (
            (self.net.target_encoder, self.net.encoder),
            (self.net.target_projector, self.net.projector),
        ):
            follow(target, online, self.config.decay)

    def evaluate(self) -> dict[str, float]:
        """Return the steps done and, with a held-out fold, the figures on it."""
        figures = {"steps": float(self.done)}
        if self.held is not None:
            figures |= byel_figures(self.net, self.held, self.config.size_px)
        return figures


@torch.no_grad()
def byel_figures(net: ByelNet, pictures: Pictures, size_px: int) -> dict[str, float]:
    """Return macro F1 and accuracy over the six emotions, without augmentation."""
    was_training = net.training
    net.eval()
    parts = [net(enlarge(part, size_px)) for part in torch.split(pictures.luma, 256)]
    net.train(was_training)
    said = torch.cat(parts).argmax(1).numpy().astype(np.int64)
    truth = pictures.labels.numpy()
    return {
        "macro_f1": macro_f1(truth, said, len(EMOTIONS)),
        "accuracy": accuracy(truth, said, len(EMOTIONS)),
    }
