"""Whole clouds through a network, and the figures that an epoch is chosen by.

The clouds are points with normals (``pointcloud/punet_shapes``): a fifth of each,
evenly spread, goes in; the other four fifths, none of which went in, are the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from edge_affect.errors import DataError
from edge_affect.pointcloud.patches import densify
from edge_affect.pointcloud.thinning import thinned
from training.models.pu_mfa import RATIO, PuMfaNet
from training.pointcloud.patches import Points

SHAPES = "pointcloud/punet_shapes"
"""Folder of the selection's clouds under the data root."""
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Cloud:
    """A cloud to select by, its farthest point 1 from its middle."""

    name: str
    sparse: Points
    """``(n, 3)``: what goes in."""
    truth: Points
    """``(4 n, 3)``: other points of the same surface."""
    surface: Points
    """``(5 n, 6)``: all points and their normals."""


def load_clouds(root: Path) -> list[Cloud]:
    """Read the clouds under a data root.

    Raises:
        DataError: There are none, or one is not ``(points, 6)`` of finite numbers.
    """
    folder = root / SHAPES
    paths = sorted(folder.glob("*.npy"))
    if not paths:
        raise DataError(f"{folder}: got no .npy file, expected clouds to select by")
    return [_cloud(path) for path in paths]


def _cloud(path: Path) -> Cloud:
    try:
        rows = np.asarray(np.load(path, allow_pickle=False), np.float64)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable cloud ({error})") from error
    if rows.ndim != 2 or rows.shape[1] != 6 or not np.isfinite(rows).all():
        raise DataError(f"{path}: got {rows.shape}, expected finite points and normals")
    points = rows[:, :3] - rows[:, :3].mean(axis=0)
    rows = np.hstack([points / np.linalg.norm(points, axis=1).max(), rows[:, 3:]])
    chosen = thinned(rows[:, :3], len(rows) // (RATIO + 1))
    rest = np.setdiff1d(np.arange(len(rows)), chosen)
    return Cloud(path.stem, rows[chosen, :3], rows[rest, :3], rows)


def upsampled(net: PuMfaNet, points: Points) -> Points:
    """Return four times as many points, by the patches of the run time.

    Args:
        net: The network.
        points: ``(n, 3)`` different ones, 256 at least.
    """
    where = next(net.parameters()).device

    @torch.no_grad()  # a thread's own setting, and this is called in another
    def step(
        patches: NDArray[np.float32], neighbours: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        inputs = torch.from_numpy(patches).to(where)
        dense = net(inputs, torch.from_numpy(neighbours).to(where))
        made: NDArray[np.float32] = dense.float().cpu().numpy()
        return made

    return densify(points, step, (_AT_ONCE, net.config.neighbours))


def figures_of(net: PuMfaNet, clouds: list[Cloud]) -> dict[str, float]:
    """Return mean figures over clouds, in thousandths of their radius.

    ``cd`` is the mean squared distance to the nearest point, there and back; ``p2f``
    the mean distance to the plane of the nearest point.
    """
    found = [_figures(upsampled(net, cloud.sparse), cloud) for cloud in clouds]
    cd, p2f = np.mean(found, axis=0) * 1e3
    return {"cd": float(cd), "p2f": float(p2f)}


def _figures(made: Points, cloud: Cloud) -> tuple[float, float]:
    there = cKDTree(cloud.truth).query(made)[0]
    back = cKDTree(made).query(cloud.truth)[0]
    near = cloud.surface[cKDTree(cloud.surface[:, :3]).query(made)[1]]
    across = ((made - near[:, :3]) * near[:, 3:]).sum(axis=1)
    return float((there**2).mean() + (back**2).mean()), float(np.abs(across).mean())
