"""The settings that every recipe on labelled clips has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClipTraining:
    """What the loop and ``ClipTrainer`` read; a recipe adds its own settings to it."""

    epochs: int = 8
    """Passes over the training part."""
    batch: int = 128
    """Frames in a batch, each with its window."""
    hop: int = 6
    """Frames between two that an epoch trains on; each epoch begins elsewhere."""
    learning_rate: float = 3e-3
    """Highest learning rate."""
    schedule: str = "one_cycle"
    """How the learning rate moves, one of ``training.engine.loop.SCHEDULES``."""
    patience: int | None = 4
    """Epochs without a better figure before the run stops; None stops at none."""
    weight_decay: float = 0.01
    """AdamW's weight decay, on matrices and kernels only; at 0 it is Adam."""
    average: float = 0.98
    """Decay of the weights' moving average, per step; 0 is none."""
    seed: int = 0
    """Seed of all that is drawn: initial weights, order, dropout, masks."""
    face_backbone: str = "ours"
    """Frozen network that sees, a name for ``training.features.open``."""
    sound_backbone: str = "ours"
    """Frozen network that hears, a name for ``training.features.open``."""
