"""Patches of surfaces: 1,024 points to hit, and 256 that know nothing of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import point_cloud_utils as pcu
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from edge_affect.errors import ConfigError, DataError
from edge_affect.pointcloud.thinning import thinned

Points = NDArray[np.float64]
SPARSE, DENSE = 256, 1024
"""Points of a patch before and after."""
RATIO = DENSE // SPARSE
PATCH = np.dtype(
    [
        ("dense", np.float32, (DENSE, 3)),  # in the shape's unit sphere
        ("normals", np.float16, (DENSE, 3)),  # of the surface there; 0: unknown
        ("sparse", np.float32, (SPARSE, 3)),  # another sample of the same patch
        ("shape", np.int32),  # number of the shape
        ("even", np.bool_),  # whether the 256 are evenly spread
    ]
)
"""One patch, as it stands in the cache."""
DRAWS = 3
"""Clouds drawn of each shape."""
_PACKING = 0.65
"""Points times radius squared over area, as the library fills a sphere."""
_FEW = 0.01
"""Share by which the number of points may miss the one asked for."""
_POOL = 8
"""Points of the pool for uneven samples, for one of the sparse cloud."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Points of a surface."""

    points: Points
    """``(n, 3)``."""
    normals: Points
    """``(n, 3)`` of length 1, or 0 where nobody knows."""


def poisson_disk(mesh: trimesh.Trimesh, count: int, seed: int) -> Sample:
    """Return about ``count`` points of which no two are closer than a radius.

    Args:
        mesh: The surface.
        count: Points; a few more or less come, 2 % at most on most surfaces.
        seed: 0 or more.

    Raises:
        DataError: The surface is none.
    """
    vertices = np.asarray(mesh.vertices, np.float64)
    faces = np.asarray(mesh.faces, np.int32)
    radius = float(np.sqrt(_PACKING * mesh.area / count))
    face, corners = np.zeros(0, np.int64), np.zeros((0, 3))
    for _ in range(3):
        # The library takes the seed 0 for "any".
        face, corners = pcu.sample_mesh_poisson_disk(
            vertices, faces, -1, radius=radius, random_seed=seed + 1
        )
        if len(face) == 0:
            raise DataError("mesh: got no point of its surface; look at its triangles")
        if abs(len(face) / count - 1) <= _FEW:
            break
        radius *= float(np.sqrt(len(face) / count))
    points = pcu.interpolate_barycentric_coords(faces, face, corners, vertices)
    return Sample(np.asarray(points), np.asarray(mesh.face_normals[face]))


def sampled(mesh: trimesh.Trimesh, count: int, seed: int) -> Points:
    """Return exactly ``count`` points of a surface, evenly spread.

    A Poisson-disk sample of a few points more, from which those go that are nearest to
    others.
    """
    wanted = count
    while True:
        points = poisson_disk(mesh, wanted, seed).points
        if len(points) >= count:
            return points[thinned(points, count)]
        wanted += max(1, count // 50)


@dataclass(frozen=True, slots=True)
class PatchPlan:
    """Which patches of shapes made in code there are to be."""

    shapes: int = 320
    """Meshes."""
    patches: int = 75
    """Patches of each mesh."""
    clouds: tuple[int, ...] = (2048, 2048, 1024, 2048, 2048, 4096)
    """Sizes of the sparse clouds that patches are cut from, in turn, 256 at least: a
    patch is an eighth of a shape, a quarter or a sixteenth."""
    seed: int = 8
    """Seed of shapes and samples."""

    def __post_init__(self) -> None:
        """Check that a cloud holds a patch."""
        if not self.clouds or min(self.clouds) < SPARSE:
            raise ConfigError(f"clouds: got {self.clouds}, expected {SPARSE} or more")


def patches_of(mesh: trimesh.Trimesh, number: int, plan: PatchPlan) -> NDArray[Any]:
    """Cut the patches of a mesh.

    Half of the sparse samples are a Poisson-disk sample of their own, half are thinned
    out unevenly from random points. No sparse sample shares a draw with its target.

    Args:
        mesh: The surface; patches are in its coordinates.
        number: Its number, kept with each patch, and part of the seed.
        plan: How many, of which clouds, and the seed of everything drawn.

    Returns:
        ``(plan.patches,)`` of ``PATCH``.
    """
    random = np.random.default_rng([plan.seed, number, 1])
    patches = np.zeros(plan.patches, PATCH)
    patches["shape"] = number
    for draw, rows in enumerate(np.array_split(np.arange(plan.patches), DRAWS)):
        size = plan.clouds[(number * DRAWS + draw) % len(plan.clouds)]
        first, second = (int(value) for value in random.integers(0, 2**30, 2))
        dense = poisson_disk(mesh, size * RATIO, first)
        sparse = poisson_disk(mesh, size, second).points
        pool = random_points(mesh, size * _POOL, random)
        middles = sparse[random.choice(len(sparse), len(rows))]
        far, near = cKDTree(dense.points).query(middles, DENSE)
        close = cKDTree(sparse).query(middles, SPARSE)[1]
        patches["dense"][rows] = dense.points[near]
        patches["normals"][rows] = dense.normals[near]
        tree = cKDTree(pool)
        for place, row in enumerate(rows):
            even = bool(row % 2)
            patches["even"][row] = even
            if even:
                patches["sparse"][row] = sparse[close[place]]
            else:
                inside = pool[tree.query_ball_point(middles[place], far[place, -1])]
                patches["sparse"][row] = thinned_unevenly(inside, random)
    return patches


def random_points(
    mesh: trimesh.Trimesh, count: int, random: np.random.Generator
) -> Points:
    """Return ``(count, 3)`` points of a surface, all places alike and independent."""
    seed = int(random.integers(2**31))
    points: Points = trimesh.sample.sample_surface(mesh, count, seed=seed)[0]
    return np.asarray(points)


def thinned_unevenly(points: Points, random: np.random.Generator) -> Points:
    """Return ``SPARSE`` of the points, denser around one of them than elsewhere."""
    middle = points[random.integers(len(points))]
    away = np.linalg.norm(points - middle, axis=1)
    width = random.uniform(0.4, 1.2) * away.max()
    weight = 0.1 + np.exp(-0.5 * (away / width) ** 2)
    # Too few points lie in a patch only where the surface has holes: then some stand
    # twice, as in a real cloud.
    again = len(points) < SPARSE
    rows = random.choice(len(points), SPARSE, replace=again, p=weight / weight.sum())
    chosen: Points = points[rows]
    return chosen
