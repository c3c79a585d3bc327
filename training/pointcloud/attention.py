"""What each new point asked, level by level: maps of attention, saved and plotted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edge_affect.errors import DataError, missing_dependency
from edge_affect.pointcloud.cloud import flow_of
from edge_affect.pointcloud.patches import neighbours_of
from training.engine.files import written_whole
from training.models.pu_mfa import RATIO, PuMfaNet

_SHOWN = 4
"""New points whose maps are plotted."""


@torch.no_grad()
def attention_maps(
    net: PuMfaNet, patch: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what each new point asked of each point of a patch.

    Args:
        net: A network with attention.
        patch: ``(N, 3)``, its centroid at 0 and its farthest point at 1.

    Returns:
        ``(L, r·N, N)`` shares, each row's sum 1, the step that asks the deepest level
        first; and the ``(r·N, 3)`` new points.

    Raises:
        DataError: The network was made without attention.
    """
    flows = flow_of(patch)[None]
    near = torch.from_numpy(neighbours_of(patch[None], flows, net.config.neighbours))
    dense, asked = net.explained(torch.from_numpy(patch)[None], near)
    maps = []
    for shares in asked:
        if shares is None:
            raise DataError(
                f"attention: got a network with attention={net.config.attention}, "
                "expected local or global"
            )
        whole = torch.zeros(1, len(patch), RATIO, len(patch))
        if shares.shape[3] == len(patch):
            whole = shares
        else:
            rows = near[:, :, None].expand(-1, -1, RATIO, -1)
            whole = whole.scatter_add(3, rows, shares)
        maps.append(whole[0].reshape(RATIO * len(patch), len(patch)).numpy())
    return np.stack(maps), dense[0].numpy()


def save_attention(net: PuMfaNet, patch: NDArray[np.float32], folder: Path) -> Path:
    """Write the maps of a patch as ``attention.npz``, and some as ``attention.png``.

    A row of the picture is a level, a column a new point, marked by a cross; points are
    the darker the more of them it asked.

    Returns:
        The picture's path.

    Raises:
        DataError: The network has no attention, or the folder cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_dependency("matplotlib", "quantize", "a plot") from error
    maps, dense = attention_maps(net, patch)
    with written_whole(folder / "attention.npz") as partial, partial.open("wb") as file:
        np.savez_compressed(file, maps=maps, points=patch, dense=dense)
    figure = Figure(figsize=(3 * _SHOWN, 3 * len(maps)), layout="tight")
    FigureCanvasAgg(figure)
    shown = np.linspace(0, len(dense) - 1, _SHOWN + 1).astype(int)[1:]
    for step, shares in enumerate(maps):
        for column, row in enumerate(shown):
            place = step * _SHOWN + column + 1
            axes = figure.add_subplot(len(maps), _SHOWN, place, projection="3d")
            colour = shares[row] / max(float(shares[row].max()), 1e-9)
            axes.scatter(*patch.T, c=colour, cmap="Greys", s=8, edgecolors="0.8")
            axes.scatter(*dense[row], c="red", marker="x", s=40)
            axes.set_axis_off()
            axes.set_title(f"level {len(maps) - step}, new point {row}", fontsize=8)
    path = folder / "attention.png"
    with written_whole(path) as partial, partial.open("wb") as file:
        figure.savefig(file, format="png", dpi=100)
    return path
