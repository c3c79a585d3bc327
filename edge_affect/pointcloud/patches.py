"""Cut a cloud into overlapping patches, and join what was made of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import missing_dependency
from edge_affect.pointcloud.cloud import Points, flow_of
from edge_affect.pointcloud.thinning import thinned_in_blocks

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

PATCH_POINTS = 256
"""Points of a patch."""
RATIO = 4
"""Points that are made of one."""
_CLAIMED = 256
"""Nearest points of a seed among which no other seed is taken."""

Rows = NDArray[np.int64]
Step = Callable[[NDArray[np.float32], Rows], NDArray[np.float32]]
"""Makes ``(B, 1024, 3)`` of patches ``(B, 256, 3)`` and their ``(B, 256, k)``."""


@dataclass(frozen=True, slots=True)
class Patches:
    """A cloud's patches, each on the scale that the network knows."""

    points: NDArray[np.float32]
    """``(B, 256, 3)``: the middle of each at 0, its farthest point 1 away."""
    rows: Rows
    """``(B, 256)``: which of the cloud's points they are, the nearest to the seed
    first."""
    depths: Points
    """``(B, 256)``: distance to the seed, 1 at the edge: how far outside each lies."""
    middles: Points
    """``(B, 1, 3)``: where each patch lies in the cloud."""
    reaches: Points
    """``(B, 1, 1)``: its size there."""


def tree_of(points: NDArray[Any]) -> cKDTree:
    """Return SciPy's k-d tree of ``(n, 3)``.

    Raises:
        MissingDependencyError: SciPy is not installed.
    """
    try:
        from scipy.spatial import cKDTree
    except ImportError:
        raise missing_dependency("scipy", "pointcloud", "a point cloud") from None
    return cKDTree(points)


def cut(points: Points) -> Patches:
    """Cut a cloud into patches in which each of its points lies at least once.

    Seeds are taken from the outermost point inwards, none among the nearest points of
    another: so many for a dense part as for a sparse one, and at a cost that grows with
    the points alone.

    Args:
        points: ``(n, 3)`` different points, 256 at least.
    """
    tree = tree_of(points)
    claimed = np.zeros(len(points), bool)
    seeds: list[int] = []
    outside = np.linalg.norm(points - points.mean(axis=0), axis=1)
    for point in np.argsort(-outside, kind="stable"):
        if not claimed[point]:
            seeds.append(int(point))
            claimed[tree.query(points[point], _CLAIMED)[1]] = True
    away, rows = tree.query(points[seeds], PATCH_POINTS)
    patches = points[rows]
    middles = patches.mean(axis=1, keepdims=True)
    reaches = np.linalg.norm(patches - middles, axis=2).max(axis=1)[:, None, None]
    return Patches(
        ((patches - middles) / reaches).astype(np.float32),
        np.asarray(rows, np.int64),
        away / away[:, -1:],
        middles,
        reaches,
    )


def neighbours_of(patches: NDArray[Any], flows: NDArray[Any], count: int) -> Rows:
    """Return each point's nearest others in its patch, those ahead of it first.

    A point begets mid-points with the first three of them. Of two neighbours one has
    the other ahead of it, so they have one mid-point, not two in one place: an even
    cloud has three pairs for each point, as a triangulation has.

    Args:
        patches: ``(B, N, 3)``.
        flows: ``(..., B, N, 3)``: which way is ahead, see ``flow_of``.
        count: How many neighbours, k.

    Returns:
        ``(..., B, N, k)``: first those ahead of the point, then the others, the
        nearest first in both.
    """
    near = np.stack(
        [tree_of(patch).query(patch, count + 1)[1][:, 1:] for patch in patches]
    ).astype(np.int64)
    there = np.stack([patch[rows] for patch, rows in zip(patches, near, strict=True)])
    ways = there - patches[:, :, None]
    behind = np.einsum("bnkd,...bnd->...bnk", ways, flows) <= 0
    order = np.argsort(behind, axis=-1, kind="stable")
    ordered: Rows = np.take_along_axis(np.broadcast_to(near, order.shape), order, -1)
    return ordered


def join(made: NDArray[Any], patches: Patches, points: Points) -> Points:
    """Return four points for each of ``points``, from one patch each.

    Of the patches that a point lies in, the one counts in which it lies farthest
    inside: so the cloud is as even as it was, no seam is doubled, and nothing has to be
    thinned out.

    Args:
        made: ``(B, 1024, 3)``: four points for each point of a patch, in its order.
        patches: What they were made of.
        points: ``(n, 3)``: the cloud.

    Returns:
        ``(n, 4, 3)``: the four of each point.
    """
    born = made.astype(np.float64) * patches.reaches + patches.middles
    born = born.reshape(-1, RATIO, 3)
    rows, depths = patches.rows.reshape(-1), patches.depths.reshape(-1)
    # The deepest last: of several values for one row the last one stands.
    order = np.argsort(-depths, kind="stable")
    dense = np.empty((len(points), RATIO, 3))
    dense[rows[order]] = born[order]
    return dense


def densify(
    points: Points,
    step: Step,
    form: tuple[int, int],
    tell: Callable[[int, int], None] = lambda *_: None,
    threads: int = 1,
) -> Points:
    """Return four times as many points.

    Each patch is taken twice, with the flow and against it, which gives a point both
    kinds of mid-points; what is too much then is thinned out, the farthest from all
    others staying.

    Args:
        points: ``(n, 3)`` different points, 256 at least.
        step: Makes the points of some patches; called by ``threads`` threads at once.
        form: Patches that it takes at once, an even number, half of them with the flow
            and half against it, the last ones filled up; and how many neighbours of
            each point, k.
        tell: Told how many batches of patches are done, of how many.
        threads: How many batches are worked on at a time.
    """
    patches, flows = cut(points), flow_of(points)
    count, (batch, neighbours) = len(patches.points), form
    made = np.empty((2, count, PATCH_POINTS * RATIO, 3), np.float32)
    each = batch // 2

    def work(start: int) -> None:
        rows = np.minimum(np.arange(start, start + each), count - 1)
        inside, ahead = patches.points[rows], flows[patches.rows[rows]]
        near = neighbours_of(inside, np.stack([ahead, -ahead]), neighbours)
        dense = step(
            np.concatenate([inside, inside]), near.reshape(batch, *near.shape[2:])
        )
        made[:, rows] = dense.reshape(2, each, *dense.shape[1:])

    jobs = range(0, count, each)
    with ThreadPoolExecutor(threads, thread_name_prefix="edge_affect-cloud") as pool:
        for done, _ in enumerate(pool.map(work, jobs), 1):
            tell(done, len(jobs))
    first, second = (join(some, patches, points) for some in made)
    # The first of the four is the point itself, moved; it is not wanted twice.
    children = np.concatenate([first, second[:, 1:]], axis=1)
    return thinned_in_blocks(children, points, RATIO)
