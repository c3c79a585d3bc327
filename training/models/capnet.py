"""CAPNet: a grouped-convolution CNN with attention, and an LSTM over past faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class CnnConfig:
    """Shape of the network that sees one face. The defaults are the paper's."""

    size_px: int = 224
    """Side of the square pictures."""
    depths: tuple[int, ...] = (3, 4, 6, 3)
    """Residual blocks of each stage; each stage after the first halves the picture."""
    widths: tuple[int, ...] = (64, 128, 256, 512)
    """Channels of each stage; the stem has the first one's, the feature the last's."""
    groups: int = 32
    """Groups of each block's second convolution."""
    reduction: int = 4
    """How much narrower channel attention's inner layer is."""


class _ChannelAttention(nn.Module):
    """Squeeze and excitation: a weight for each channel."""

    def __init__(self, width: int, reduction: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, width // reduction, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // reduction, width, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x * self.weigh(x)
        return out


class _SpatialAttention(nn.Module):
    """A weight for each place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(nn.Conv2d(width, 1, 3, 1, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x * self.weigh(x)
        return out


class _Block(nn.Module):
    """3×3, grouped 3×3, shortcut; then both attentions side by side, added."""

    def __init__(self, inputs: int, width: int, stride: int, config: CnnConfig) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(inputs, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, 1, 1, groups=config.groups, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )
        self.channels = _ChannelAttention(width, config.reduction)
        self.places = _SpatialAttention(width)

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.relu(self.path(x) + self.shortcut(x))
        out: Tensor = self.channels(joined) + self.places(joined)
        return out


class CapnetCnn(nn.Module):
    """The paper's residual CNN: one face to one feature."""

    def __init__(self, config: CnnConfig) -> None:
        super().__init__()
        width = config.widths[0]
        layers: list[nn.Module] = [
            nn.Conv2d(3, width, 7, 2, 3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        ]
        for stage, depth in enumerate(config.depths):
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(_Block(width, config.widths[stage], stride, config))
                width = config.widths[stage]
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        """Return ``(B, widths[-1])`` for ``(B, 3, S, S)`` float32 RGB in [0, 1]."""
        out: Tensor = self.layers(image).mean(dim=(2, 3))
        return out


def to_input(crops: NDArray[np.uint8]) -> Tensor:
    """Return ``(B, 3, S, S)`` float32 in [0, 1] of ``(B, S, S, 3)`` uint8 RGB."""
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255


class AffectHead(nn.Sequential):
    """Dense layer and tanh: ``(B, width)`` to ``(B, 2)`` valence and arousal."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(width, 2), nn.Tanh())


class FerTuned(nn.Module):
    """The companion on pixels: the CNN and a dense layer, on the current frame."""

    def __init__(self, config: CnnConfig) -> None:
        super().__init__()
        self.cnn = CapnetCnn(config)
        self.head = AffectHead(config.widths[-1])

    def forward(self, image: Tensor) -> Tensor:
        """Return ``(B, 2)`` valence, arousal for ``(B, 3, S, S)`` RGB in [0, 1]."""
        out: Tensor = self.head(self.cnn(image))
        return out


class CapnetNet(nn.Module):
    """An LSTM over features of past faces, and the companion on the newest of them."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.companion = AffectHead(width)
        self.input_dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(width, hidden, batch_first=True)
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.Tanh(),
            AffectHead(hidden),
        )

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """Run on ``(B, n, width)`` features, oldest first.

        Returns:
            ``(B, 2)`` valence and arousal in [-1, 1] from all of them, and ``(B, 2)``
            of the companion, from the newest one alone.
        """
        steps, _ = self.lstm(self.input_dropout(faces))
        return self.head(steps[:, -1]), self.companion(faces[:, -1])
