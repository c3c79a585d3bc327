"""Wav2Vec 2.0 and AST as frozen sound backbones that hear the past alone.

Both look both ways inside what they are given. They are given windows that end on a
grid of hops, so that a feature holds nothing later than its own end; what a window
reaches back before the sound began is silence.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.features.base import Floats, newest_by
from training.features.pretrained import (
    loaded,
    open_frozen,
    open_transformers,
    pretrained_key,
)

SAMPLE_RATE_HZ = 16_000
"""Of the sound that both take."""
_AT_ONCE = 8


class _SoundNet(ABC):
    """What both share: windows on a grid, some at a time."""

    hop_s: float
    """Seconds from one feature's end to the next one's."""
    context: int
    """Samples that a feature is computed from."""

    def __init__(self, kind: str, source: str, model: Any, extractor: Any) -> None:
        self.net = open_frozen(kind, source, model)
        self.width = int(self.net.config.hidden_size)
        self._extract = loaded(kind, source, extractor.from_pretrained)
        self._name = pretrained_key(kind, source, self.net.config)

    @property
    def key(self) -> str:
        """Names weights, revision and windows."""
        return f"{self._name}-{self.hop_s:g}s-{self.context}"

    @torch.no_grad()
    def embed(self, sound: Floats, times_s: NDArray[np.float64]) -> Floats:
        """Return ``(T, width)``: the newest window that ended by each time."""
        windows = past_windows(sound, self.hop_s, self.context)
        features = np.zeros((len(windows), self.width), np.float32)
        for start in range(0, len(windows), _AT_ONCE):
            part = windows[start : start + _AT_ONCE]
            given = self._extract(
                list(part), sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt"
            ).input_values.to(self.net.device)
            features[start : start + len(part)] = self._read(given).cpu().numpy()
        return newest_by(features, self.hop_s, times_s, self.width)

    @abstractmethod
    def _read(self, given: Tensor) -> Tensor:
        """Return ``(n, width)`` for ``n`` windows as the extractor gives them."""


class Wav2Vec2Sound(_SoundNet):
    """Wav2Vec 2.0's last layer, averaged over the newest hop; 4 s of context."""

    hop_s = 0.5
    context = 4 * SAMPLE_RATE_HZ

    def __init__(self, source: str) -> None:
        transformers = open_transformers()
        super().__init__(
            "wav2vec2",
            source,
            transformers.Wav2Vec2Model,
            transformers.Wav2Vec2FeatureExtractor,
        )

    def _read(self, given: Tensor) -> Tensor:
        hidden: Tensor = self.net(given).last_hidden_state
        newest = max(
            1, round(hidden.shape[1] * self.hop_s * SAMPLE_RATE_HZ / self.context)
        )
        return hidden[:, -newest:].mean(dim=1)


class AstSound(_SoundNet):
    """AST's pooled output of as much sound as it was trained on: 10 s."""

    hop_s = 1.0

    def __init__(self, source: str) -> None:
        transformers = open_transformers()
        super().__init__(
            "ast", source, transformers.ASTModel, transformers.ASTFeatureExtractor
        )
        # Mel columns of 25 ms every 10 ms, none of them padding.
        columns = int(self.net.config.max_length)
        self.context = (columns - 1) * SAMPLE_RATE_HZ // 100 + SAMPLE_RATE_HZ // 40

    def _read(self, given: Tensor) -> Tensor:
        pooled: Tensor = self.net(given).pooler_output
        return pooled


def past_windows(sound: Floats, hop_s: float, context: int) -> Floats:
    """Return ``(n, context)``: what was heard up to the end of each whole hop.

    Args:
        sound: ``(samples,)`` at 16 kHz.
        hop_s: Seconds of a hop.
        context: Samples of a window; before the sound began there is silence.

    The windows overlap in memory.
    """
    padded = np.concatenate([np.zeros(context, np.float32), sound])
    hop = round(hop_s * SAMPLE_RATE_HZ)
    windows: Floats = np.lib.stride_tricks.sliding_window_view(padded, context)
    return windows[hop::hop]
