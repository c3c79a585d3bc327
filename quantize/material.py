"""Training material that ranges are taken from and quantized weights are tuned on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from edge_affect.errors import DataError
from edge_affect.sensing.logmel import logmel
from training.data.diffusionfer import load_diffusionfer
from training.data.emodb import load_emodb, read_speech
from training.data.ferplus import load_ferplus
from training.models.affect import AffectInput, AffectNet
from training.models.face import INPUT_PX, FaceNet
from training.models.voice import HOP_COLUMNS, MELS, VoiceNet

CALIBRATION_PICTURES = 1024
"""Pictures that the face network's ranges are taken from."""
CALIBRATION_UTTERANCES = 48
"""Utterances for the voice network; each is cut or repeated to ``CLIP_HOPS``."""
CLIP_HOPS = 30
"""Length of a voice clip, hops of 100 ms."""
BATCH = 64
"""Items in a batch."""

Arguments = tuple[Any, ...]
"""What one call of a network takes."""


@dataclass(frozen=True, slots=True)
class Batches:
    """Inputs of a network, ready to be called with."""

    calls: tuple[Arguments, ...]
    """Arguments of one call each."""

    def __post_init__(self) -> None:
        if not self.calls:
            raise DataError(
                "calibration: got no items, expected at least one batch; look at the "
                "data root"
            )
        for number, call in enumerate(self.calls):
            if not all(torch.isfinite(t).all() for t in _tensors(call)):
                raise DataError(
                    f"calibration: batch {number} holds NaN or infinite values, "
                    "expected finite ones; repair the data"
                )

    def run(self, net: nn.Module, told: str) -> None:
        """Call ``net`` with each of them, without gradients; ``told`` says what for."""
        with torch.no_grad():
            for call in tqdm(self.calls, desc=told, leave=False, disable=None):
                net(*call)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, AffectInput):
        return [getattr(value, name) for name in value.__slots__]
    if isinstance(value, tuple):
        return [tensor for part in value for tensor in _tensors(part)]
    return []


def face_batches(root: Path, _: nn.Module) -> Batches:
    """Return FER+ and DiffusionFER training pictures as ``(B, 1, 56, 56)`` luma.

    Raises:
        DataError: A set is missing or damaged.
    """
    luma = training_luma(root, CALIBRATION_PICTURES)
    return Batches(tuple((part,) for part in torch.split(luma, BATCH)))


def training_luma(root: Path, count: int | None) -> Tensor:
    """Return ``(N, 1, 56, 56)`` float32 luma of training pictures, evenly chosen.

    Args:
        root: Data root.
        count: How many of FER+; None for all. DiffusionFER's come on top, an eighth as
            many.

    Raises:
        DataError: A set is missing or damaged.
    """
    parts = []
    for load, share in ((load_ferplus, 1.0), (load_diffusionfer, 1 / 8)):
        data = load(root, "train")
        wanted = None if count is None else int(count * share)
        names = _evenly(data.names, wanted)
        parts.append(data.archive.read(names, INPUT_PX // 2, grey=True))
    return torch.from_numpy(np.concatenate(parts))[:, None].float()


def _evenly(names: Sequence[str], count: int | None) -> list[str]:
    if count is None or count >= len(names):
        return list(names)
    rows = np.linspace(0, len(names) - 1, count).round().astype(np.int64)
    return [names[row] for row in rows]


def voice_batches(root: Path, net: nn.Module) -> Batches:
    """Return log-mel clips of EmoDB's training speakers and the state before them.

    Raises:
        DataError: The set is missing or damaged.
    """
    if not isinstance(net, VoiceNet):
        raise TypeError(f"net: got {type(net).__name__}, expected VoiceNet")
    utterances = load_emodb(root, "train")
    chosen = [utterances[i] for i in _rows(len(utterances), CALIBRATION_UTTERANCES)]
    clips = [_clip(logmel(read_speech(utterance))) for utterance in chosen]
    mel = torch.from_numpy(np.stack(clips)) if clips else torch.empty(0)
    return Batches(
        tuple((part, net.new_state(len(part))) for part in torch.split(mel, 16))
    )


def _rows(available: int, wanted: int) -> NDArray[np.int64]:
    rows = np.linspace(0, available - 1, min(available, wanted)).round()
    return np.asarray(rows, np.int64)


def _clip(mel: NDArray[np.float32]) -> NDArray[np.float32]:
    columns = CLIP_HOPS * HOP_COLUMNS
    whole: NDArray[np.float32] = np.resize(mel, (columns, MELS))
    return whole


def affect_batches(
    root: Path, net: nn.Module, face: FaceNet, voice: VoiceNet
) -> Batches:
    """Return embeddings of training pictures and voices as sequences of cells.

    Which of the two is valid, and how old, is drawn: every combination occurs.

    Raises:
        DataError: A set is missing or damaged.
    """
    if not isinstance(net, AffectNet):
        raise TypeError(f"net: got {type(net).__name__}, expected AffectNet")
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        seen = torch.cat([face(*call)[0] for call in face_batches(root, face).calls])
        heard = torch.cat(
            [
                voice(*call)[0].embedding.flatten(0, 1)
                for call in voice_batches(root, voice).calls
            ]
        )
    calls = []
    for part in torch.split(seen, BATCH):
        rows = torch.randint(len(heard), (len(part),), generator=random)
        masks = (torch.rand(2, len(part), 1, 1, generator=random) < 0.8).float()
        ages = torch.rand(2, len(part), 1, 1, generator=random)
        given = AffectInput(
            part[:, None], heard[rows][:, None], masks[0], masks[1], ages[0], ages[1]
        )
        calls.append((given, net.new_state(len(part))))
    return Batches(tuple(calls))


BATCHES: dict[str, Callable[[Path, nn.Module], Batches]] = {
    "face": face_batches,
    "voice": voice_batches,
}
"""Graph → its calibration inputs, for graphs that need no other network."""
