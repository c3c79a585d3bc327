"""Recipe ``locator``: our own face localiser, taught by YuNet."""

from __future__ import annotations

from pathlib import Path

from training.engine.checkpoint import load_checkpoint
from training.engine.config import from_plain
from training.engine.loop import run
from training.inputs import Inputs
from training.models.load import load_locator_net
from training.recipes.locator.trainer import (
    LocatorTrainer,
    LocatorTraining,
    draw_scenes,
    find_faces,
)
from training.scenes.backdrops import CABINS, paint_cabins
from training.scenes.draw import SceneMaker
from training.scenes.faces import load_faces
from training.scenes.matches import figures_at, match_faces

__all__ = ["PRESETS", "evaluate", "train"]

PRESETS = {"default": LocatorTraining()}
REPORTED = 2_000
"""Scenes that ``evaluate`` reports on."""
_SEED = 9_001


def train(config: LocatorTraining, inputs: Inputs, out: Path) -> Path:
    """Train on the public sets under ``inputs.data``, or go on.

    See ``training.engine.loop.run``.
    """
    train_faces = load_faces(inputs.data, inputs.cache, "train")
    dev = load_faces(inputs.data, inputs.cache, "dev")
    return run(LocatorTrainer(config, train_faces, dev), out)


def evaluate(checkpoint: Path, inputs: Inputs) -> dict[str, float]:
    """Return figures on scenes with photographs that were held out.

    At the threshold that gave no false face in the scenes to select by.

    Raises:
        DataError: The checkpoint or the data root is not usable.
    """
    net = load_locator_net(checkpoint)
    stored = load_checkpoint(checkpoint, "locator")
    config = from_plain(LocatorTraining, stored.config)
    faces = load_faces(inputs.data, inputs.cache, "valid")
    cabins = paint_cabins(CABINS, CABINS + 40)
    scenes = draw_scenes(SceneMaker(config.scenes, faces, cabins), REPORTED, _SEED)
    matches = [match_faces(find_faces(net, s.luma), s.points) for s in scenes]
    found = figures_at(matches, 0.5)  # a loaded network's scores are moved there
    return {f"valid_{name}": getattr(found, name) for name in found.__slots__}
