"""Trains a student of ``mtl_kd`` and writes its losses; run under torchrun or not.

Argument: file of the losses. Importing gives what the tests train on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from tests.training.clips import make_clips
from training.clips.tape import Tape
from training.data.aff_wild2.layout import UNI_TASK_SETS
from training.engine import distributed
from training.models.mtl_kd import MtlNet, MtlShape
from training.recipes.mtl_kd.config import MTL, MtlKdConfig, teacher_config
from training.recipes.mtl_kd.soft import soft_labels
from training.recipes.mtl_kd.trainer import StudentTrainer

SETS = (*UNI_TASK_SETS, MTL)
# Without dropout: its draws depend on how a batch is shared out.
TINY = MtlKdConfig(
    epochs=3,
    batch=8,
    hop=2,
    learning_rate=1e-2,
    average=0.5,
    sets=SETS,
    sound_past_s=1.0,
    shape=MtlShape(lstm=6, trunk=(8, 6), head=(4,), discriminator=(4,), dropout=0.0),
)


def tapes() -> tuple[Tape, Tape]:
    """Return a train and a dev part; two processes halve the batch of every set."""
    train, dev = (
        Tape.join(make_clips(8, 90, fps=(30.0,), sets=SETS, seed=seed))
        for seed in (0, 1)
    )
    return train, dev


def soft(train: Tape) -> dict[str, torch.Tensor]:
    """Return what a teacher that never learnt says."""
    torch.manual_seed(5)
    net = MtlNet(TINY.shape, 5, 3, "both", tells_set=True).eval()
    return soft_labels(teacher_config(TINY), net, train)


def told_losses() -> list[float]:
    """Return the loss of every batch of an epoch; each is followed by its step."""
    train, dev = tapes()
    trainer = StudentTrainer(TINY, train, dev, soft(train))
    told = []
    for step, loss in enumerate(trainer.losses(torch.Generator().manual_seed(0))):
        told.append(loss.item())
        trainer._update(loss, trainer.rate(step), epoch=0)
    return told


def main(losses: Path) -> None:
    """Train and write."""
    distributed.start()
    told = told_losses()
    if distributed.rank() == 0:
        losses.write_text(json.dumps(told), encoding="utf-8")
    distributed.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
