"""Train the locator: heat of the faces' middles, their widths and points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from edge_affect.sensing.faces import FaceMaps, read_faces
from edge_affect.types import Face
from training.engine.cache import content_key
from training.engine.loop import Trainer
from training.models.load import load_locator_net
from training.models.locator import LocatorConfig, LocatorNet, LocatorOutput
from training.scenes.backdrops import CABINS, paint_cabins
from training.scenes.draw import Scene, SceneConfig, SceneMaker, maps_of
from training.scenes.faces import Faces
from training.scenes.matches import match_faces, recall_at

FALSE_FACES = 0.0
"""False faces per picture that the selected recall is at: a stream looks often, and a
face that is none costs more than a small one that is found a moment later."""


@dataclass(frozen=True, slots=True)
class LocatorTraining:
    """Settings of the recipe ``locator``."""

    epochs: int = 80
    """Parts of the run; after each one the figures are taken."""
    steps: int = 200
    """Batches in an epoch."""
    batch: int = 16
    """Scenes in a batch; each is drawn anew."""
    learning_rate: float = 2e-3
    """Highest rate of the one-cycle schedule."""
    schedule: str = "one_cycle"
    """How the learning rate moves."""
    patience: int | None = None
    """Epochs without a better figure before the run stops; None stops at none."""
    weight_decay: float = 0.01
    """AdamW's weight decay."""
    average: float = 0.998
    """Decay of the weights' moving average, per step."""
    points_weight: float = 2.0
    """Weight of the points' distance, in widths, beside the heat's loss."""
    selected: int = 1000
    """Scenes that the best epoch is chosen by."""
    seed: int = 1
    """Seed of initial weights and scenes."""
    begin: str | None = None
    """Checkpoint whose weights the run begins with; None: random ones."""
    scenes: SceneConfig = field(default_factory=SceneConfig)
    net: LocatorConfig = field(default_factory=LocatorConfig)


class LocatorTrainer(Trainer[LocatorTraining, LocatorNet]):
    """Draws scenes and holds those to select by."""

    recipe = "locator"
    # Recall at so few false faces hangs on two or three of them; this does less.
    selection = "marked"

    def __init__(self, config: LocatorTraining, train: Faces, dev: Faces) -> None:
        torch.manual_seed(config.seed)
        # torch's stub lacks memory_format.
        net = LocatorNet(config.net).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if config.begin is not None:
            begun = load_locator_net(Path(config.begin))
            net.load_state_dict(begun.state_dict())
        cabins = paint_cabins(0, CABINS)
        # The last cabins are for selection alone, as the faces of dev are.
        split = CABINS * 9 // 10
        self.maker = SceneMaker(config.scenes, train, cabins[:split])
        self.dev = draw_scenes(
            SceneMaker(config.scenes, dev, cabins[split:]), config.selected, config.seed
        )
        super().__init__(config, net, config.steps)
        self.data = content_key(train, self.dev)

    def losses(self, random: torch.Generator) -> Iterator[Tensor]:
        """Yield the loss of each batch of new scenes."""
        seed = int(torch.randint(2**62, (1,), generator=random))
        draw = np.random.default_rng(seed)
        for _ in range(self.steps):
            scenes = [self.maker.draw(draw) for _ in range(self.config.batch)]
            maps = [maps_of(scene) for scene in scenes]
            luma = torch.from_numpy(np.stack([scene.luma for scene in scenes]))
            with torch.autocast("cpu", torch.bfloat16):
                output = self.net(luma[:, None].float())
            heat, values = (
                torch.from_numpy(np.stack(m)) for m in zip(*maps, strict=True)
            )
            yield locator_loss(output, heat, values, self.config.points_weight)

    def evaluate(self) -> dict[str, float]:
        """Return recall, point error and threshold on the scenes to select by."""
        found = [find_faces(self.average, scene.luma) for scene in self.dev]
        matches = [
            match_faces(faces, scene.points)
            for faces, scene in zip(found, self.dev, strict=True)
        ]
        figures = recall_at(matches, FALSE_FACES)
        return {
            "marked": figures.marked,
            "recall": figures.recall,
            "threshold": figures.threshold,
            "point_error": figures.point_error,
        }


def draw_scenes(maker: SceneMaker, count: int, seed: int) -> list[Scene]:
    """Return ``count`` scenes, the same for the same seed."""
    random = np.random.default_rng([seed, 17])
    return [maker.draw(random) for _ in range(count)]


def locator_loss(
    output: LocatorOutput, heat: Tensor, values: Tensor, points_weight: float
) -> Tensor:
    """Return the loss of a batch.

    The heat's is CenterNet's focal loss (Zhou et al., 2019, eq. 1, alpha 2, beta 4)
    per face; width and points take the absolute difference, weighed by the heat.

    Args:
        output: Of the network.
        heat: ``(B, H / 8, W / 8)``, see ``maps_of``.
        values: ``(B, 12, H / 8, W / 8)``, see ``maps_of``.
        points_weight: Of width and points.
    """
    logit = output.score[:, 0].float()
    log_p, log_q = functional.logsigmoid(logit), functional.logsigmoid(-logit)
    is_middle = heat >= 1
    hit = -((1 - log_p.exp()) ** 2) * log_p
    miss = -((1 - heat) ** 4) * log_p.exp() ** 2 * log_q
    count = is_middle.sum().clamp(min=1)
    focal = torch.where(is_middle, hit, miss).sum() / count
    share = values[:, :1]
    told = torch.cat([output.width, output.points], 1).float()
    apart = functional.smooth_l1_loss(told, values[:, 1:], reduction="none", beta=0.01)
    distance = (apart * share).sum() / (share.sum().clamp(min=1) * 11)
    return focal + points_weight * 10 * distance


@torch.no_grad()
def find_faces(net: LocatorNet, luma: NDArray[np.uint8]) -> list[Face]:
    """Return every face that the network gives for ``(H, W)`` uint8 luma."""
    output = net(torch.from_numpy(luma)[None, None].float())
    return read_faces(FaceMaps(*(part[0].numpy() for part in output)), 0.0)
