"""Faces that the landmarker has labelled: action units, eyes and head pose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_affect.sensing.align import affine_from_points
from edge_affect.sources.simulated import driver_from_seed
from edge_affect.types import Frame
from training.augment import MIRROR_SHARE, AugmentConfig, augment_faces
from training.data.diffusionfer import load_diffusionfer
from training.data.photos import load_photos
from training.data.root import names_of
from training.data.signals import FACE_SIGNALS, POSE_SIGNALS
from training.engine.cache import cached, file_key, settings_key
from training.engine.progress import progress
from training.models.face import INPUT_PX, POSE_SCALE_DEG
from training.teachers.landmarker import MODEL
from training.teachers.signals import (
    LEAST_FACE_PX,
    LEAST_SCORE,
    MIRRORED_SIGNALS,
    TOLERANCE,
    taught_faces,
)

SIDE_PX = INPUT_PX // 2
"""Side of the luma picture that the network sees."""
DRIVERS, LOOKS = 300, 6
"""Simulated drivers in the training part, and pictures of each."""
_FIRST_SEED = 930_000
"""Of the drivers; far from those of any other set."""
_LOOK_NS = 3_700_000_000
"""Time from one picture of a driver to the next."""


@dataclass(frozen=True, slots=True)
class SignalFaces:
    """Aligned faces and what the teacher says of them."""

    luma: Tensor
    """``(N, 56, 56)`` uint8."""
    values: Tensor
    """``(N, 13)`` in the order of ``FACE_SIGNALS``."""
    kept: Tensor
    """``(N, 13)`` bool: the signals that the teacher holds on to when the picture is
    flipped and zoomed."""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.luma)

    def on(self, device: torch.device) -> SignalFaces:
        """Return them on ``device``."""
        return SignalFaces(*(t.to(device) for t in (self.luma, self.values, self.kept)))


def load_signals(root: Path, cache: Path, part: str) -> SignalFaces:
    """Return the faces of ``part``, labelled once and kept in ``cache``.

    Args:
        root: Data root with ``photos``, ``diffusionfer`` and both teachers.
        cache: Folder to keep them in.
        part: ``train`` (with simulated drivers) or ``dev``.

    Raises:
        DataError: A set or a teacher is missing or cannot be read.
    """
    key = settings_key(
        file_key(root / MODEL), FACE_SIGNALS, LEAST_SCORE, LEAST_FACE_PX, TOLERANCE
    )
    made = settings_key(key, DRIVERS, LOOKS)
    stored = cached(cache / f"signals-{part}-{made}.npz", lambda: _label(root, part))
    return SignalFaces(
        *(torch.from_numpy(stored[name]) for name in ("luma", "values", "kept"))
    )


def _label(root: Path, part: str) -> dict[str, NDArray[Any]]:
    luma, values, kept = [], [], []
    shown = progress(_originals(root, part), f"faces with signals, {part}")
    for face in taught_faces(root, shown):
        affine = affine_from_points(face.points, SIDE_PX)
        frame = Frame(face.picture, t_capture_ns=0, t_arrival_ns=0, index=0)
        luma.append(frame.crop(affine, (SIDE_PX, SIDE_PX), channels=1))
        values.append(face.signals.values)
        kept.append(face.signals.kept())
    return {"luma": np.stack(luma), "values": np.stack(values), "kept": np.stack(kept)}


def _originals(root: Path, part: str) -> Iterator[NDArray[np.uint8]]:
    for read in (load_photos(root, "train"), load_diffusionfer(root, "train")):
        yield from read.archive.originals(names_of(read.names, part))
    if part == "train":
        for seed in range(_FIRST_SEED, _FIRST_SEED + DRIVERS):
            driver = driver_from_seed(seed, (640, 480))
            for look in range(LOOKS):
                truth = driver.script.truth_at((look + 1) * _LOOK_NS)
                yield driver.renderer.render(truth, look)


@dataclass(frozen=True, slots=True)
class DrawnFaces:
    """Changed faces of a batch, with what they teach."""

    images: Tensor
    """``(B, 1, 56, 56)`` float32 luma."""
    values: Tensor
    """``(B, 13)``."""
    kept: Tensor
    """``(B, 13)`` bool."""
    spread: Tensor
    """``(13,)`` deviation of each signal over the training part."""

    def loss(self, told: Tensor) -> Tensor:
        """Return the mean over signals of squared error over the signal's variance.

        Args:
            told: ``(B, 13)`` of a ``FaceNet``.
        """
        apart = (told_values(told) - self.values) / self.spread
        shares = self.kept.float()
        each = (apart.square() * shares).sum(0) / shares.sum(0).clamp(min=1)
        return each.mean()


@dataclass(frozen=True, slots=True)
class TaughtSignals:
    """Faces to train on and to report on."""

    train: SignalFaces
    dev: SignalFaces

    @classmethod
    def load(cls, root: Path, cache: Path) -> TaughtSignals:
        """Label both parts, or read them back; see ``load_signals``."""
        return cls(*(load_signals(root, cache, part) for part in ("train", "dev")))

    def on(self, device: torch.device) -> TaughtSignals:
        """Return both parts on ``device``."""
        return TaughtSignals(self.train.on(device), self.dev.on(device))

    def draw(
        self, count: int, config: AugmentConfig, random: torch.Generator
    ) -> DrawnFaces:
        """Return ``count`` faces, changed; one that is mirrored turns the other way."""
        faces = self.train
        device = random.device
        rows = torch.randint(len(faces), (count,), generator=random, device=device)
        mirrored = torch.rand(count, generator=random, device=device) < MIRROR_SHARE
        luma, values = faces.luma[rows][:, None].float(), faces.values[rows]
        luma = torch.where(mirrored[:, None, None, None], luma.flip(-1), luma)
        signs = torch.from_numpy(MIRRORED_SIGNALS).to(device)
        values = torch.where(mirrored[:, None], values * signs, values)
        images = augment_faces(luma, config, random, mirrors=False)
        return DrawnFaces(images, values, faces.kept[rows], faces.values.std(0))

    @torch.no_grad()
    def figures(self, net: nn.Module) -> dict[str, float]:
        """Return Pearson's r with the teacher over ``dev``, by signal."""
        luma = self.dev.luma[:, None].float()
        told = torch.cat([net(part)[3] for part in torch.split(luma, 64)])
        return signal_correlations(told, self.dev)


def told_values(told: Tensor) -> Tensor:
    """Return ``(B, 13)`` of a ``FaceNet`` in the teacher's units."""
    poses = len(POSE_SIGNALS)
    activation = torch.sigmoid(told[:, :-poses])
    return torch.cat([activation, POSE_SCALE_DEG * told[:, -poses:]], dim=1)


def signal_correlations(told: Tensor, faces: SignalFaces) -> dict[str, float]:
    """Return Pearson's r with the teacher where it holds on to the signal."""
    values = told_values(told)
    figures = {}
    for column, name in enumerate(FACE_SIGNALS):
        held = faces.kept[:, column]
        pair = torch.stack([values[held, column], faces.values[held, column]])
        figures[f"r_{name}"] = float(torch.corrcoef(pair)[0, 1])
    return figures
