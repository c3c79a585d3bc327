"""Bootstrap Your Emotion Latent: pre-training on drawn faces, tested on real ones."""

from __future__ import annotations

from pathlib import Path

from edge_affect.errors import DataError
from training.engine.checkpoint import load_checkpoint
from training.engine.config import from_plain
from training.engine.loop import run
from training.inputs import Inputs
from training.models.byel import ByelNet, ByelNetConfig
from training.recipes.byel.pictures import real_pictures, synthetic_pictures
from training.recipes.byel.trainer import ByelTrainer, ByelTraining, byel_figures


def train(config: ByelTraining, inputs: Inputs, out: Path) -> Path:
    """Train on drawn faces; the last step counts, whatever any figure says."""
    return run(ByelTrainer(config, synthetic_pictures(inputs.data, config.source)), out)


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
    try:
        net.load_state_dict(stored.average)
    except RuntimeError as error:
        raise DataError(
            f"{checkpoint}: its weights do not fit its settings; train it again"
        ) from error
    return config, net.requires_grad_(False).eval()


_PAPER_EPOCH = 277_000 // 256
"""Steps in a pass over the paper's pictures."""
PRESETS = {
    "small": ByelTraining(),
    "paper": ByelTraining(
        source="aff_wild2",
        steps=2 * 100 * _PAPER_EPOCH,
        stage_1_share=0.5,
        batch=256,
        size_px=128,
        learning_rate=0.2,
        fine_rate=1e-4,
        schedule="constant",
        optimizer="lars",
        weight_decay=1.5e-6,
        net=ByelNetConfig(encoder="resnet50", hidden=4096, projection=256),
    ),
}
