"""Trains a tiny recipe on made clips and writes its losses; run under torchrun or not.

Arguments: folder of the run, file of the losses.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tests.training.clips import make_clips
from training.challenge import Estimates
from training.clips.settings import ClipTraining
from training.clips.tape import Tape
from training.clips.trainer import ClipTrainer
from training.engine import distributed
from training.engine.loop import run
from training.losses import va_loss


@dataclass(frozen=True, slots=True)
class Settings(ClipTraining):
    epochs: int = 3
    batch: int = 16
    hop: int = 2
    learning_rate: float = 1e-2
    schedule: str = "constant"
    patience: int | None = None
    weight_decay: float = 0.0
    average: float = 0.0
    seed: int = 1


class LinearTrainer(ClipTrainer[Settings, nn.Sequential]):
    recipe = "linear"
    selection = "p_va"
    task = "VA"
    config_type = Settings

    def __init__(self, config: Settings, train: Tape, dev: Tape) -> None:
        super().__init__(config, train, dev)
        self.told: list[float] = []

    @classmethod
    def new_net(cls, config: Settings, face: int, sound: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(face, 8), nn.Tanh(), nn.Linear(8, 2))

    @classmethod
    def estimate(
        cls, config: Settings, net: nn.Sequential, tape: Tape, rows: Tensor
    ) -> Estimates:
        return Estimates(valence_arousal=net(tape.face[rows]).numpy())

    def batch_loss(self, rows: Tensor, random: torch.Generator) -> Tensor:
        outputs = self.shared(self.train.face[distributed.share(rows)])
        return va_loss(distributed.gathered(outputs), self.train.valence_arousal[rows])

    def losses(self, random: torch.Generator) -> Iterator[Tensor]:
        for loss in super().losses(random):
            self.told.append(float(loss.detach()))
            yield loss


def main(out: Path, losses: Path) -> None:
    """Train and write what every step lost."""
    distributed.start()
    tapes = [Tape.join(make_clips(seed=seed)) for seed in (0, 1)]
    trainer = LinearTrainer(Settings(), *tapes)
    run(trainer, out)
    if distributed.rank() == 0:
        losses.write_text(json.dumps(trainer.told), encoding="utf-8")
    distributed.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
