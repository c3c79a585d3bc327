"""Losses of the students."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def soft_cross_entropy(logits: Tensor, shares: Tensor) -> Tensor:
    """Cross-entropy of ``(B, K)`` logits to ``(B, K)`` distributions, batch mean."""
    return -(shares * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()


def ccc_loss(estimate: Tensor, truth: Tensor) -> Tensor:
    """One minus the concordance correlation over ``(B,)`` values.

    Lin's coefficient with population variances: 2·cov / (var + var + (mean −
    mean)²). A constant pair has no variance; the floor keeps its loss at 1.
    """
    offset = estimate.mean() - truth.mean()
    covariance = ((estimate - estimate.mean()) * (truth - truth.mean())).mean()
    spread = estimate.var(correction=0) + truth.var(correction=0) + offset * offset
    return 1 - 2 * covariance / torch.clamp(spread, min=1e-6)
