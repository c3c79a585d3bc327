"""The face student: FER+ votes, DiffusionFER, and what a larger face network says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edge_affect.errors import DataError
from training.engine.cache import content_key
from training.models.face import FACE_EXPRESSIONS, FaceNet
from training.models.load import TRAIN_ONLY
from training.recipes.face import FaceTrainer, affect_distance
from training.recipes.face.signals import TaughtSignals
from training.recipes.student.config import FaceStudent
from training.recipes.student.losses import known_distillation, mixed, shared_classes
from training.targets.folder import TargetFolder
from training.targets.label import picture_part
from training.targets.pictures import read_pictures
from training.targets.soft_targets import SoftTargets

_LABELLED = ("ferplus", "diffusionfer")


@dataclass(frozen=True, slots=True)
class _Soft:
    """The teacher's word on ``N`` pictures: FER+'s, DiffusionFER's, the unlabelled."""

    expression: Tensor
    """``(N, K)`` logits in the teacher's order."""
    affect: Tensor
    """``(N, 2)``."""
    embedding: Tensor
    """``(N, E)``; ``(N, 0)`` where no hint is taken from it."""

    def on(self, device: torch.device) -> _Soft:
        parts = self.expression, self.affect, self.embedding
        return _Soft(*(part.to(device) for part in parts))


class FaceStudentTrainer(FaceTrainer[FaceStudent]):
    """Adds a teacher's word to the recipe ``face``.

    The teacher saw each picture and its mirror image, the student sees it changed.
    """

    def __init__(
        self,
        config: FaceStudent,
        data_root: Path,
        targets: TargetFolder,
        signals: TaughtSignals | None = None,
    ) -> None:
        """Load pictures and targets.

        Args:
            config: The settings.
            data_root: Root of the public sets.
            targets: What the teacher says.
            signals: Faces with signals, for a network that has a head for them.

        Raises:
            DataError: A set is not usable, or the teacher has not labelled it.
        """
        sets = (*_LABELLED, *config.unlabelled)
        said = [targets.read(picture_part(name)) for name in sets]
        self.width = 0
        if config.hint_weight:
            self.width = _head(said[0], "embedding").shape[1]
        self.columns = shared_classes(FACE_EXPRESSIONS, targets.teacher.classes)
        super().__init__(config, data_root, signals)
        extra = [read_pictures(name, data_root) for name in config.unlabelled]
        names = [self.real.names, self.synthetic.names, *(e.names for e in extra)]
        self.extra = torch.from_numpy(
            np.concatenate([self.real.luma[:0].cpu().numpy(), *(e.luma for e in extra)])
        )
        picked = [one.pick(wanted) for one, wanted in zip(said, names, strict=True)]
        expression, affect = (
            torch.from_numpy(np.concatenate([_head(one, head) for one in picked]))
            for head in ("expression", "valence_arousal")
        )
        embedding = torch.empty(len(expression), 0)
        if config.hint_weight:
            heads = [_head(one, "embedding") for one in picked]
            embedding = torch.from_numpy(np.concatenate(heads))
        self.soft = _Soft(expression, affect, embedding)
        self.data += f" {content_key(self.extra, self.soft)}"
        self.extra = self.extra.to(self.device)
        self.soft = self.soft.on(self.device)

    def new_net(self, config: FaceStudent) -> FaceNet:
        """Return the network, with the map to the teacher's embedding if it is used."""
        net = super().new_net(config)
        if config.hint_weight:
            net.add_module(TRAIN_ONLY, nn.Linear(config.net.embedding, self.width))
        return net

    def batch_loss(
        self, real: Tensor, synthetic: Tensor, random: torch.Generator
    ) -> Tensor:
        """Return the mixed loss of labelled and unlabelled rows."""
        extra = self._draw_extra(random)
        parts = self.real.luma[real], self.synthetic.luma[synthetic], self.extra[extra]
        seen = self.look(torch.cat(parts), random)
        logits, affect = seen.expression, seen.affect
        labelled = len(real) + len(synthetic)
        expression, distance = self.label_losses(
            real, synthetic, logits[:labelled], affect[:labelled]
        )
        pictures = len(self.real.luma), len(self.synthetic.luma)
        rows = torch.cat([real, synthetic + pictures[0], extra + sum(pictures)])
        mine, its = self.columns
        config = self.config
        taught = known_distillation(
            logits[:, mine], self.soft.expression[rows][:, its], config.temperature
        )
        told = affect_distance(affect, self.soft.affect[rows])
        loss = mixed(expression, taught, config.kd_share)
        loss = loss + config.affect_weight * mixed(distance, told, config.kd_share)
        if config.hint_weight:
            mapped = self.net.get_submodule(TRAIN_ONLY)(seen.embedding)
            hint = functional.mse_loss(mapped, self.soft.embedding[rows])
            loss = loss + config.hint_weight * hint
        return loss + seen.signals_loss

    def _draw_extra(self, random: torch.Generator) -> Tensor:
        if len(self.extra) == 0:
            return torch.empty(0, dtype=torch.long, device=self.device)
        count = (self.config.unlabelled_batch,)
        size = len(self.extra)
        return torch.randint(size, count, generator=random, device=self.device)


def _head(targets: SoftTargets, head: str) -> NDArray[np.float32]:
    values: NDArray[np.float32] | None = getattr(targets, head)
    if values is None:
        raise DataError(
            f"targets of {targets.teacher}: have no {head}; expected a face network's: "
            "python -m training label face"
        )
    return values
