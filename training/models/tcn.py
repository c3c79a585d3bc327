"""A causal temporal convolution network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional


class CausalTcn(nn.Module):
    """Residual blocks of one dilated convolution each, padded on the left alone.

    With a kernel of 3 and dilations 1, 2, 4, 8 a frame sees itself and the 30 before.
    """

    def __init__(
        self, width: int, kernel: int, dilations: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            [_Block(width, kernel, dilation, dropout) for dilation in dilations]
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Return ``(B, T, D)`` for ``(B, T, D)``."""
        for block in self.blocks:
            frames = block(frames)
        return frames


class _Block(nn.Module):
    """``x + dropout(GELU(LN(conv(x))))``."""

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.conv = nn.Conv1d(width, width, kernel, dilation=dilation)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Tensor) -> Tensor:
        past = functional.pad(frames.transpose(1, 2), (self.reach, 0))
        found = self.norm(self.conv(past).transpose(1, 2))
        out: Tensor = frames + self.dropout(functional.gelu(found))
        return out
