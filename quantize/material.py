"""Training material that ranges are taken from and quantized weights are tuned on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from edge_affect.errors import DataError
from edge_affect.sensing.logmel import logmel
from training.data.calibration import calibration_pictures
from training.data.emodb import load_emodb, read_speech
from training.data.photos import load_photos
from training.models.affect import AffectInput, AffectNet
from training.models.face import INPUT_PX, FaceNet
from training.models.locator import INPUT_PX as LOCATOR_PX
from training.models.voice import HOP_COLUMNS, MELS, VoiceNet

LOCATOR_PICTURES = 128
"""Photographs for the locator network."""
LOCATOR_SIDES = (1.0, 0.8, 0.6, 0.45, 0.3)
"""Longer side of those pictures in turn, over the height of what the locator sees."""
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
    luma = np.concatenate(
        [
            archive.read(names, INPUT_PX // 2, grey=True)
            for archive, names in calibration_pictures(root)
        ]
    )
    parts = torch.split(torch.from_numpy(luma)[:, None].float(), BATCH)
    return Batches(tuple((part,) for part in parts if len(part)))


def locator_batches(root: Path, _: nn.Module) -> Batches:
    """Return photographs of the training part, fitted into what the locator sees.

    Raises:
        DataError: The set is missing or damaged.
    """
    photos = load_photos(root, "train")
    chosen = [photos.names[i] for i in _rows(len(photos.names), LOCATOR_PICTURES)]
    width, height = LOCATOR_PX
    luma = np.zeros((len(chosen), height, width), np.uint8)
    sides = np.resize(LOCATOR_SIDES, len(chosen))
    originals = photos.archive.originals(chosen)
    for row, picture, side in zip(luma, originals, sides, strict=True):
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        scale = side * height / max(grey.shape)
        small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        row[: small.shape[0], : small.shape[1]] = small
    # In one call: ranges of several calls would be averaged, and faces are rare cells.
    return Batches(((torch.from_numpy(luma)[:, None].float(),),) if chosen else ())


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
    parts = torch.split(torch.from_numpy(np.stack(clips)), 16) if clips else ()
    return Batches(tuple((part, net.new_state(len(part))) for part in parts))


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
    seen, heard = embeddings(root, face, voice)
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


def embeddings(root: Path, face: FaceNet, voice: VoiceNet) -> tuple[Tensor, Tensor]:
    """Return what the affect network is shown and hears of the training material.

    Returns:
        ``(pictures, E)`` face embeddings, and ``(hops, E)`` voice embeddings, hop by
        hop and clip by clip.

    Raises:
        DataError: A set is missing or damaged.
    """
    with torch.no_grad():
        seen = [face(*call)[0] for call in face_batches(root, face).calls]
        heard = [
            voice(*call)[0].embedding.flatten(0, 1)
            for call in voice_batches(root, voice).calls
        ]
    return torch.cat(seen), torch.cat(heard)


BATCHES: dict[str, Callable[[Path, nn.Module], Batches]] = {
    "locator": locator_batches,
    "face": face_batches,
    "voice": voice_batches,
}
"""Graph → its calibration inputs, for graphs that need no other network."""
