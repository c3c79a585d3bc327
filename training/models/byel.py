"""BYEL's networks: encoder, projector, predictor, target and emotion vectors."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from training.engine.config import check_choice
from training.features.pretrained import open_transformers
from training.models.face import ConvNormRelu, standardise

ENCODERS = ("plain", "resnet50")
"""Our small network; the paper's, from random weights."""


@dataclass(frozen=True, slots=True)
class ByelNetConfig:
    """Shape of the networks."""

    encoder: str = "plain"
    """One of ``ENCODERS``."""
    widths: tuple[int, ...] = (16, 32, 64, 128)
    """``plain``: channels of the stem and of three stages, each at half the side of the
    last."""
    hidden: int = 512
    """Width inside projector and predictor (paper: 4096)."""
    projection: int = 128
    """Length of a projection (paper: 256)."""
    dropout: float = 0.3
    """Share of features dropped before the classifier of stage 2 (paper: 0.3)."""
    classes: int = 6
    """Number of emotions."""


class SmallEncoder(nn.Module):
    """Grey pictures to features: plain 3×3 convolutions, under 0.5 M weights."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvNormRelu(1, widths[0], stride=2)]
        for inputs, outputs in itertools.pairwise(widths):
            layers.append(ConvNormRelu(inputs, outputs, stride=2))
            layers.append(ConvNormRelu(outputs, outputs))
        self.layers = nn.Sequential(*layers)
        self.width = widths[-1]

    def forward(self, luma: Tensor) -> Tensor:
        """Run on ``(B, 1, S, S)`` luma in [0, 255]; ``(B, width)``."""
        seen = standardise(luma).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.layers(seen).mean(dim=(2, 3))
        return features


class ResNet50Encoder(nn.Module):
    """Grey pictures to 2,048 features: the paper's network, as ``transformers`` has it.

    Its three colours are given the same luma, since FER+ has no other.
    """

    def __init__(self) -> None:
        super().__init__()
        library = open_transformers()
        self.net: Any = library.ResNetModel(library.ResNetConfig())
        self.width: int = self.net.config.hidden_sizes[-1]

    def forward(self, luma: Tensor) -> Tensor:
        """Run on ``(B, 1, S, S)`` luma in [0, 255]; ``(B, 2048)``."""
        features: Tensor = self.net(standardise(luma).expand(-1, 3, -1, -1))[1]
        return features.flatten(1)


def _encoder(config: ByelNetConfig) -> SmallEncoder | ResNet50Encoder:
    check_choice("net.encoder", config.encoder, ENCODERS)
    if config.encoder == "resnet50":
        return ResNet50Encoder()
    return SmallEncoder(config.widths)


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, outputs),
    )


@dataclass(frozen=True, slots=True)
class View:
    """What one view of a batch gives."""

    prediction: Tensor
    """``(B, P)`` of the online networks, the emotion vector subtracted if asked for."""
    logits: Tensor
    """``(B, K)`` of the emotion classifier."""
    target: Tensor
    """``(B, P)`` projection by the target; no gradient."""


class ByelNet(nn.Module):
    """All networks of both stages; only ``encoder`` and ``classify`` ship."""

    def __init__(self, config: ByelNetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = _encoder(config)
        width, hidden, length = self.encoder.width, config.hidden, config.projection
        self.projector = _perceptron(width, hidden, length)
        self.predictor = _perceptron(length, hidden, length)
        self.vectors = nn.Parameter(torch.empty(length, config.classes))
        nn.init.orthogonal_(self.vectors)
        self.norm = nn.BatchNorm1d(config.classes)
        self.target_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.projector).requires_grad_(False)
        self.dropout = nn.Dropout(config.dropout)
        self.classify = nn.Linear(width, config.classes)

    def view(self, luma: Tensor, labels: Tensor, *, subtract: bool) -> View:
        """Look at ``(B, 1, S, S)`` luma of emotions ``(B,)``, as in stage 1.

        Args:
            luma: One augmented view of the batch.
            labels: Its emotions, which choose the vector that is subtracted.
            subtract: Whether the emotion vector is subtracted (EVS).
        """
        features = self.encoder(luma)
        # Norms and angles need full floats, the convolutions do not.
        with torch.autocast("cpu", enabled=False):
            prediction = self.predictor(self.projector(features.float()))
            logits = self.norm(prediction @ self.vectors)
        if subtract:
            prediction = subtract_emotion(prediction, self.vectors[:, labels].T)
        with torch.no_grad():
            target = self.target_projector(self.target_encoder(luma))
        return View(prediction, logits, target.float())

    def forward(self, luma: Tensor) -> Tensor:
        """Classify ``(B, 1, S, S)`` luma, as in stage 2; ``(B, K)`` logits."""
        logits: Tensor = self.classify(self.dropout(self.encoder(luma)))
        return logits


def subtract_emotion(prediction: Tensor, vectors: Tensor) -> Tensor:
    """Take the emotion out of ``(B, P)``: q − ‖q‖₂·w, w the label's ``(B, P)`` vector.

    Emotion vector subtraction (EVS) of the paper. As in the authors' code the vector is
    used as it is, not brought to length one: the orthonormality loss keeps it there.
    """
    length: Tensor = torch.linalg.vector_norm(prediction, dim=1, keepdim=True)
    return prediction - length * vectors
