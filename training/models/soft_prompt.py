"""A GRU for each stream, audio aligned to vision, a gate, and a head of regions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.models.attention import StreamAttention
from training.models.text_head import TextHead


@dataclass(frozen=True, slots=True)
class SoftPromptShape:
    """Shape of the network."""

    face: int
    """Length of the face features."""
    sound: int
    """Length of the sound features."""
    width: int
    """Units of a GRU."""
    heads: int
    """Of the attention."""
    dropout: float
    """Share of the fused features dropped."""
    temperature: float
    """Where the region head's learnt temperature starts."""


class SoftPromptNet(nn.Module):
    """Valence and arousal, and the region of their plane, of each frame; causal."""

    def __init__(self, shape: SoftPromptShape, texts: Tensor) -> None:
        """Make the network for ``(K, D)`` text vectors of the regions."""
        super().__init__()
        width = shape.width
        self.see = nn.GRU(shape.face, width, batch_first=True)
        self.hear = nn.GRU(shape.sound, width, batch_first=True)
        self.align = StreamAttention(width, shape.heads, residual=False)
        self.fuse = GatedFusion(width)
        self.dropout = nn.Dropout(shape.dropout)
        self.affect = nn.Linear(width, 2)
        self.regions = TextHead(width, texts, shape.temperature, learnt=True)

    def forward(self, seen: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        """Run over a window.

        Args:
            seen: ``(B, T, Dv)``, oldest first.
            heard: ``(B, T, Da)``.

        Returns:
            ``(B, T, 2)`` valence and arousal, and ``(B, T, K)`` logits of the regions,
            from vision alone; frame t of each from frames up to t.
        """
        visual, _ = self.see(seen)
        audio, _ = self.hear(heard)
        aligned = self.align(visual, audio, causal=True)
        fused = self.dropout(self.fuse(visual, aligned))
        return torch.tanh(self.affect(fused)), self.regions(visual)


class GatedFusion(nn.Module):
    """``g⊙v + (1 − g)⊙a`` with ``g = sigmoid(W[v; a] + b)``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * width, width)

    def forward(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Return ``(..., D)`` of two ``(..., D)``."""
        gate = torch.sigmoid(self.gate(torch.cat([visual, audio], dim=-1)))
        return gate * visual + (1 - gate) * audio
