"""What the affect network trains on: material embedded once by frozen networks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edge_affect.labels import EXPRESSIONS
from training.composed.compose import FacePool, Programme, Sequence
from training.composed.pools import PICTURE_SETS, Embedder, class_prior
from training.composed.simulated import SEEDS, Drive, film
from training.composed.tracks import embed_tracks
from training.data.emodb import load_emodb
from training.engine.cache import cached, file_key
from training.engine.progress import progress
from training.models.face import FACE_EXPRESSIONS, FaceNet
from training.models.load import load_face_net, load_voice_net
from training.models.voice import VoiceNet
from training.recipes.face import run_face
from training.recipes.voice import dev_speakers, read_spoken, run_voice

PARTS = ("train", "dev")
"""What trains and what selects: no picture, speaker or drive is in both."""
_TRAIN_SEEDS = 1_000_000


@dataclass(frozen=True, slots=True)
class MaterialConfig:
    """How much is embedded."""

    programmes: int = 640
    """Composed class sequences with a voice track for training."""
    dev_programmes: int = 96
    """The same for selection."""
    programme_cells: int = 270
    """Length of a programme, cells of 1/30 s."""
    copies: int = 4
    """Looks at each picture."""
    drives: int = 96
    """Filmed drives of the simulated driver for training, each another person."""
    dev_drives: int = 12
    """The same for selection."""
    drive_s: float = 15.0
    """Length of a drive, seconds."""
    dev_speakers: tuple[str, ...] = ("03",)
    """Training speakers of ``dev`` where the voice network was selected on none; it
    has heard them then, so sound looks better there than it is."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """The networks that embed, and what names material made with them."""

    face: FaceNet
    voice: VoiceNet
    dev_speakers: tuple[str, ...]
    """Training speakers that the voice network was selected on."""
    face_key: str
    """Digest of the face checkpoint."""
    voice_key: str
    """Digest of the voice checkpoint."""

    @classmethod
    def load(cls, face: Path, voice: Path) -> Frozen:
        """Load both checkpoints.

        Raises:
            DataError: One is missing, damaged or another recipe's.
        """
        return cls(
            load_face_net(face),
            load_voice_net(voice),
            dev_speakers(voice),
            file_key(face),
            file_key(voice),
        )


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that sequences of one part are made from."""

    programmes: list[Programme]
    """Composed class sequences with their voice tracks."""
    pools: tuple[FacePool, ...]
    """Where the faces of a programme come from."""
    simulated: list[Sequence]
    """Whole drives of the simulated driver; may be empty."""


@dataclass(frozen=True, slots=True)
class Gatherer:
    """Embeds the material of a part, or reads it from the cache."""

    frozen: Frozen
    root: Path
    """Data root."""
    cache: Path
    """Folder of what was embedded. It is named by checkpoints and settings, but not by
    the simulated driver's code: empty it when the driver is drawn otherwise."""
    config: MaterialConfig

    def gather(self, part: str) -> Material:
        """Return the material of ``part``, one of ``PARTS``.

        ``dev`` shows FER+'s selection part and hears the selection speakers;
        DiffusionFER has no selection part and trains only.

        Raises:
            DataError: The data root is incomplete, or the cache is damaged.
        """
        frozen = self.frozen
        embedder = Embedder(
            frozen.face, frozen.face_key, self.root, self.cache, self.config.copies
        )
        sets = PICTURE_SETS[:1] if part == "dev" else PICTURE_SETS
        pools = tuple(embedder.pool(pictures, part) for pictures in sets)
        programmes = self._programmes(part, class_prior(pools[0]))
        return Material(programmes, pools, self._drives(part))

    def _programmes(self, part: str, prior: NDArray[np.float64]) -> list[Programme]:
        is_dev = part == "dev"
        kept = self.frozen.dev_speakers or self.config.dev_speakers
        utterances = [
            utterance
            for utterance in load_emodb(self.root, "train")
            if (utterance.speaker in kept) == is_dev
        ]
        count = self.config.dev_programmes if is_dev else self.config.programmes
        first = 0 if is_dev else _TRAIN_SEEDS
        cells = self.config.programme_cells
        name = (
            f"voices-{part}-{count}x{cells}-{'+'.join(kept)}-"
            f"{self.frozen.voice_key}.npz"
        )
        tracks = cached(
            self.cache / name,
            lambda: embed_tracks(
                self.frozen.voice,
                read_spoken(utterances),
                prior,
                range(first, first + count),
                cells,
            ),
        )
        return [
            Programme(classes.astype(np.int64), voice)
            for classes, voice in zip(tracks["classes"], tracks["voices"], strict=True)
        ]

    def _drives(self, part: str) -> list[Sequence]:
        config = self.config
        count = config.dev_drives if part == "dev" else config.drives
        seeds = range(SEEDS[part], SEEDS[part] + count)
        sequences = []
        for seed in progress(seeds, "drives filmed"):
            path = self.cache / f"drive-{seed}-{config.drive_s:g}s.npz"
            drive = cached(path, partial(film, seed, config.drive_s))
            sequences.append(_watched(self.frozen, drive))
        return sequences


def _watched(frozen: Frozen, drive: Drive) -> Sequence:
    """Embed a drive by both networks."""
    classes = [EXPRESSIONS[index] for index in drive["expression"]]
    shares = np.zeros((len(classes), len(FACE_EXPRESSIONS)), np.float32)
    for cell, name in enumerate(classes):
        if name in FACE_EXPRESSIONS:
            shares[cell, FACE_EXPRESSIONS.index(name)] = 1
    return Sequence(
        run_face(frozen.face, torch.from_numpy(drive["luma"]))[0].numpy(),
        drive["shown"],
        run_voice(frozen.voice, drive["sound"]).embedding[0].numpy(),
        shares,
        drive["affect"],
    )
