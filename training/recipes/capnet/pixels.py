"""Stage 1 on pixels: FER-Tuned, the paper's CNN and a dense layer, on crops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_affect.errors import DataError
from training.challenge import va_cccs
from training.data.aff_wild2 import LabelledClip, read_crops
from training.engine import distributed
from training.engine.cache import content_key
from training.engine.loop import Trainer
from training.losses import va_loss
from training.models.capnet import FerTuned, to_input
from training.recipes.capnet.config import CapnetTraining
from training.recipes.capnet.stages import RECIPE
from training.targets.soft_targets import clip_digest


@dataclass(frozen=True, slots=True)
class Crops:
    """The frames of many clips that show a face and carry valence and arousal."""

    clips: Sequence[LabelledClip]
    """Clips of one part."""
    clip: NDArray[np.int64]
    """``(N,)`` index of each frame's clip."""
    frame: NDArray[np.int64]
    """``(N,)`` index of each frame in its clip."""
    size_px: int
    """Side that the crops are read at."""

    @classmethod
    def of(cls, clips: Sequence[LabelledClip], size_px: int) -> Crops:
        """List the frames of ``clips``."""
        frames = [
            np.flatnonzero(c.present & ~np.isnan(c.valence_arousal).any(axis=1))
            for c in clips
        ]
        return cls(
            clips,
            np.repeat(np.arange(len(clips)), [len(f) for f in frames]),
            np.concatenate([*frames, np.empty(0, np.int64)]).astype(np.int64),
            size_px,
        )

    def images(self, rows: NDArray[np.int64]) -> Tensor:
        """Return ``(B, 3, S, S)`` float32 RGB in [0, 1] of ``(B,)`` rows.

        Raises:
            DataError: A picture cannot be read.
        """
        out = np.empty((len(rows), self.size_px, self.size_px, 3), np.uint8)
        for number in np.unique(self.clip[rows]):
            of_clip = np.flatnonzero(self.clip[rows] == number)
            frames = self.frame[rows[of_clip]]
            out[of_clip] = read_crops(self.clips[number], frames, self.size_px)
        return to_input(out)

    def truth(self, rows: NDArray[np.int64]) -> Tensor:
        """Return ``(B, 2)`` float32 valence and arousal of ``(B,)`` rows."""
        labels = [
            self.clips[clip].valence_arousal[frame]
            for clip, frame in zip(self.clip[rows], self.frame[rows], strict=True)
        ]
        return torch.from_numpy(np.stack(labels))


class FerTunedTrainer(Trainer[CapnetTraining, FerTuned]):
    """Trains the whole companion on the current frame; on a GPU if there is one."""

    recipe = RECIPE
    selection = "p_va"
    shares_batches = True

    def __init__(
        self,
        config: CapnetTraining,
        train: Sequence[LabelledClip],
        dev: Sequence[LabelledClip],
    ) -> None:
        self.train = Crops.of(train, config.cnn.size_px)
        self.dev = Crops.of(dev, config.cnn.size_px)
        steps = len(self.train.clip) // config.hop // config.batch
        if steps == 0 or len(self.dev.clip) == 0:
            raise DataError(
                f"{RECIPE}: got {len(self.train.clip)} and {len(self.dev.clip)} frames "
                "with a face, valence and arousal to train and select on, expected at "
                f"least hop × batch = {config.hop * config.batch} and 1"
            )
        torch.manual_seed(config.seed)
        self.device = distributed.device()
        super().__init__(config, FerTuned(config.cnn).to(self.device), steps)
        # Labels and names: reading every crop would take as long as an epoch.
        self.data = content_key([clip_digest(clip) for clip in (*train, *dev)])

    def losses(self, random: torch.Generator) -> Iterator[Tensor]:
        """Yield the L_CCC of each batch of an epoch."""
        first = int(torch.randint(self.config.hop, (1,), generator=random))
        rows = torch.arange(first, len(self.train.clip), self.config.hop)
        order = rows[torch.randperm(len(rows), generator=random)]
        size = self.config.batch // distributed.world_size() * distributed.world_size()
        for step in range(self.steps):
            batch = order[step * size : (step + 1) * size]
            images = self.train.images(distributed.share(batch).numpy())
            estimate = self.shared(images.to(self.device))
            truth = self.train.truth(batch.numpy())
            yield va_loss(distributed.gathered(estimate), truth.to(self.device))

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return P_VA on every ``hop``-th frame of the selection part."""
        rows = np.arange(0, len(self.dev.clip), self.config.hop)
        parts = [
            self.average(self.dev.images(part).to(self.device)).cpu()
            for part in np.array_split(rows, -(-len(rows) // self.config.batch))
        ]
        estimate = torch.cat(parts).numpy()
        valence, arousal = va_cccs(self.dev.truth(rows).numpy(), estimate)
        return {
            "ccc_valence": valence,
            "ccc_arousal": arousal,
            "p_va": (valence + arousal) / 2,
        }
