"""Shapes and patches made in code: reproducible, independent, never the test set's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("trimesh")
pytest.importorskip("manifold3d")
pytest.importorskip("point_cloud_utils")
pytest.importorskip("h5py")

import h5py
import trimesh
from scipy.spatial import cKDTree

from edge_affect.errors import ConfigError, DataError
from edge_affect.pointcloud.cloud import flow_of
from edge_affect.pointcloud.patches import neighbours_of
from training.pointcloud import cache
from training.pointcloud.cache import kept_patches, open_patches
from training.pointcloud.patches import (
    DENSE,
    SPARSE,
    PatchPlan,
    patches_of,
    poisson_disk,
)
from training.pointcloud.shapes import KINDS, make_mesh
from training.pointcloud.user import check_no_test, read_patches

PLAN = PatchPlan(shapes=1, patches=6, clouds=(400, 300), seed=3)
COUNT_SHARE = 0.03
"""Share by which a Poisson-disk sample of a ball may miss its number of points."""
ON_SURFACE = 1e-5
"""Distance of a sampled point from its surface: float32 coordinates."""


@pytest.fixture(scope="module")
def ball() -> trimesh.Trimesh:
    """Return a ball of radius 1."""
    made: trimesh.Trimesh = trimesh.creation.icosphere(subdivisions=3)
    return made


def test_make_mesh_is_reproducible_and_closed() -> None:
    """Every kind gives a closed surface in the unit ball, the same for one seed."""
    for number, kind in enumerate(KINDS):
        mesh = make_mesh(number, 8)
        assert mesh.is_watertight, kind
        assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(1)
        assert np.array_equal(mesh.vertices, make_mesh(number, 8).vertices), kind
    assert not np.array_equal(make_mesh(0, 8).bounds, make_mesh(0, 9).bounds)


def test_poisson_disk_keeps_its_distance(ball: trimesh.Trimesh) -> None:
    """The number of points is about right, and no two are much closer than others."""
    points = poisson_disk(ball, 1000, 0).points
    assert abs(len(points) / 1000 - 1) <= COUNT_SHARE
    apart = cKDTree(points).query(points, 2)[0][:, 1]
    assert apart.min() > 0.8 * apart.mean()
    assert not np.array_equal(points[:10], poisson_disk(ball, 1000, 1).points[:10])


@pytest.fixture(scope="module")
def patches(ball: trimesh.Trimesh) -> np.ndarray:
    """Return a few patches of the ball."""
    return patches_of(ball, 0, PLAN)


def test_patches_depend_on_the_seed_alone(
    patches: np.ndarray, ball: trimesh.Trimesh
) -> None:
    """The same numbers give the same bytes, another seed other ones."""
    assert patches_of(ball, 0, PLAN).tobytes() == patches.tobytes()
    assert patches_of(ball, 0, replace(PLAN, seed=4)).tobytes() != patches.tobytes()


def test_inputs_are_no_part_of_their_targets(patches: np.ndarray) -> None:
    """No sparse point stands in the dense sample, though all lie on its surface."""
    for patch in patches:
        near = cKDTree(patch["dense"]).query(patch["sparse"])[0]
        assert near.min() > 0
        spacing = cKDTree(patch["dense"]).query(patch["dense"], 2)[0][:, 1].mean()
        # Points of a subset would be at distance 0; independent ones are half-way.
        assert near.mean() > 0.25 * spacing


def test_patches_lie_on_the_surface_with_its_normals(patches: np.ndarray) -> None:
    """Targets are on the facets of the ball, their normals point outwards."""
    facet_depth = 0.02
    for name in ("dense", "sparse"):
        radius = np.linalg.norm(patches[name], axis=2)
        assert radius.max() <= 1 + ON_SURFACE
        assert radius.min() >= 1 - facet_depth
    outward = (patches["dense"] * patches["normals"].astype(float)).sum(axis=2)
    assert outward.min() > 0.9


@pytest.mark.parametrize("clouds", [(), (255, 400)])
def test_clouds_smaller_than_a_patch_are_refused(clouds: tuple[int, ...]) -> None:
    """A patch cannot be cut from fewer points than it has."""
    with pytest.raises(ConfigError, match="clouds"):
        PatchPlan(clouds=clouds)


def test_half_of_the_inputs_are_even(patches: np.ndarray) -> None:
    """The even half keeps its distances, the other half does not."""
    assert patches["even"].sum() * 2 == len(patches)
    closest = []
    for patch in patches:
        apart = cKDTree(patch["sparse"]).query(patch["sparse"], 2)[0][:, 1]
        closest.append(apart.min() / apart.mean())
    even = patches["even"]
    assert np.array(closest)[even].min() > 0.8
    assert np.array(closest)[~even].max() < 0.5


def test_neighbours_leave_the_point_out(patches: np.ndarray) -> None:
    """Those ahead come first, nearest first in both parts, never the point."""
    sparse = patches["sparse"][0].astype(float)
    flow = flow_of(sparse)
    near = neighbours_of(sparse[None], flow[None], 6)[0]
    assert near.shape == (SPARSE, 6)
    assert not (near == np.arange(SPARSE)[:, None]).any()
    apart = np.linalg.norm(sparse[near] - sparse[:, None], axis=2)
    behind = ((sparse[near] - sparse[:, None]) * flow[:, None]).sum(axis=2) <= 0
    assert (np.diff(behind.astype(int), axis=1) >= 0).all()
    assert 0.3 < behind.mean() < 0.7
    same = behind[:, 1:] == behind[:, :-1]
    assert (np.diff(apart, axis=1)[same] >= 0).all()
    expected = np.sort(cKDTree(sparse).query(sparse, 7)[0][:, 1:], axis=1)
    np.testing.assert_allclose(np.sort(apart, axis=1), expected)


def test_two_neighbours_seldom_beget_one_midpoint(patches: np.ndarray) -> None:
    """Of the mid-points with three neighbours few fall on another."""
    (sparse,) = patches["sparse"][patches["even"]][:1].astype(float)
    rows = np.arange(SPARSE)[:, None]
    near = neighbours_of(sparse[None], flow_of(sparse)[None], 10)[0]
    plain = cKDTree(sparse).query(sparse, 4)[1][:, 1:]
    pairs = [np.sort(np.stack([rows + 0 * n, n], -1), -1) for n in (near[:, :3], plain)]
    ours, nearest = (len(np.unique(p.reshape(-1, 2), axis=0)) for p in pairs)
    assert ours > 0.9 * 3 * SPARSE > nearest


def test_flow_turns_with_the_cloud(patches: np.ndarray) -> None:
    """A turned, mixed, scaled and shifted cloud has the same flow, turned likewise."""
    cloud = patches["sparse"][0].astype(float)
    random = np.random.default_rng(0)
    turn, order = np.linalg.qr(random.normal(size=(3, 3)))[0], random.permutation(256)
    turn *= np.sign(np.linalg.det(turn))  # a mirror turns the other way
    expected = 3 * flow_of(cloud)[order] @ turn
    moved = flow_of(3 * cloud[order] @ turn + 5)
    np.testing.assert_allclose(moved, expected, atol=1e-9)


def test_flow_draws_new_points_nowhere(ball: trimesh.Trimesh) -> None:
    """The mid-points' middle is the cloud's, and a plane is circled within itself."""
    cloud = poisson_disk(ball, 1000, 0).points
    near = neighbours_of(cloud[None], flow_of(cloud)[None], 10)[0, :, :3]
    spacing = cKDTree(cloud).query(cloud, 2)[0][:, 1].mean()
    drift = (cloud[near].mean(axis=(0, 1)) - cloud.mean(axis=0)) / 2
    assert np.linalg.norm(drift) < 0.1 * spacing
    assert np.abs(flow_of(cloud * [1, 1, 0])[:, 2]).max() < 1e-12


def test_cache_goes_on_after_a_stop(
    tmp_path: Path, patches: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made before a stop is not made again, and the file ends up the same."""
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 99.0, 99.0))
    asked: list[int] = []

    def make(number: int) -> np.ndarray:
        asked.append(number)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return patches[3 * number : 3 * number + 3]

    path = tmp_path / "patches.npy"
    with pytest.raises(KeyboardInterrupt):
        kept_patches(path, make, 2, 3)
    assert not path.exists()
    assert kept_patches(path, make, 2, 3).tobytes() == patches.tobytes()
    assert asked == [0, 1, 1]
    assert [file.name for file in tmp_path.iterdir()] == ["patches.npy"]


def test_cache_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second call maps the file; a damaged one is refused with its name."""
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 99.0, 99.0))
    plan = replace(PLAN, patches=3)
    first = open_patches(tmp_path, plan)
    monkeypatch.setattr(cache, "patches_of", None)
    assert open_patches(tmp_path, plan).tobytes() == first.tobytes()
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"damaged")
    with pytest.raises(DataError, match="not a usable cache"):
        open_patches(tmp_path, plan)


@pytest.mark.parametrize(
    "path",
    [
        "data/pugan_test/mesh",
        "PUGAN_Test",
        "meshes/camel.off",
        "other/coverrear_Lp.xyz",
    ],
)
def test_the_test_set_is_refused_by_name(path: str) -> None:
    """Neither its folder nor any of its shapes can be trained on."""
    with pytest.raises(DataError, match="test"):
        check_no_test(Path(path))


def test_a_link_to_the_test_set_is_refused(tmp_path: Path) -> None:
    """Another name for the folder does not help."""
    (tmp_path / "pugan_test").mkdir()
    (tmp_path / "mine").symlink_to(tmp_path / "pugan_test")
    with pytest.raises(DataError, match="for tests"):
        read_patches(tmp_path / "mine", tmp_path, PLAN)


def test_a_shape_of_the_test_set_in_a_users_folder_is_refused(
    tmp_path: Path, ball: trimesh.Trimesh
) -> None:
    """One such file among the user's own stops the run before anything is made."""
    ball.export(tmp_path / "mine.off")
    ball.export(tmp_path / "Duck.off")
    with pytest.raises(DataError, match=r"Duck\.off"):
        read_patches(tmp_path, tmp_path / "cache", PLAN)
    assert not (tmp_path / "cache").exists()


def test_a_users_meshes_become_patches(
    tmp_path: Path, ball: trimesh.Trimesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever their unit, meshes are brought into the unit ball first."""
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 99.0, 99.0))
    big = ball.copy()
    big.vertices *= 40
    big.export(tmp_path / "mine.ply")
    found = read_patches(tmp_path, tmp_path / "cache", replace(PLAN, patches=3))
    assert found.shape == (3,)
    assert np.linalg.norm(found["dense"], axis=2).max() <= 1 + ON_SURFACE


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [("mine.off", b"OFF\n0 0 0\n", "mine.off"), ("notes.txt", b"", "got no mesh")],
)
def test_unusable_meshes_are_named(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    """A mesh without a surface, or a folder without a mesh, is one clear error."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=told):
        read_patches(tmp_path, tmp_path / "cache", replace(PLAN, patches=3))


def test_pugans_file_is_read_as_it_is(tmp_path: Path) -> None:
    """Its patches come through unchanged, with unknown normals."""
    random = np.random.default_rng(0)
    dense = random.random((5, DENSE, 3), np.float32)
    with h5py.File(tmp_path / "patches.h5", "w") as file:
        file["poisson_256"], file["poisson_1024"] = dense[:, :SPARSE], dense
    found = read_patches(tmp_path / "patches.h5", tmp_path, PLAN)
    assert np.array_equal(found["dense"], dense)
    assert np.array_equal(found["sparse"], dense[:, :SPARSE])
    assert not found["normals"].any()


@pytest.mark.parametrize("points", [100, SPARSE])
def test_a_foreign_h5_is_refused(tmp_path: Path, points: int) -> None:
    """Other names, or other numbers of points, are told from PU-GAN's."""
    path = tmp_path / "patches.h5"
    with h5py.File(path, "w") as file:
        file["poisson_256"] = np.zeros((2, points, 3))
        if points != SPARSE:
            file["poisson_1024"] = np.zeros((2, DENSE, 3))
    with pytest.raises(DataError, match=r"patches\.h5"):
        read_patches(path, tmp_path, PLAN)
