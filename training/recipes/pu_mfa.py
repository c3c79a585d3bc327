"""Train PU-MFA: patches of shapes made in code, selected on clouds of no test set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_affect.errors import DataError
from edge_affect.pointcloud.cloud import turned_about
from edge_affect.pointcloud.patches import neighbours_of
from training.engine.cache import content_key
from training.engine.distributed import device
from training.engine.loop import Trainer, cycle, run
from training.inputs import Inputs
from training.models.load import load_pu_mfa_net
from training.models.pu_mfa import EDGE, PAPER, PuMfaConfig, PuMfaNet
from training.pointcloud.cache import open_patches
from training.pointcloud.losses import PointLoss
from training.pointcloud.patches import PATCH, PatchPlan
from training.pointcloud.selection import Cloud, figures_of, load_clouds
from training.pointcloud.user import read_patches

RECIPE = "pu_mfa"
LOWEST_RATE = 0.01
"""Share of the highest rate that the cosine ends at."""
_FARTHEST_MIDDLE = 8.0
"""How far a cloud's middle may be from its patch's, in the patch's radii."""


@dataclass(frozen=True, slots=True)
class PuMfaTraining:
    """Settings of the recipe ``pu_mfa``; the values are those of ``edge``."""

    epochs: int = 34
    """Checkpoints and looks at the selection clouds."""
    steps: int = 300
    """Batches between two of them."""
    batch: int = 32
    """Patches in a batch."""
    learning_rate: float = 3e-3
    """Highest rate."""
    schedule: str = "cosine"
    """How the learning rate moves: down to ``LOWEST_RATE`` of it."""
    patience: int | None = None
    """Epochs without a better figure before the run stops; None stops at none."""
    weight_decay: float = 0.01
    """AdamW's weight decay."""
    average: float = 0.998
    """Decay of the weights' moving average, per step."""
    noise: float = 0.01
    """Largest standard deviation of the noise on the 256 points, of the shape's radius.
    Half of the patches have none, the others any up to it, most of them little."""
    own: str = ""
    """Folder of meshes, or PU-GAN's file of patches, to train on in place of shapes
    made in code; empty: none."""
    seed: int = 1
    """Seed of initial weights, order and noise."""
    plan: PatchPlan = field(default_factory=PatchPlan)
    loss: PointLoss = field(default_factory=PointLoss)
    net: PuMfaConfig = EDGE


class PuMfaTrainer(Trainer[PuMfaTraining, PuMfaNet]):
    """Holds what one run needs between epochs."""

    recipe = RECIPE
    selection = "gain"

    def __init__(
        self, config: PuMfaTraining, patches: NDArray[Any], clouds: list[Cloud]
    ) -> None:
        """Take ``(n,)`` of ``PATCH`` to train on, and clouds to select by.

        Raises:
            DataError: There are fewer patches than a batch has.
        """
        if patches.dtype != PATCH or len(patches) < config.batch:
            raise DataError(
                f"pu_mfa: got {len(patches)} patches, expected a batch of "
                f"{config.batch} at least; set batch lower"
            )
        self.patches = patches
        self.clouds = clouds
        torch.manual_seed(config.seed)
        net = PuMfaNet(config.net).to(device())
        # Before any training: what the learned figures are measured against.
        self.start = figures_of(net, clouds)
        super().__init__(config, net, config.steps)
        self.data = content_key(patches[:: max(1, len(patches) // 64)], clouds)

    def rate(self, step: int) -> float:
        """Return the learning rate at global ``step``."""
        share = step / (self.config.epochs * self.steps)
        down = LOWEST_RATE + (1 - LOWEST_RATE) * cycle(share, 0)
        return self.config.learning_rate * down

    def losses(self, random: torch.Generator) -> Iterator[Tensor]:
        """Yield the loss of each batch of one epoch."""
        draw = np.random.default_rng(int(torch.randint(2**31, (1,), generator=random)))
        where = next(self.net.parameters()).device
        for _ in range(self.steps):
            rows = np.sort(draw.choice(len(self.patches), self.config.batch, False))
            batch = prepared(self.patches[rows], self.config.noise, draw)
            near = _neighbours(batch[0], self.config.net.neighbours, draw)
            sparse, dense, normals = (part.to(where) for part in batch)
            made = self.net(sparse, near.to(where))
            yield self.config.loss(made, dense, normals)

    def evaluate(self) -> dict[str, float]:
        """Return the averaged network's figures on the selection clouds.

        ``gain`` is the mean of both figures' gain over the start.
        """
        found = figures_of(self.average, self.clouds)
        gains = [1 - found[name] / self.start[name] for name in found]
        return found | {"gain": float(np.mean(gains))}


def prepared(
    patches: NDArray[Any], noise: float, draw: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Return noisy sparse points, their targets and the targets' normals.

    A patch's sparse points have their centroid at 0 and the farthest at 1; its target
    is in the same coordinates.

    Args:
        patches: ``(B,)`` of ``PATCH``.
        noise: See ``PuMfaTraining``.
        draw: Of the noise.
    """
    sparse = np.array(patches["sparse"], np.float32)
    level = noise * draw.random(len(sparse)) ** 2 * (draw.random(len(sparse)) < 0.5)
    sparse += level[:, None, None] * draw.standard_normal(sparse.shape)
    middle = sparse.mean(axis=1, keepdims=True)
    reach = np.linalg.norm(sparse - middle, axis=2).max(axis=1)[:, None, None]
    dense = (np.array(patches["dense"], np.float32) - middle) / reach
    normals = np.array(patches["normals"], np.float32)
    parts = ((sparse - middle) / reach, dense, normals)
    first, second, third = (torch.from_numpy(part.astype(np.float32)) for part in parts)
    return first, second, third


def _neighbours(sparse: Tensor, count: int, draw: np.random.Generator) -> Tensor:
    """Return the neighbours of patches that lie anywhere in their clouds."""
    patches = sparse.numpy()
    axes, middles = draw.standard_normal((2, len(patches), 1, 3))
    middles /= np.linalg.norm(middles, axis=2, keepdims=True)
    middles *= draw.uniform(0, _FARTHEST_MIDDLE, (len(patches), 1, 1))
    flows = turned_about(axes, patches - middles)
    return torch.from_numpy(neighbours_of(patches, flows, count))


def train(config: PuMfaTraining, inputs: Inputs, out: Path) -> Path:
    """Train on shapes made in code, kept in ``inputs.cache``, or on a user's own."""
    if config.own:
        patches = read_patches(Path(config.own), inputs.cache, config.plan)
    else:
        patches = open_patches(inputs.cache, config.plan)
    return run(PuMfaTrainer(config, patches, load_clouds(inputs.data)), out)


def evaluate(checkpoint: Path, inputs: Inputs) -> dict[str, float]:
    """Return the checkpoint's figures on the selection clouds, and its start's."""
    net = load_pu_mfa_net(checkpoint).float()
    clouds = load_clouds(inputs.data)
    start = figures_of(PuMfaNet(net.config).eval(), clouds)
    return figures_of(net, clouds) | {f"start_{n}": v for n, v in start.items()}


PRESETS = {
    "edge": PuMfaTraining(),
    "paper": PuMfaTraining(
        batch=64, epochs=80, steps=500, learning_rate=1e-3, net=PAPER
    ),
}
