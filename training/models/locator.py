"""Locator network: a small grey frame to a map of faces, their widths and points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from training.models.face import ConvNormRelu, Residual

INPUT_PX = (320, 256)
"""Width and height of the picture that the graph takes."""


@dataclass(frozen=True, slots=True)
class LocatorConfig:
    """Shape of the locator network."""

    widths: tuple[int, ...] = (12, 24, 40, 64, 96)
    """Channels at strides 2, 4, 8, 16 and 32."""
    blocks: tuple[int, ...] = (0, 0, 1, 2, 1)
    """Residual blocks at each of them."""
    head: int = 40
    """Channels of the map that faces are read off, at stride 8."""


class LocatorOutput(NamedTuple):
    """What each cell of the map says; ``(B, …, H / 8, W / 8)`` float32."""

    score: Tensor
    """``(B, 1, …)`` logit that the middle of a face lies in the cell."""
    width: Tensor
    """``(B, 1, …)`` natural logarithm of that face's width in ``UNIT_PX``."""
    points: Tensor
    """``(B, 10, …)`` x and y of the five points, from the cell's middle, in widths."""


class Lateral(nn.Sequential):
    """1×1 convolution, batch normalisation, ReLU: sums of these stay small in bytes."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Pyramid(nn.Module):
    """Strided convolutions down to stride 32, added back up to stride 8."""

    def __init__(self, config: LocatorConfig) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        inputs = 1
        for width, blocks in zip(config.widths, config.blocks, strict=True):
            layers: list[nn.Module] = [ConvNormRelu(inputs, width, stride=2)]
            layers.extend(Residual(width) for _ in range(blocks))
            stages.append(nn.Sequential(*layers))
            inputs = width
        self.stages = nn.ModuleList(stages)
        self.laterals = nn.ModuleList(
            Lateral(width, config.head) for width in config.widths[2:]
        )
        self.grow = nn.Upsample(scale_factor=2, mode="nearest")
        self.merge = ConvNormRelu(config.head, config.head)
        # One layer each: in bytes, each output has a range of its own.
        self.score = nn.Conv2d(config.head, 1, 1)
        self.width = nn.Conv2d(config.head, 1, 1)
        self.points = nn.Conv2d(config.head, 10, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run on ``(B, 1, H, W)``, sides multiples of 32; see ``LocatorOutput``."""
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        seen = self.laterals[2](levels[4])
        for level in (1, 0):
            seen = self.laterals[level](levels[level + 2]) + self.grow(seen)
        merged = self.merge(seen)
        return self.score(merged), self.width(merged), self.points(merged)


class LocatorNet(nn.Module):
    """Reads faces off a pyramid of features, in every cell of a map."""

    def __init__(self, config: LocatorConfig) -> None:
        super().__init__()
        self.config = config
        self.features = Pyramid(config)
        self.move_scores(-4.0)  # one cell in fifty or so, as focal losses start

    def forward(self, luma: Tensor) -> LocatorOutput:
        """Run on ``(B, 1, H, W)`` float32 luma in [0, 255], sides multiples of 32."""
        return LocatorOutput(*self.features((luma - 128.0) / 64.0))

    @torch.no_grad()
    def move_scores(self, by: float) -> None:
        """Add ``by`` to every score from now on."""
        bias = self.features.score.bias
        if bias is not None:
            bias += by


class LocatorGraph(nn.Module):
    """The network as exported: named outputs for one picture."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Run on ``(1, 1, 256, 320)`` float32 luma in [0, 255].

        Returns:
            ``score (1, 1, 32, 40)``, ``width (1, 1, 32, 40)`` and
            ``points (1, 10, 32, 40)``, see ``LocatorOutput``.
        """
        score, width, points = self.net(image)
        return score, width, points
