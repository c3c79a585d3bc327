"""BYEL's losses (section 3 of the paper) and the target's moving average."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def bootstrap_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """BYOL's 2 − 2·cos between ``(B, P)`` and the other view's target, mean."""
    cosine = functional.cosine_similarity(prediction, target.detach(), dim=1)
    return (2 - 2 * cosine).mean()


def orthonormality_loss(vectors: Tensor) -> Tensor:
    """Sum of ``|I − WᵀW|`` over the entries, ``vectors`` being ``(P, K)``."""
    identity = torch.eye(vectors.shape[1], device=vectors.device)
    return (identity - vectors.T @ vectors).abs().sum()


@torch.no_grad()
def follow(target: nn.Module, online: nn.Module, decay: float) -> None:
    """Move the target's weights: decay·target + (1 − decay)·online.

    The statistics of BatchNorm are the target's own, as it normalises its own batches.
    """
    for held, new in zip(target.parameters(), online.parameters(), strict=True):
        held.lerp_(new, 1 - decay)
