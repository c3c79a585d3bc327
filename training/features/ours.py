"""Our own frozen face and voice students as backbones: the preset ``small``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.engine.cache import file_key
from training.features.base import Floats, newest_by
from training.models.face import INPUT_PX, LUMA
from training.models.load import load_face_net, load_voice_net
from training.recipes.face import run_face
from training.recipes.voice import HOP_SAMPLES, run_voice

ARTIFACTS = Path(__file__).resolve().parent.parent / "artifacts"
"""Where the committed weights lie."""
_HOP_S = 0.1


class OurFace:
    """The face network's embedding of an aligned face."""

    size_px = INPUT_PX

    def __init__(self, checkpoint: Path = ARTIFACTS / "face.safetensors") -> None:
        self.net = load_face_net(checkpoint).float()
        self.key = f"ours-face-{file_key(checkpoint)}"
        self.width = self.net.config.embedding

    def embed(self, crops: NDArray[np.uint8]) -> Floats:
        """Return ``(N, E)`` for ``(N, 112, 112, 3)`` uint8 RGB."""
        luma = crops.astype(np.float32) @ np.array(LUMA, np.float32)
        side = INPUT_PX // 2
        # As the graph's first convolution: averaged down by two.
        halved = luma.reshape(-1, side, 2, side, 2).mean(axis=(2, 4))
        embedding: Floats = run_face(self.net, torch.from_numpy(halved))[0].numpy()
        return embedding


class OurVoice:
    """The voice network's embedding after each hop of 100 ms."""

    def __init__(self, checkpoint: Path = ARTIFACTS / "voice.safetensors") -> None:
        self.net = load_voice_net(checkpoint).float()
        self.key = f"ours-voice-{file_key(checkpoint)}"
        self.width = self.net.config.embedding

    def embed(self, sound: Floats, times_s: NDArray[np.float64]) -> Floats:
        """Return ``(T, E)``: the newest hop that ended by each time."""
        if len(sound) < HOP_SAMPLES:
            return np.zeros((len(times_s), self.width), np.float32)
        heard = run_voice(self.net, sound).embedding[0].numpy()
        return newest_by(heard, _HOP_S, times_s, self.width)
