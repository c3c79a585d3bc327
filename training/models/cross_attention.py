"""Two streams through a causal TCN each, cross-attention both ways, one class."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.models.attention import StreamAttention
from training.models.tcn import CausalTcn
from training.models.text_head import TextHead

KERNEL = 3
"""Frames that a convolution of the TCN spans."""
DILATIONS = (1, 2, 4, 8)
"""Of its four blocks: 31 frames are seen."""
TEMPERATURE = 0.07
"""Of the text loss."""


@dataclass(frozen=True, slots=True)
class CrossAttentionShape:
    """Shape of the network."""

    seen: int
    """Length of the first stream's features."""
    heard: int
    """Length of the second stream's features."""
    width: int
    """Features of a frame inside."""
    heads: int
    """Of the attention."""
    dropout: float
    """Share dropped inside the TCN and the heads."""
    crossed: bool
    """Each stream asks the other one, and one head reads both. Else each asks itself
    and has a head of its own, whose logits are averaged: late fusion."""


class CrossAttentionNet(nn.Module):
    """V' = LN(V + MHA(V, A, A)), A' = LN(A + MHA(A, V, V)); then class logits.

    The newest visual token and the mean of the audio's are read. Both fusions have as
    many weights, within one in a hundred.
    """

    def __init__(self, shape: CrossAttentionShape, texts: Tensor) -> None:
        """Make the network for ``(K, D)`` text vectors of its classes."""
        super().__init__()
        self.crossed = shape.crossed
        width, classes = shape.width, len(texts)
        self.enter = nn.ModuleList(
            [nn.Linear(shape.seen, width), nn.Linear(shape.heard, width)]
        )
        self.over_time = nn.ModuleList(
            [CausalTcn(width, KERNEL, DILATIONS, shape.dropout) for _ in range(2)]
        )
        self.attend = nn.ModuleList(
            [StreamAttention(width, shape.heads, residual=True) for _ in range(2)]
        )
        read = 2 * width if shape.crossed else width
        self.heads = nn.ModuleList(
            [
                _head(read, width, classes, shape.dropout)
                for _ in range(1 if shape.crossed else 2)
            ]
        )
        self.text = TextHead(width, texts, TEMPERATURE, learnt=False)

    def forward(self, seen: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        """Run over a window.

        Args:
            seen: ``(B, T, Dv)``, oldest first.
            heard: ``(B, T, Da)``.

        Returns:
            ``(B, K)`` class logits and ``(B, K)`` logits of the mean visual token
            against the text vectors.
        """
        visual, audio = (
            tcn(enter(frames))
            for tcn, enter, frames in zip(
                self.over_time, self.enter, (seen, heard), strict=True
            )
        )
        others = (audio, visual) if self.crossed else (visual, audio)
        # All of the window is past: any of its frames may ask any other one.
        visual_found = self.attend[0](visual, others[0], causal=False)[:, -1]
        audio_found = self.attend[1](audio, others[1], causal=False).mean(dim=1)
        if self.crossed:
            logits = self.heads[0](torch.cat([visual_found, audio_found], dim=1))
        else:
            logits = (self.heads[0](visual_found) + self.heads[1](audio_found)) / 2
        return logits, self.text(visual.mean(dim=1))


def _head(read: int, width: int, classes: int, dropout: float) -> nn.Module:
    return nn.Sequential(
        nn.Linear(read, width),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(width, classes),
    )
