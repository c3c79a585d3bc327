"""What the affect network trains on: material embedded once by frozen networks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from edge_affect.errors import DataError
from edge_affect.labels import EXPRESSIONS, VOICE_EMOTIONS
from edge_affect.types import SAMPLE_RATE_HZ
from training.augment import AugmentConfig, augment_faces
from training.compose import (
    CELL_HZ,
    FacePool,
    Programme,
    Sequence,
    class_sequence,
    segments,
)
from training.data.diffusionfer import load_diffusionfer
from training.data.emodb import load_emodb
from training.data.ferplus import load_ferplus
from training.models.face import FACE_EXPRESSIONS, FaceNet
from training.models.load import load_face_net, load_voice_net
from training.models.voice import VoiceNet
from training.recipes.face import TRAIN_PX, run_face, to_class_order
from training.recipes.voice import Spoken, dev_speakers, read_spoken, run_voice
from training.simulated import SEEDS, Drive, film
from training.sound import SoundConfig, change_speech

PARTS = ("train", "dev")
"""What trains and what selects: no picture, speaker or drive is in both."""
JITTER = AugmentConfig(
    rotation_deg=8.0,
    scale=0.08,
    shift=0.05,
    gain=0.2,
    gamma=0.2,
    degrade_share=0.3,
    cover_share=0.15,
    noise=5.0,
)
"""What changes between two looks at the same face in a car. As much as this also keeps
the face network, which has seen these pictures, from being too sure of them."""
VOICE_PARTNERS = {
    "neutral": ("neutral", "boredom"),
    "anger": ("anger",),
    "disgust": ("disgust",),
    "fear": ("fear",),
    "happiness": ("happiness",),
    "sadness": ("sadness",),
}
"""Expression → voice emotions that agree; surprise and contempt have none."""
AGREEMENT = 0.7
"""Share of segments whose voice agrees with the face, where it can."""

_BATCH = 64
_TRAIN_SEEDS = 1_000_000

Arrays = dict[str, NDArray[Any]]


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
            _file_key(face),
            _file_key(voice),
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


def gather(
    frozen: Frozen, root: Path, cache: Path, part: str, config: MaterialConfig
) -> Material:
    """Embed the material of ``part``, or read it from ``cache``.

    ``dev`` shows FER+'s selection part and hears the voice's selection speakers;
    DiffusionFER has no selection part and trains only.

    Raises:
        DataError: The data root is incomplete, or the cache is damaged.
    """
    read = {"ferplus": _ferplus} if part == "dev" else _PICTURES
    pools = [
        _face_pool(
            cached(
                cache / f"{pictures}-{part}-{config.copies}-{frozen.face_key}.npz",
                partial(_embedded, frozen.face, reader, root, part, config.copies),
            )
        )
        for pictures, reader in read.items()
    ]
    is_dev = part == "dev"
    spoken = [
        s
        for s in read_spoken(load_emodb(root, "train"))
        if (s.speaker in frozen.dev_speakers) == is_dev
    ]
    count = config.dev_programmes if is_dev else config.programmes
    seeds = range(count) if is_dev else range(_TRAIN_SEEDS, _TRAIN_SEEDS + count)
    prior = class_prior(pools[0])
    shape = f"{count}x{config.programme_cells}"
    tracks = cached(
        cache / f"voices-{part}-{shape}-{frozen.voice_key}.npz",
        partial(_voices, frozen.voice, spoken, prior, seeds, config.programme_cells),
    )
    programmes = [
        Programme(classes.astype(np.int64), voice)
        for classes, voice in zip(tracks["classes"], tracks["voices"], strict=True)
    ]
    return Material(programmes, tuple(pools), _drives(frozen, cache, part, config))


def _drives(
    frozen: Frozen, cache: Path, part: str, config: MaterialConfig
) -> list[Sequence]:
    count = config.dev_drives if part == "dev" else config.drives
    seeds = range(SEEDS[part], SEEDS[part] + count)
    sequences = []
    for seed in tqdm(seeds, desc="film drives", leave=False, disable=None):
        path = cache / f"drive-{seed}-{config.drive_s:g}s.npz"
        drive = cached(path, partial(film, seed, config.drive_s))
        sequences.append(_watched(frozen, drive))
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


def cached(path: Path, make: Callable[[], Arrays]) -> Arrays:
    """Return the arrays stored at ``path``, made and stored there the first time.

    Raises:
        DataError: The file is damaged or cannot be written.
    """
    try:
        if path.exists():
            with np.load(path, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        arrays = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + ".partial")
        with unfinished.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        unfinished.replace(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a usable cache ({error}); remove it") from error
    return arrays


def _file_key(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Pictures:
    luma: NDArray[np.uint8]
    shares: NDArray[np.float32]
    affect: NDArray[np.float32]


def _ferplus(root: Path, part: str) -> _Pictures:
    data = load_ferplus(root, part)
    luma = data.archive.read(data.names, TRAIN_PX, grey=True)
    unrated = np.full((len(luma), 2), np.nan, np.float32)
    return _Pictures(luma, to_class_order(data.soft_labels), unrated)


def _diffusionfer(root: Path, part: str) -> _Pictures:
    data = load_diffusionfer(root, part)
    luma = data.archive.read(data.names, TRAIN_PX, grey=True)
    classes = [FACE_EXPRESSIONS.index(name) for name in data.expressions]
    shares = np.eye(len(FACE_EXPRESSIONS), dtype=np.float32)[classes]
    return _Pictures(luma, shares, np.stack([data.valence, data.arousal], axis=1))


_PICTURES = {"ferplus": _ferplus, "diffusionfer": _diffusionfer}


def _embedded(
    net: FaceNet,
    reader: Callable[[Path, str], _Pictures],
    root: Path,
    part: str,
    copies: int,
) -> Arrays:
    pictures = reader(root, part)
    embedding = embed_pictures(net, pictures.luma, copies, seed=1)
    return {
        "embedding": embedding,
        "shares": pictures.shares,
        "affect": pictures.affect,
    }


def embed_pictures(
    net: FaceNet, luma: NDArray[np.uint8], copies: int, seed: int
) -> NDArray[np.float32]:
    """Return ``(P, copies, E)`` embeddings: the picture as it is, then changed ones."""
    random = torch.Generator().manual_seed(seed)
    pictures = torch.from_numpy(luma)
    looks = []
    for copy in tqdm(range(copies), desc="embed pictures", leave=False, disable=None):
        parts = []
        for start in range(0, len(luma), _BATCH):
            changed = pictures[start : start + _BATCH, None].float()
            if copy:
                changed = augment_faces(changed, JITTER, random)
            with torch.autocast("cpu", torch.bfloat16):
                parts.append(run_face(net, changed[:, 0])[0].float())
        looks.append(torch.cat(parts))
    return torch.stack(looks, dim=1).numpy()


def _face_pool(arrays: Arrays) -> FacePool:
    likeliest = arrays["shares"].argmax(axis=1)
    return FacePool(
        arrays["embedding"],
        arrays["shares"],
        arrays["affect"],
        tuple(np.flatnonzero(likeliest == k) for k in range(len(FACE_EXPRESSIONS))),
    )


def class_prior(pool: FacePool) -> NDArray[np.float64]:
    """Return the classes' shares, evened out: the root of how often each occurs."""
    roots = np.sqrt(np.array([len(rows) for rows in pool.by_class], np.float64))
    prior: NDArray[np.float64] = roots / roots.sum()
    return prior


def partner(label: int, random: np.random.Generator) -> int:
    """Draw the voice emotion beside a face of class ``label``.

    A class without a partner hears any emotion, so that hearing one tells nothing
    about whether the face has a partner.
    """
    names = VOICE_PARTNERS.get(FACE_EXPRESSIONS[label], ())
    if names and random.random() < AGREEMENT:
        return VOICE_EMOTIONS.index(names[int(random.integers(len(names)))])
    return int(random.integers(len(VOICE_EMOTIONS)))


def _voices(
    net: VoiceNet,
    spoken: list[Spoken],
    prior: NDArray[np.float64],
    seeds: range,
    cells: int,
) -> Arrays:
    classes, voices = [], []
    for seed in tqdm(seeds, desc="embed voices", leave=False, disable=None):
        random = np.random.default_rng(seed)
        drawn = class_sequence(cells, prior, random)
        track = voice_track(drawn, spoken, random)
        classes.append(drawn.astype(np.float32))
        voices.append(run_voice(net, track).embedding[0].numpy())
    return {"classes": np.stack(classes), "voices": np.stack(voices)}


def voice_track(
    classes: NDArray[np.int64], spoken: list[Spoken], random: np.random.Generator
) -> NDArray[np.float32]:
    """Speak to ``(T,)`` classes, pauses between, over noise; ``(samples,)``."""
    track = np.zeros(len(classes) * SAMPLE_RATE_HZ // CELL_HZ, np.float32)
    for start, stop in segments(classes):
        emotion = partner(int(classes[start]), random)
        able = [s.sound for s in spoken if s.emotion == emotion]
        at = start * SAMPLE_RATE_HZ // CELL_HZ + int(random.integers(0, 8000))
        end = stop * SAMPLE_RATE_HZ // CELL_HZ
        while at < end and able:
            sound = able[int(random.integers(len(able)))][: end - at]
            track[at : at + len(sound)] = sound
            at += len(sound) + int(random.integers(3000, 16000))
    return change_speech(track, SoundConfig(), random)
