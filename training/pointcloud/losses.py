"""What a point set is trained to be: near its target, on the surface, spread out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from torch import Tensor

from training.engine.config import check_choice

MATCHES = ("chamfer", "emd")
"""What a point is compared with: the nearest of the target, or one of its own."""
_CROWD = 4
"""Neighbours that a point keeps its distance from."""
_ROOM = 0.7
"""Share of an even sample's spacing from which on nothing is repelled."""


@dataclass(frozen=True, slots=True)
class PointLoss:
    """Weights of the terms, in thousandths of a patch's radius or of its square."""

    match: str = "chamfer"
    """One of ``MATCHES``; ``emd`` is exact and slow, one patch after another."""
    repulsion: float = 0.1
    """Weight of the repulsion of points that crowd."""
    surface: float = 0.2
    """Weight of the distance to the surface's planes, where normals are known. It is
    not squared: a noisy patch, four times as far off, would outweigh sixteen others."""

    def __post_init__(self) -> None:
        """Check the choice."""
        check_choice("match", self.match, MATCHES)

    def __call__(self, made: Tensor, truth: Tensor, normals: Tensor) -> Tensor:
        """Return the mean loss of a batch.

        Args:
            made: ``(B, n, 3)`` points of patches of radius 1.
            truth: ``(B, m, 3)`` evenly spread points of the surface.
            normals: ``(B, m, 3)`` of it; 0 where nobody knows.
        """
        found = _Nearest.of(made, truth)
        on = _taken(truth, found.to_truth)
        # The target is one sample of many: along the surface its points pull anywhere,
        # across the surface all of them pull the same way.
        across = ((made - on) * _taken(normals, found.to_truth)).sum(dim=2)
        loss = self._match(made, truth, on, found) + self.surface * across.abs().mean()
        if self.repulsion:
            loss = loss + self.repulsion * _repulsion(made, truth, found.crowd)
        return 1e3 * loss

    def _match(
        self, made: Tensor, truth: Tensor, on: Tensor, found: _Nearest
    ) -> Tensor:
        if self.match == "emd":
            own = _taken(truth, _assigned(made, truth))
            return ((made - own) ** 2).sum(dim=2).mean()
        back = _taken(made, found.to_made)
        forward = ((made - on) ** 2).sum(dim=2).mean()
        return forward + ((back - truth) ** 2).sum(dim=2).mean()


@dataclass(frozen=True, slots=True)
class _Nearest:
    """Rows of the nearest points, found outside the graph of gradients."""

    to_truth: Tensor
    """``(B, n)``: the target's nearest to each point."""
    to_made: Tensor
    """``(B, m)``: the nearest to each of the target's."""
    crowd: Tensor
    """``(B, n, _CROWD)``: the nearest others of each point."""

    @classmethod
    def of(cls, made: Tensor, truth: Tensor) -> _Nearest:
        """Look for them, one tree for each patch."""
        rows: list[tuple[np.ndarray, ...]] = []
        ours, theirs = made.detach().cpu().numpy(), truth.cpu().numpy()
        for points, target in zip(ours, theirs, strict=True):
            tree = cKDTree(points)
            rows.append(
                (
                    cKDTree(target).query(points)[1],
                    tree.query(target)[1],
                    tree.query(points, _CROWD + 1)[1][:, 1:],
                )
            )
        stacked = (torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True))
        return cls(*(part.to(made.device) for part in stacked))


def _taken(points: Tensor, rows: Tensor) -> Tensor:
    """Return ``(B, n, 3)``: for each patch its own ``(B, n)`` rows."""
    return points.gather(1, rows[:, :, None].expand(-1, -1, 3))


def _assigned(made: Tensor, truth: Tensor) -> Tensor:
    """Give every point one of the target's for itself, the sum of squares least."""
    apart = torch.cdist(made.detach(), truth).cpu().numpy() ** 2
    found = np.stack([linear_sum_assignment(patch)[1] for patch in apart])
    return torch.from_numpy(found).to(made.device)


def _repulsion(made: Tensor, truth: Tensor, crowd: Tensor) -> Tensor:
    """Return by how much neighbours are closer than an even sample's are, squared.

    A hinge in place of PU-Net's weighted logarithm: a set that is spread well enough
    is left alone.
    """
    batch, points, count = crowd.shape
    near = _taken(made, crowd.reshape(batch, -1)).reshape(batch, points, count, 3)
    square = ((near - made[:, :, None]) ** 2).sum(dim=3)
    # An even sample of a disk of radius 1: see PATCH; the patch is a bent disk.
    room = _ROOM * (np.pi / truth.shape[1]) ** 0.5
    away = torch.sqrt(square + 1e-8)
    return (torch.relu(room - away) ** 2).mean()
