"""Patches of a user's own meshes, or of PU-GAN's file; never of its test set."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import trimesh
from numpy.typing import NDArray

from edge_affect.errors import DataError
from training.engine.cache import file_key, settings_key
from training.pointcloud.cache import kept_patches
from training.pointcloud.patches import DENSE, PATCH, SPARSE, PatchPlan, patches_of

TEST_FOLDER = "pugan_test"
"""What no part of a path may be called."""
TEST_SHAPES = frozenset(
    (
        *("13770_tiger_v1", "camel", "casting", "coverrear_lp", "cow", "duck"),
        *("eight", "genus3", "m60", "m88", "pig", "star", "statue_dragon_aligned"),
        *("statue_ramesses_aligned", "statue_rome_aligned"),
    )
)
"""Its shapes, as their files are called wherever they lie, in small letters."""
MESHES = (".off", ".obj", ".ply", ".stl", ".glb")
"""Endings of mesh files."""
_SPARSE_KEY, _DENSE_KEY = "poisson_256", "poisson_1024"
"""Names in PU-GAN's file."""


def check_no_test(path: Path) -> None:
    """Refuse what may only be tested on.

    Raises:
        DataError: The path leads into PU-GAN's test set, or names one of its shapes.
    """
    places = {path, path.resolve()}
    if any(part.lower() == TEST_FOLDER for place in places for part in place.parts):
        raise DataError(
            f"{path}: lies in {TEST_FOLDER}, expected anything else: it is for tests "
            "only; name another folder"
        )
    if any(place.stem.lower() in TEST_SHAPES for place in places):
        raise DataError(
            f"{path}: is called like a shape of PU-GAN's test set, which is for tests "
            "only; take it out, or rename it if it is another"
        )


def read_patches(path: Path, cache: Path, plan: PatchPlan) -> NDArray[Any]:
    """Return the patches of a user's data.

    Args:
        path: A folder of meshes, or PU-GAN's ``.h5`` of 256 and 1,024 points.
        cache: Folder in which patches of meshes are kept.
        plan: Patches of each mesh, and the seed.

    Returns:
        ``(n,)`` of ``PATCH``.

    Raises:
        DataError: It is neither, is damaged, or belongs to PU-GAN's test set.
    """
    check_no_test(path)
    if path.is_dir():
        return _of_meshes(path, cache, plan)
    return _of_pugan(path)


def _of_meshes(folder: Path, cache: Path, plan: PatchPlan) -> NDArray[Any]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in MESHES)
    if not files:
        raise DataError(f"{folder}: got no mesh, expected some of {', '.join(MESHES)}")
    for path in files:
        check_no_test(path)
    keys = [file_key(path) for path in files]
    key = settings_key(plan, keys)
    make = partial(_of_mesh, files=files, plan=plan)
    return kept_patches(cache / f"patches-{key}.npy", make, len(files), plan.patches)


def _of_mesh(number: int, files: list[Path], plan: PatchPlan) -> NDArray[Any]:
    return patches_of(load_mesh(files[number]), number, plan)


def load_mesh(path: Path) -> trimesh.Trimesh:
    """Read a mesh and bring its farthest corner to 1 from its middle.

    Raises:
        DataError: It is damaged, or has no surface.
    """
    try:
        mesh = trimesh.load_mesh(path)
        points = np.asarray(mesh.vertices, np.float64)
        usable = len(mesh.faces) > 0 and mesh.area > 0 and np.isfinite(points).all()
    except Exception as error:  # one error of its own for each of the library's readers
        raise DataError(f"{path}: not a readable mesh ({error})") from error
    if not usable:
        raise DataError(f"{path}: got no surface, expected triangles; take it out")
    mesh.vertices = points - (points.max(axis=0) + points.min(axis=0)) / 2
    mesh.vertices /= np.linalg.norm(mesh.vertices, axis=1).max()
    return mesh


def _of_pugan(path: Path) -> NDArray[Any]:
    """Read PU-GAN's training patches; they come without normals.

    Its sparse points stand in the dense ones. They are used as they are.
    """
    try:
        with h5py.File(path) as file:
            sparse = np.asarray(file[_SPARSE_KEY], np.float32)[..., :3]
            dense = np.asarray(file[_DENSE_KEY], np.float32)[..., :3]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{path}: not PU-GAN's file of patches ({error}); expected HDF5 with "
            f"{_SPARSE_KEY} and {_DENSE_KEY}, or a folder of meshes"
        ) from error
    got, expected = (sparse.shape[1:], dense.shape[1:]), ((SPARSE, 3), (DENSE, 3))
    if got != expected or len(sparse) != len(dense):
        raise DataError(
            f"{path}: got {sparse.shape} and {dense.shape}, expected as many patches "
            f"of {SPARSE} and {DENSE} points"
        )
    if not (np.isfinite(sparse).all() and np.isfinite(dense).all()):
        raise DataError(f"{path}: got NaN or infinity, expected finite coordinates")
    patches = np.zeros(len(sparse), PATCH)
    patches["sparse"], patches["dense"] = sparse, dense
    patches["shape"], patches["even"] = -1, True
    return patches
