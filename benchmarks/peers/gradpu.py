"""Grad-PU (He et al., CVPR 2023) with its authors' weights: mid-points, then descent.

A network tells how far a point lies from the surface; every point then goes ten steps
down its gradient.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn import functional

from edge_affect.errors import DataError
from edge_affect.pointcloud.thinning import thinned

NAME = "grad_pu"
WEIGHTS = Path("pointcloud/checkpoints/gradpu_pugan.pth")
"""In a data root: trained on PU-GAN's patches."""
_NEIGHBOURS = 16
_MIDPOINTS = 8
"""Mid-points of a point before thinning; the first is the point itself."""
_PATCH = 1_024
_COVER = 3
"""Patches that each point lies in, on average."""
_STEPS, _STEP = 10, 50.0
_NEAR = 3
"""Known points that a moved one takes its features from."""
_BLOCKS, _LAYERS = 3, 3

Points = NDArray[np.float64]
Weights = dict[str, Tensor]


class GradPu:
    """Its inference, as the paper's section 3 and its released settings have it."""

    def __init__(self, root: Path) -> None:
        """Read the weights.

        Raises:
            DataError: They are missing or damaged.
        """
        path = root / WEIGHTS
        try:
            self._weights: Weights = torch.load(path, weights_only=True)
        except Exception as error:
            # What a damaged file makes of it has no base class of torch's.
            kind = type(error).__name__
            raise DataError(
                f"{path}: not Grad-PU's weights ({kind}); get its released ones"
            ) from error

    def upsample(self, points: NDArray[Any], ratio: int) -> Points:
        """Return ``(ratio · n, 3)``; 16 for one are 4, twice."""
        made, centre, radius = _unit(np.asarray(points, np.float64)[None])
        dense = _between(made[0])
        dense = self._descended(dense) * radius[0] + centre[0]
        return dense if ratio <= 4 else self.upsample(dense, ratio // 4)

    def _descended(self, dense: Points) -> Points:
        patches = len(dense) * _COVER // _PATCH
        seeds = dense[thinned(dense, patches)]
        rows = cKDTree(dense).query(seeds, _PATCH)[1]
        parts, centre, radius = _unit(dense[rows])
        known = torch.from_numpy(parts.astype(np.float32))
        with torch.no_grad():
            local = self._local(known, _nearest(parts, parts, _NEIGHBOURS))
        moved = known.clone()
        for _ in range(_STEPS):
            moved.requires_grad_(True)
            near = _nearest(moved.detach().numpy(), parts, _NEAR)
            # The mean over all patches, as released: a step is shorter in more patches.
            (way,) = torch.autograd.grad(
                self._distance(known, moved, near, local).mean(), moved
            )
            moved = (moved - _STEP * way).detach()
        every = (moved.numpy() * radius + centre).reshape(-1, 3)
        return every[thinned(every, len(dense))]

    def _local(self, points: Tensor, near: Tensor) -> list[Tensor]:
        """Return ``(B, n, 32)`` features of the input and of each block."""
        start = "feature_extractor."
        delta = _of(points, near) - points[:, :, None]
        found = [self._unit(points, f"{start}conv_init")]
        for block in range(_BLOCKS):
            features = found[-1]
            for layer in range(_LAYERS):
                name = f"{start}dense_blocks.{block}.0.dense_layers.{layer}."
                narrow = self._unit(features, f"{name}conv_bottle")
                name += "point_conv."
                pairs = self._unit(_of(narrow, near), f"{name}conv_feats")
                pairs = pairs * self._unit(delta, f"{name}conv_delta")
                new = self._unit(pairs, f"{name}post_conv").sum(dim=2)
                features = torch.cat([features, new], dim=2)
            found.append(self._unit(features, f"{start}dense_blocks.{block}.1.trans"))
        return found

    def _distance(
        self, known: Tensor, moved: Tensor, near: Tensor, local: list[Tensor]
    ) -> Tensor:
        """Return ``(B, n, 1)``: how far moved points lie from the surface."""
        away = (_of(known, near) - moved[:, :, None]).norm(dim=3)
        share = 1 / (away + 1e-8)
        share = (share / share.sum(dim=2, keepdim=True))[..., None]
        heard = [(_of(features, near) * share).sum(dim=2) for features in local]
        whole = local[-1].amax(dim=1, keepdim=True).expand(-1, moved.shape[1], -1)
        told = torch.cat([moved, *heard, whole], dim=2)
        for layer in range(4):
            name = f"p2p_regressor.mlp_{layer}"
            told = torch.relu(self._linear(told, name))
        return told

    def _linear(self, values: Tensor, name: str) -> Tensor:
        weight = self._weights[f"{name}.weight"].flatten(1)
        return functional.linear(values, weight, self._weights[f"{name}.bias"])

    def _unit(self, values: Tensor, name: str) -> Tensor:
        """Return what a convolution of one point, its batch norm and a ReLU give."""
        mean, var, weight, bias = (
            self._weights[f"{name}.1.{part}"]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        flat = self._linear(values, f"{name}.0").flatten(0, -2)
        flat = torch.relu(functional.batch_norm(flat, mean, var, weight, bias))
        return flat.reshape(*values.shape[:-1], -1)


def _between(points: Points) -> Points:
    near = cKDTree(points).query(points, _MIDPOINTS)[1]
    every: Points = ((points[near] + points[:, None]) / 2).reshape(-1, 3)
    return every[thinned(every, 4 * len(points))]


def _unit(patches: Points) -> tuple[Points, Points, Points]:
    """Return ``(B, n, 3)`` about 0 with the farthest at 1, middles and radii."""
    centre = patches.mean(axis=1, keepdims=True)
    moved = patches - centre
    radius = np.linalg.norm(moved, axis=2).max(axis=1)[:, None, None]
    return moved / radius, centre, radius


def _nearest(points: NDArray[Any], known: NDArray[Any], count: int) -> Tensor:
    """Return ``(B, n, count)`` rows of the nearest known points of each patch."""
    rows = [
        cKDTree(there).query(here, count)[1]
        for here, there in zip(points, known, strict=True)
    ]
    return torch.from_numpy(np.stack(rows))


def _of(features: Tensor, near: Tensor) -> Tensor:
    """Return the ``(B, n, k, C)`` features of neighbours."""
    batch, points, count = near.shape
    rows = near.reshape(batch, points * count, 1).expand(-1, -1, features.shape[2])
    return features.gather(1, rows).reshape(batch, points, count, -1)
