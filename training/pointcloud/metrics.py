"""How near a cloud lies to another one, and to a surface; PU-GAN's protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import point_cloud_utils as pcu
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Nearness:
    """Distances between two clouds, each in its own unit sphere.

    Squared ones as PU-GAN's evaluation has them (Li et al., ICCV 2019), in units of the
    radius squared; not yet in thousandths.
    """

    chamfer: float
    """Mean squared distance to the nearest point, there and back, summed."""
    hausdorff_sum: float
    """Largest squared distance there and largest back, summed: PU-GAN's."""
    hausdorff_max: float
    """The larger of those two."""
    hausdorff: float
    """The classical one: the largest distance, not squared."""


def in_unit_sphere(points: NDArray[Any]) -> Points:
    """Return the points with their mean at 0 and the farthest 1 away.

    Args:
        points: ``(n, 3)``.
    """
    moved = np.asarray(points, np.float64) - np.mean(points, axis=0)
    unit: Points = moved / np.linalg.norm(moved, axis=1).max()
    return unit


def nearness(made: NDArray[Any], truth: NDArray[Any]) -> Nearness:
    """Return how near ``made`` lies to ``truth``.

    Args:
        made: ``(n, 3)``: what was made.
        truth: ``(m, 3)``: what it should be.
    """
    one, other = in_unit_sphere(made), in_unit_sphere(truth)
    there = cKDTree(other).query(one)[0] ** 2
    back = cKDTree(one).query(other)[0] ** 2
    furthest = float(there.max()), float(back.max())
    return Nearness(
        chamfer=float(there.mean() + back.mean()),
        hausdorff_sum=sum(furthest),
        hausdorff_max=max(furthest),
        hausdorff=float(np.sqrt(max(furthest))),
    )


def to_surface(points: NDArray[Any], mesh: trimesh.Trimesh) -> float:
    """Return the mean distance of points to a surface, in the mesh's radii (P2F).

    Args:
        points: ``(n, 3)`` in the mesh's coordinates.
        mesh: The surface; its radius is that of the sphere about its corners' mean.
    """
    corners = np.asarray(mesh.vertices, np.float64)
    faces = np.asarray(mesh.faces, np.int32)
    away = pcu.closest_points_on_mesh(np.asarray(points, np.float64), corners, faces)[0]
    radius = np.linalg.norm(corners - corners.mean(axis=0), axis=1).max()
    return float(np.mean(away) / radius)


def unevenness(points: NDArray[Any]) -> float:
    """Return the spread of the distances to the nearest other point over their mean.

    0 for a lattice, 0.52 for points anywhere on a plane.

    Args:
        points: ``(n, 3)``.
    """
    away = cKDTree(points).query(points, 2)[0][:, 1]
    return float(away.std() / away.mean())
