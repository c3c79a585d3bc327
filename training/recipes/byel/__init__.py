"""Bootstrap Your Emotion Latent: pre-training on drawn faces, tested on real ones."""

from __future__ import annotations

from pathlib import Path

from training.engine.checkpoint import load_checkpoint
from training.engine.config import from_plain
from training.engine.loop import run
from training.inputs import Inputs
from training.models.byel import ByelNet
from training.recipes.byel.pictures import real_pictures, synthetic_pictures
from training.recipes.byel.trainer import ByelTrainer, ByelTraining, byel_figures


def train(config: ByelTraining, inputs: Inputs, out: Path) -> Path:
    """Train on DiffusionFER; the last step counts, whatever any figure says."""
    return run(ByelTrainer(config, synthetic_pictures(inputs.data)), out)


def evaluate(checkpoint: Path, inputs: Inputs) -> dict[str, float]:
    """Return macro F1 and accuracy on FER+ ``valid``, six basic emotions."""
    config, net = load_byel(checkpoint)
    return byel_figures(net, real_pictures(inputs.data), config.size_px)


def load_byel(checkpoint: Path) -> tuple[ByelTraining, ByelNet]:
    """Return a checkpoint's settings and networks.

    Raises:
        DataError: It is missing, damaged or another recipe's.
    """
    stored = load_checkpoint(checkpoint, ByelTrainer.recipe)
    config = from_plain(ByelTraining, stored.config)
    net = ByelNet(config.net)
    net.load_state_dict(stored.average)
    return config, net.requires_grad_(False).eval()


PRESETS = {"small": ByelTraining()}
