"""Voice network: log-mel hops and carried state to speech and emotion, causal."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

HOP_COLUMNS = 10
"""Mel columns in a hop of 100 ms."""
MELS = 64
"""Mel bands."""
VOICE_STATES = ("columns", "patches", "memory", "pooled")
"""Names of the state tensors; in the graph with ``state_`` before them."""


@dataclass(frozen=True, slots=True)
class VoiceConfig:
    """Shape of the voice network."""

    channels: tuple[int, int] = (16, 24)
    """Channels of the two causal convolutions over time and frequency."""
    width: int = 64
    """Features of a hop, and of the recurrent memory."""
    embedding: int = 32
    """Length of the embedding."""
    emotions: int = 7
    """Number of emotion classes."""
    pool_s: float = 3.0
    """Time constant of the leaky pooling that emotion is read from."""
    dropout: float = 0.4
    """Share of pooled features dropped in training."""


@dataclass(frozen=True, slots=True)
class VoiceOutput:
    """What the network says at the end of each hop; ``T`` hops."""

    embedding: Tensor
    """``(B, T, E)``, not negative."""
    speech: Tensor
    """``(B, T)`` logit of speech in the hop."""
    emotion: Tensor
    """``(B, T, K)`` logits."""


class VoiceNet(nn.Module):
    """Follow a voice hop by hop; offline is the same call with more hops at once.

    Emotion is read from a leaky, gated mean of the recurrent features, which forgets
    at a fixed pace: a stream of hours has the same reach as a training clip.
    """

    def __init__(self, config: VoiceConfig) -> None:
        super().__init__()
        self.config = config
        first, second = config.channels
        width = config.width
        self.bands = nn.BatchNorm1d(MELS)
        self.first = nn.Conv2d(1, first, (3, 5), (1, 2), (0, 2), bias=False)
        self.first_norm = nn.BatchNorm2d(first)
        self.second = nn.Conv2d(first, second, (3, 5), (1, 2), (0, 2), bias=False)
        self.second_norm = nn.BatchNorm2d(second)
        self.squeeze = nn.Linear(second * MELS // 4, width)
        self.gru = nn.GRU(2 * width, width, batch_first=True)
        self.gate = nn.Linear(width, 1)
        self.dropout = nn.Dropout(config.dropout)
        self.embed = nn.Linear(width, config.embedding)
        self.speech = nn.Linear(width, 1)
        self.emotion = nn.Linear(config.embedding, config.emotions)
        self.keep = float(torch.exp(torch.tensor(-0.1 / config.pool_s)))

    def new_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Return the state of a stream that has heard nothing, as ``VOICE_STATES``."""
        first, width = self.config.channels[0], self.config.width
        return (
            torch.zeros(batch, 1, 2, MELS),
            torch.zeros(batch, first, 2, MELS // 2),
            torch.zeros(1, batch, width),
            torch.zeros(batch, 1, width + 1),
        )

    def forward(
        self, mel: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[VoiceOutput, tuple[Tensor, ...]]:
        """Run on ``(B, 10 * T, 64)`` float32 log-mel columns.

        Returns:
            The outputs at each hop's end, and the state after the last.
        """
        columns, patches, memory, pooled = state
        normed = self._normed(mel)[:, None]
        joined = torch.cat([columns, normed], dim=2)
        low = torch.relu(self.first_norm(self.first(joined)))
        stacked = torch.cat([patches, low], dim=2)
        high = torch.relu(self.second_norm(self.second(stacked)))
        heard, memory = self.gru(self._hops(high), memory)
        mean, pooled = self._pool(heard, pooled)
        embedding = torch.relu(self.embed(self.dropout(mean)))
        output = VoiceOutput(
            embedding, self.speech(heard)[..., 0], self.emotion(embedding)
        )
        return output, (joined[:, :, -2:], stacked[:, :, -2:], memory, pooled)

    def _normed(self, mel: Tensor) -> Tensor:
        if self.training:
            return torch.as_tensor(self.bands(mel.transpose(1, 2))).transpose(1, 2)
        # Written out, so that the exported graph holds no BatchNorm.
        norm = self.bands
        scale = norm.weight / torch.sqrt(_known(norm.running_var) + norm.eps)
        return mel * scale + (norm.bias - _known(norm.running_mean) * scale)

    def _hops(self, high: Tensor) -> Tensor:
        """Reduce ``(B, C, 10 T, F)`` to mean and largest features ``(B, T, 2 W)``."""
        batch, channels, columns, bands = high.shape
        flat = high.permute(0, 2, 1, 3).reshape(batch, columns, channels * bands)
        features = torch.relu(self.squeeze(flat))
        hops = features.reshape(batch, columns // HOP_COLUMNS, HOP_COLUMNS, -1)
        return torch.cat([hops.mean(dim=2), hops.amax(dim=2)], dim=2)

    def _pool(self, heard: Tensor, pooled: Tensor) -> tuple[Tensor, Tensor]:
        weight = torch.sigmoid(self.gate(heard))
        added = torch.cat([heard * weight, weight], dim=2)
        sums = []
        for hop in range(added.shape[1]):
            pooled = pooled * self.keep + added[:, hop : hop + 1]
            sums.append(pooled)
        total = torch.cat(sums, dim=1)
        return total[..., :-1] / (total[..., -1:] + 1e-3), pooled


def _known(buffer: Tensor | None) -> Tensor:
    """Tell the type checker that a norm keeps its statistics."""
    return torch.zeros(()) if buffer is None else buffer


class VoiceGraph(nn.Module):
    """The network as exported: one hop and its state in, named outputs out."""

    def __init__(self, net: VoiceNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, mel: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Run on ``(1, 10, 64)`` float32 log-mel and the state.

        Returns:
            ``embedding (1, E)``, ``speech (1, 1)`` probability, ``emotion (1, K)``
            logits and the next state.
        """
        output, following = self.net(mel, state)
        return (
            output.embedding[:, 0],
            torch.sigmoid(output.speech),
            output.emotion[:, 0],
            *following,
        )
