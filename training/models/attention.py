"""Attention of one stream to another."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StreamAttention(nn.Module):
    """``LN(Q + MHA(Q, K, K))``, or ``LN(MHA(Q, K, K))`` without the residual."""

    def __init__(self, width: int, heads: int, *, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, asks: Tensor, told: Tensor, *, causal: bool) -> Tensor:
        """Return ``(B, T, D)``.

        Args:
            asks: ``(B, T, D)``, the queries.
            told: ``(B, T, D)``, keys and values.
            causal: Frame t asks frames up to t alone.
        """
        hidden = _later(asks.shape[1], asks.device) if causal else None
        taken, _ = self.attention(
            asks, told, told, attn_mask=hidden, need_weights=False
        )
        found: Tensor = self.norm(asks + taken if self.residual else taken)
        return found


def _later(frames: int, device: torch.device) -> Tensor:
    """Return ``(T, T)`` bool: whether the key lies after the query."""
    return torch.ones(frames, frames, dtype=torch.bool, device=device).triu(1)
