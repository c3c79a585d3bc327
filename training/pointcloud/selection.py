"""Whole clouds through a network, and the figures that an epoch is chosen by.

The clouds are points with normals (``pointcloud/punet_shapes``): a fifth of each,
evenly spread, goes in; the other four fifths, none of which went in, are the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import fpsample
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from edge_affect.errors import DataError
from training.models.pu_mfa import PATCH_POINTS, RATIO, PuMfaNet
from training.pointcloud.patches import Points, flow_of, neighbours_of

SHAPES = "pointcloud/punet_shapes"
"""Folder of the selection's clouds under the data root."""
_OVERLAP = 3
"""Patches that each point lies in, on average."""
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


def thinned(points: Points, count: int) -> NDArray[np.int64]:
    """Return ``count`` rows, each the farthest from all before it."""
    start = int(np.linalg.norm(points - points.mean(axis=0), axis=1).argmax())
    near = np.asarray(points, np.float32)
    # The library's faster ways (bucket_…) leave the order and the start to chance.
    found = fpsample.fps_sampling(near, count, start_idx=start)
    return np.asarray(found, np.int64)


@torch.no_grad()
def upsampled(net: PuMfaNet, points: Points) -> Points:
    """Return four times as many points.

    Patches overlap. The four points born of each come from the patch in which it lies
    farthest inside, so the cloud is as even as it was, and nothing is thinned out.

    Args:
        net: The network.
        points: ``(n, 3)``, 256 at least.
    """
    seeds = thinned(points, max(1, _OVERLAP * len(points) // PATCH_POINTS))
    away, rows = cKDTree(points).query(points[seeds], PATCH_POINTS)
    patches = points[rows]
    middle = patches.mean(axis=1, keepdims=True)
    reach = np.linalg.norm(patches - middle, axis=2).max(axis=1)[:, None, None]
    where = next(net.parameters()).device
    inputs = torch.from_numpy((patches - middle) / reach).float().to(where)
    flows = flow_of(points)[rows]
    near = torch.from_numpy(neighbours_of(patches, flows, net.config.neighbours))
    starts = range(0, len(inputs), _AT_ONCE)
    parts = [slice(start, start + _AT_ONCE) for start in starts]
    made = torch.cat([net(inputs[part], near[part].to(where)) for part in parts])
    born = made.double().cpu().numpy() * reach + middle
    born = born.reshape(len(seeds), PATCH_POINTS, RATIO, 3)
    return _joined(born, rows, away / away[:, -1:], points)


def _joined(
    born: Points, rows: NDArray[np.int64], depths: Points, points: Points
) -> Points:
    """Take each point's new ones from one patch; what lies in none stays as it is."""
    dense = np.repeat(points[:, None], RATIO, axis=1)
    least = np.full(len(points), np.inf)
    for made, row, depth in zip(born, rows, depths, strict=True):
        better = depth < least[row]
        least[row[better]] = depth[better]
        dense[row[better]] = made[better]
    return dense.reshape(-1, 3)


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
