"""Face network: aligned RGB 112×112 to an embedding and frame-level heads."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edge_affect.labels import EXPRESSION_NAMES
from training.data.ferplus import VOTE_NAMES
from training.data.signals import FACE_SIGNALS, FACE_UNITS

FACE_EXPRESSIONS = tuple(n for n in EXPRESSION_NAMES if n in VOTE_NAMES)
"""The classes of the expression head, in the order of ``EXPRESSION_NAMES``."""
FACE_OUTPUTS = ("embedding", "expression", "valence", "arousal")
"""Outputs of every face graph."""
SIGNAL_OUTPUTS = ("action_units", "eyes_closed", "pose")
"""Outputs of a face graph with a signal head, after the others."""
POSE_SCALE_DEG = 30.0
"""Turn of the head for which the head's output is 1."""
LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601 weights of R, G, B: what a grey camera would have seen."""
INPUT_PX = 112
"""Side of the aligned picture that the graph takes."""


@dataclass(frozen=True, slots=True)
class FaceConfig:
    """Shape of the face network."""

    widths: tuple[int, ...] = (24, 48, 96, 160)
    """Channels of the stem and of the three stages (28, 14 and 7 pixels)."""
    blocks: tuple[int, ...] = (1, 1, 2)
    """Residual blocks in each stage, after its strided convolution."""
    embedding: int = 64
    """Length of the embedding."""
    expressions: int = 8
    """Number of expression classes."""
    dropout: float = 0.2
    """Share of pooled features dropped in training."""
    signals: int = 0
    """Hidden width of the head of ``FACE_SIGNALS``; 0 for a network without it."""


class ConvNormRelu(nn.Sequential):
    """3×3 convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3×3 convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = ConvNormRelu(width, width)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Run on ``(B, width, H, W)``; same shape."""
        out: Tensor = self.relu(x + self.second(self.first(x)))
        return out


class FaceNet(nn.Module):
    """Embed a face and read its expression, valence and arousal.

    Colour is reduced to luma and standardised per picture inside the network, so
    that grey and colour cameras, dim and bright cabins reach the same range.
    """

    def __init__(self, config: FaceConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = [ConvNormRelu(1, config.widths[0])]
        for inputs, width, blocks in zip(
            config.widths, config.widths[1:], config.blocks, strict=False
        ):
            layers.append(ConvNormRelu(inputs, width, stride=2))
            layers.extend(Residual(width) for _ in range(blocks))
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(config.dropout)
        self.embed = nn.Linear(config.widths[-1], config.embedding)
        self.expression = nn.Linear(config.embedding, config.expressions)
        self.affect = nn.Linear(config.embedding, 2)
        if config.signals:
            self.signals = nn.Sequential(
                nn.Linear(config.widths[-1], config.signals),
                nn.ReLU(),
                nn.Linear(config.signals, len(FACE_SIGNALS)),
            )

    def forward(self, luma: Tensor) -> tuple[Tensor, ...]:
        """Run on ``(B, 1, 56, 56)`` float32 luma in [0, 255].

        Returns:
            Embedding ``(B, E)``, expression logits ``(B, K)``, valence and arousal
            ``(B, 2)`` in [-1, 1], and with a signal head ``(B, 13)``: the logits of
            activations and eyes, and the pose over ``POSE_SCALE_DEG``.
        """
        pooled = self.features(standardise(luma)).mean(dim=(2, 3))
        embedding = torch.relu(self.embed(self.dropout(pooled)))
        told = (
            embedding,
            self.expression(embedding),
            torch.tanh(self.affect(embedding)),
        )
        return (*told, self.signals(pooled)) if self.config.signals else told


def standardise(luma: Tensor) -> Tensor:
    """Remove each picture's mean and scale by its deviation, at least 8 grey levels."""
    centred = luma - luma.mean(dim=(1, 2, 3), keepdim=True)
    variance = (centred * centred).mean(dim=(1, 2, 3), keepdim=True)
    return centred / torch.sqrt(variance + 64.0)


class FaceGraph(nn.Module):
    """The network as exported: RGB in, named outputs out."""

    def __init__(self, net: FaceNet) -> None:
        super().__init__()
        self.net = net
        self.luma: Tensor
        # One strided convolution weighs the colours and halves the picture.
        kernel = torch.tensor(LUMA).view(1, 3, 1, 1).expand(1, 3, 2, 2) / 4
        self.register_buffer("luma", kernel.clone())

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Run on ``(1, 3, 112, 112)`` float32 RGB in [0, 255].

        Returns:
            ``embedding (1, E)``, ``expression (1, K)`` logits, ``valence (1, 1)``
            and ``arousal (1, 1)``; with a signal head ``action_units (1, 10)`` and
            ``eyes_closed (1, 1)`` in [0, 1] and ``pose (1, 2)``: yaw and pitch in
            degrees, to the picture's right and up.
        """
        grey = nn.functional.conv2d(image, self.luma, stride=2)
        embedding, expression, affect, *signals = self.net(grey)
        told = embedding, expression, affect[:, :1], affect[:, 1:]
        return (*told, *(part for one in signals for part in split_signals(one)))


def split_signals(signals: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return units and eyes in [0, 1], and pose in degrees, of ``(B, 13)``."""
    units = len(FACE_UNITS)
    activation = torch.sigmoid(signals[:, : units + 1])
    pose = POSE_SCALE_DEG * signals[:, units + 1 :]
    return activation[:, :units], activation[:, units:], pose
