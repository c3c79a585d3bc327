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


def va_loss(estimate: Tensor, truth: Tensor) -> Tensor:
    """One minus the mean CCC of ``(N, 2)`` valence and arousal over a batch.

    The challenge's loss (L_CCC in the papers); rows with a NaN in ``truth`` are left
    out, and none left is a loss of 0.
    """
    known = ~torch.isnan(truth).any(dim=1)
    if not known.any():
        return estimate.sum() * 0
    given, true = estimate[known], truth[known]
    return 0.5 * (ccc_loss(given[:, 0], true[:, 0]) + ccc_loss(given[:, 1], true[:, 1]))


def focal_cross_entropy(
    logits: Tensor, truth: Tensor, weight: Tensor, alpha: float, gamma: float
) -> Tensor:
    """Focal loss of ``(N, K)`` logits to ``(N,)`` classes, mean; -1 is left out.

    α·w_c·(1 − p_t)^γ·CE (Lin et al. 2017), taken of the logits: the softmax is applied
    once.

    Args:
        logits: ``(N, K)``.
        truth: ``(N,)`` int64.
        weight: ``(K,)`` factor of each class.
        alpha: Factor of all.
        gamma: How much sure frames are discounted.
    """
    known = truth >= 0
    if not known.any():
        return logits.sum() * 0
    entropy = functional.cross_entropy(logits[known], truth[known], reduction="none")
    discount = (1 - torch.exp(-entropy)) ** gamma
    return (alpha * weight[truth[known]] * discount * entropy).mean()


def focal_binary_cross_entropy(
    logits: Tensor, truth: Tensor, weight: Tensor, alpha: float, gamma: float
) -> Tensor:
    """Focal loss of ``(N, U)`` logits to 0 or 1, mean; NaN in ``truth`` is left out.

    Each unit is a yes or no of its own: binary cross-entropy times α·w_u·(1 − p_t)^γ,
    with p_t the probability of what is true. ``weight`` is ``(U,)``.
    """
    known = ~torch.isnan(truth)
    if not known.any():
        return logits.sum() * 0
    target = torch.nan_to_num(truth)
    entropy = functional.binary_cross_entropy_with_logits(
        logits, target, reduction="none"
    )
    discounted = alpha * weight * (1 - torch.exp(-entropy)) ** gamma * entropy
    return discounted[known].mean()


def distillation_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL of softened ``(N, K)`` logits, teacher to student, times T², mean.

    T² keeps the gradient's size the same at any temperature (Hinton et al. 2015,
    section 2.1).
    """
    soft = functional.softmax(teacher.detach() / temperature, dim=1)
    told = functional.log_softmax(student / temperature, dim=1)
    return temperature**2 * functional.kl_div(told, soft, reduction="batchmean")


def binary_distillation_loss(
    student: Tensor, teacher: Tensor, temperature: float
) -> Tensor:
    """The same for ``(N, U)`` logits of yes or no, mean over frames and units."""
    soft = torch.sigmoid(teacher.detach() / temperature)
    told = functional.binary_cross_entropy_with_logits(student / temperature, soft)
    # What is left of the cross-entropy when both agree does not depend on the student.
    floor = functional.binary_cross_entropy(soft, soft)
    return temperature**2 * (told - floor)
