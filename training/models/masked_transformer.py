"""A Transformer encoder over a window of frame features, some of them masked."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edge_affect.errors import ConfigError

READOUTS = ("flatten", "last")
"""All positions through one wide layer; or the newest position alone."""
MASKS = ("frame", "element")
"""What is masked at once: a frame's whole feature; or each of its values by itself."""


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Shape of the Transformer encoder."""

    width: int = 64
    """Length of a position's vector."""
    layers: int = 2
    """Encoder layers."""
    heads: int = 4
    """Attention heads."""
    inner: int = 128
    """Width of the layers between attentions."""
    dropout: float = 0.1
    """Share dropped in each encoder layer."""
    activation: str = "gelu"
    """``relu`` or ``gelu``."""
    readout: str = "last"
    """How positions become one estimate, one of ``READOUTS``."""
    flat: int = 1024
    """Width of the layer after ``flatten``."""

    def __post_init__(self) -> None:
        """Check what torch would say less clearly.

        Raises:
            ConfigError: The readout is unknown or the heads do not divide the width.
        """
        if self.readout not in READOUTS:
            raise ConfigError(
                f"net.readout: got {self.readout!r}, expected one of "
                f"{', '.join(READOUTS)}"
            )
        if self.width % self.heads or self.width % 2:
            raise ConfigError(
                f"net.heads: got {self.heads} for width {self.width}, expected a "
                "divisor of an even width"
            )


def draw_mask(
    kind: str, features: Tensor, probability: float, random: torch.Generator
) -> Tensor:
    """Return what training hides: bool, broadcastable to ``features``.

    Args:
        kind: ``frame``: ``(B, T, 1)``, a frame is hidden or not; ``element``:
            ``(B, T, D)``, each value by itself. Each draw is independent.
        features: ``(B, T, D)``.
        probability: Of being hidden.
        random: Draws.
    """
    length = 1 if kind == "frame" else features.shape[2]
    shape = (*features.shape[:2], length)
    return torch.rand(shape, generator=random) < probability


def positions(length: int, width: int) -> Tensor:
    """Return the ``(length, width)`` sinusoidal position code (Vaswani et al. 2017).

    Sine in even columns, cosine in odd ones, of position / 10000^(2i / width).
    """
    rate = torch.exp(-math.log(10_000) * torch.arange(0, width, 2) / width)
    angle = torch.arange(length)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)


class MaskedTransformer(nn.Module):
    """Reads a window of features that ends at the estimated frame.

    A feature of 0 is what a masked frame and a missing face look like; the projection's
    bias turns it into a learned vector. Positions attend to each other both ways: the
    window holds nothing later than its last frame.
    """

    def __init__(
        self, config: EncoderConfig, features: int, frames: int, outputs: int
    ) -> None:
        super().__init__()
        width = config.width
        self.project = (
            nn.Identity() if features == width else nn.Linear(features, width)
        )
        self.code: Tensor
        self.register_buffer("code", positions(frames, width), persistent=False)
        layer = nn.TransformerEncoderLayer(
            width,
            config.heads,
            config.inner,
            config.dropout,
            config.activation,
            batch_first=True,
        )
        self.encoder = nn.TransformerEncoder(
            layer, config.layers, enable_nested_tensor=False
        )
        self.readout = (
            _Flatten(frames * width, config.flat, outputs)
            if config.readout == "flatten"
            else _Last(width, outputs)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(B, outputs)`` for ``(B, T, D)`` features, oldest first."""
        encoded = self.encoder(self.project(features) + self.code)
        out: Tensor = self.readout(encoded)
        return out


class _Flatten(nn.Sequential):
    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__(
            nn.Flatten(),
            nn.Linear(inputs, width),
            nn.BatchNorm1d(width),
            nn.Linear(width, outputs),
        )


class _Last(nn.Module):
    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs))

    def forward(self, encoded: Tensor) -> Tensor:
        out: Tensor = self.head(encoded[:, -1])
        return out
