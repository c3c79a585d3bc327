"""Nine regions of the valence-arousal plane: soft labels, and estimates back.

"Distance-aware Soft Prompt Learning", 2026, arXiv 2603.13415: a 3×3 grid, each cell
with texts, and labels from a Gaussian kernel on the distance to the cells' centres.
Centres, texts and width are our reconstruction.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

LABELS = ("none", "one_hot", "gaussian")
"""What the region head may learn: nothing, the nearest region, or all by distance."""
_THIRDS = (-2 / 3, 0.0, 2 / 3)
CENTRES = tuple((valence, arousal) for arousal in _THIRDS[::-1] for valence in _THIRDS)
"""Valence and arousal at the middle of each cell, row by row: high arousal first,
negative valence first."""
DESCRIPTORS = (
    "angry or afraid",
    "alert or surprised",
    "excited or elated",
    "unhappy",
    "neutral",
    "pleased",
    "sad or depressed",
    "tired or drowsy",
    "calm or relaxed",
)
"""What a face in each region shows."""
PROMPTS = tuple(f"a face showing a {word} expression" for word in DESCRIPTORS)
"""One text for each region."""


def soft_regions(truth: Tensor, sigma: float) -> Tensor:
    """Return ``(N, 9)``: p_k = exp(−‖y − c_k‖² / 2σ²) / Σ_j exp(−‖y − c_j‖² / 2σ²).

    Args:
        truth: ``(N, 2)`` valence and arousal y.
        sigma: Width σ of the kernel.
    """
    return functional.softmax(-_squared_distances(truth) / (2 * sigma**2), dim=1)


def nearest_region(truth: Tensor) -> Tensor:
    """Return ``(N, 9)``: 1 for the region whose centre is nearest to ``(N, 2)``."""
    nearest = _squared_distances(truth).argmin(dim=1)
    return functional.one_hot(nearest, len(CENTRES)).float()


def region_loss(logits: Tensor, shares: Tensor) -> Tensor:
    """KL(p‖q) of ``(N, 9)`` shares p and logits of q, mean over frames."""
    told = functional.log_softmax(logits, dim=1)
    return functional.kl_div(told, shares, reduction="batchmean")


def region_estimate(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the region head alone says of ``(N, 9)`` logits of q.

    Returns:
        ``(N, 2)`` valence and arousal Σ q_k c_k, and ``(N,)`` their spread
        √(Σ q_k ‖c_k − Σ q_j c_j‖²).
    """
    shares = functional.softmax(logits, dim=1)
    middle = shares @ torch.tensor(CENTRES)
    return middle, (shares * _squared_distances(middle)).sum(dim=1).sqrt()


def _squared_distances(points: Tensor) -> Tensor:
    """Return ``(N, 9)``: from ``(N, 2)`` points to the centres, squared."""
    return (points[:, None] - torch.tensor(CENTRES)).square().sum(dim=2)
