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


def masked_binary_cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy of logits to 0 or 1, mean; NaN in ``truth`` is left out."""
    known = ~torch.isnan(truth)
    if not known.any():
        return logits.sum() * 0
    return functional.binary_cross_entropy_with_logits(logits[known], truth[known])


def masked_cross_entropy(logits: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of ``(N, K)`` logits to ``(N,)`` classes, weighted mean.

    A class of -1 is left out.
    """
    known = (truth >= 0) & (weight > 0)
    if not known.any():
        return logits.sum() * 0
    losses = functional.cross_entropy(logits[known], truth[known], reduction="none")
    return (losses * weight[known]).sum() / weight[known].sum()


def gaussian_nll(mean: Tensor, deviation: Tensor, truth: Tensor) -> Tensor:
    """Negative log-likelihood under a normal law, mean; NaN truth is left out.

    log(deviation) + (truth - mean)² / (2 deviation²), without the constant.
    """
    known = ~torch.isnan(truth)
    if not known.any():
        return mean.sum() * 0
    error = (truth[known] - mean[known]) / deviation[known]
    return (torch.log(deviation[known]) + 0.5 * error * error).mean()
