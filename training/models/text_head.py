"""Features against text vectors: the cosine to each, over a temperature."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAST_TEMPERATURE = 0.01
"""A learnt temperature stays above it, as in CLIP."""


class TextHead(nn.Module):
    """``cos(W x, t_k) / τ``: logits of ``K`` fixed text vectors."""

    texts: Tensor

    def __init__(
        self, width: int, texts: Tensor, temperature: float, *, learnt: bool
    ) -> None:
        """Make the projection.

        Args:
            width: Length of the features.
            texts: ``(K, D)`` text vectors; they are stored with the weights and stay.
            temperature: τ, or where it starts.
            learnt: Whether τ is trained.
        """
        super().__init__()
        self.project = nn.Linear(width, texts.shape[1], bias=False)
        self.register_buffer("texts", functional.normalize(texts, dim=1))
        log = torch.tensor(math.log(temperature))
        self.log_temperature = nn.Parameter(log, requires_grad=learnt)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(..., K)`` logits for ``(..., width)`` features."""
        aimed = functional.normalize(self.project(features), dim=-1)
        temperature = self.log_temperature.exp().clamp(min=LEAST_TEMPERATURE)
        logits: Tensor = aimed @ self.texts.T / temperature
        return logits
