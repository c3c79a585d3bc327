"""Clouds through a network of known arithmetic: patches, joining, odd input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_affect.errors import (
    BundleError,
    MissingDependencyError,
    RunnerError,
    UsageError,
)
from edge_affect.pointcloud.cloud import MAX_POINTS, check_cloud, flow_of
from edge_affect.pointcloud.patches import PATCH_POINTS, cut, neighbours_of
from edge_affect.pointcloud.upsampler import Upsampler
from tests.fakes.clouds import cloud_bundle, midpoint_graph, sphere

pytest.importorskip("fpsample")
pytest.importorskip("onnx")
spatial = pytest.importorskip("scipy.spatial")


@pytest.fixture(scope="module")
def upsampler(tmp_path_factory: pytest.TempPathFactory) -> Upsampler:
    """Return an upsampler that gives mid-points."""
    return Upsampler(
        cloud_bundle(tmp_path_factory.mktemp("bundle") / "b"), allow_unsigned=True
    )


def as_set(points: NDArray[Any]) -> NDArray[Any]:
    """Return the points in order of their coordinates, rounded."""
    return np.unique(np.round(points.astype(np.float64), 5), axis=0)


@pytest.mark.parametrize("count", [256, 257, 1_000, 9_000])
def test_four_points_come_of_each_evenly_spread(
    upsampler: Upsampler, count: int
) -> None:
    """Whatever the patches: as many as promised, none twice, no part left out."""
    points = sphere(count)
    dense = upsampler.upsample(points)
    assert dense.shape == (4 * count, 3)
    assert dense.dtype == np.float64
    # A mid-point lies half-way to one of the nearest neighbours.
    spacing = spatial.cKDTree(points).query(points, 11)[0][:, -1].max()
    assert spatial.cKDTree(points).query(dense)[0].max() < spacing
    assert spatial.cKDTree(dense).query(points)[0].max() < spacing / 2
    assert spatial.cKDTree(dense).query(dense, 2)[0][:, 1].min() > 0


def test_sixteen_is_four_twice(upsampler: Upsampler) -> None:
    """Each pass begins from all points of the one before."""
    points = sphere(300).astype(np.float32)
    once, twice = upsampler.upsample(points), upsampler.upsample(points, 16)
    assert twice.dtype == np.float32
    assert len(once) == 1_200
    assert 0.9 * 4_800 < len(twice) <= 4_800
    assert spatial.cKDTree(twice).query(once)[0].max() < 0.1


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_the_order_of_the_points_does_not_matter(
    upsampler: Upsampler, seed: int
) -> None:
    """The same points in any order, some of them twice, give the same bytes."""
    points = sphere(700, 3)
    random = np.random.default_rng(seed)
    mixed = points[random.permutation(len(points))]
    mixed = np.concatenate([mixed, mixed[: seed % 50]])
    np.testing.assert_array_equal(upsampler.upsample(points), upsampler.upsample(mixed))


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**32),
    scale=st.sampled_from((1e-3, 1.0, 4e3)),
    shift=st.sampled_from((0.0, 7.0)),
)
def test_what_comes_out_turns_and_scales_with_what_goes_in(
    upsampler: Upsampler, seed: int, scale: float, shift: float
) -> None:
    """Points of a turned cloud lie where the turned points of the cloud lie."""
    points = sphere(600, 5) * [1.0, 0.7, 0.5]
    random = np.random.default_rng(seed)
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    moved = upsampler.upsample(scale * points @ turn.T + scale * shift)
    expected = scale * upsampler.upsample(points) @ turn.T + scale * shift
    away = spatial.cKDTree(expected).query(moved)[0]
    assert np.quantile(away, 0.99) < 1e-4 * scale


def test_every_point_lies_in_a_patch_and_no_part_costs_more() -> None:
    """Uneven clouds too: patches follow the points, not the space."""
    for count in (256, 3_000, 30_000):
        points = check_cloud(sphere(count, 1) * np.r_[1, 0.1, 0.1] ** 2)
        patches = cut(points)
        assert len(np.unique(patches.rows)) == len(points)
        assert len(patches.rows) <= max(1, 5 * count // PATCH_POINTS)
        far = np.linalg.norm(patches.points, axis=2).max(axis=1)
        np.testing.assert_allclose(far, 1, atol=1e-5)


def test_neighbours_are_the_nearest_those_ahead_first() -> None:
    """By brute force over one patch; of two points one has the other ahead."""
    patch = sphere(PATCH_POINTS, 2)
    flow = flow_of(patch)
    found = neighbours_of(patch[None], flow[None], 10)[0]
    away = np.linalg.norm(patch[:, None] - patch[None], axis=2)
    for point, row in enumerate(found):
        near = np.argsort(away[point])[1:11]
        ahead = (patch[near] - patch[point]) @ flow[point] > 0
        assert row.tolist() == [*near[ahead], *near[~ahead]]


@pytest.mark.parametrize(
    ("cloud", "told"),
    [
        (np.zeros((0, 3)), "got 0 different points, expected 256"),
        (sphere(255), "got 255 different points, expected 256"),
        (np.zeros((5_000, 3)), "got 1 different points"),
        (np.zeros((300, 2)), r"got float64 \(300, 2\)"),
        (np.zeros((300, 3), complex), "got complex128"),
        (np.full((300, 3), np.nan), "300 of 300 points are NaN"),
        (np.array([[np.inf, 0, 0]] * 300), "300 of 300 points are NaN or infinite"),
        (np.broadcast_to(np.zeros(3), (MAX_POINTS + 1, 3)), "cut it into parts"),
        (np.broadcast_to(np.arange(3), (300, 3)), "got 1 different points"),
    ],
)
def test_a_cloud_that_is_none_is_told_in_one_line(
    upsampler: Upsampler, cloud: NDArray[Any], told: str
) -> None:
    """What, got, expected; never a crash further down."""
    with pytest.raises(UsageError, match=told) as caught:
        upsampler.upsample(cloud)
    assert "\n" not in str(caught.value)


def test_a_cloud_too_large_for_its_ratio_is_refused(
    upsampler: Upsampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any work is done."""
    monkeypatch.setattr("edge_affect.pointcloud.upsampler.MAX_POINTS", 5_000)
    with pytest.raises(UsageError, match="would become 6400"):
        upsampler.upsample(sphere(400), 16)
    with pytest.raises(UsageError, match="ratio: got 8, expected 4 or 16"):
        upsampler.upsample(sphere(400), 8)


@pytest.mark.parametrize("form", ["plane", "line", "grid", "far"])
def test_flat_straight_and_far_clouds_stay_what_they_are(
    upsampler: Upsampler, form: str
) -> None:
    """Ties among distances, no thickness, coordinates of a map: four for one."""
    side = np.arange(20.0)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    flat = np.concatenate([grid, np.zeros((400, 1))], axis=1)
    if form == "line":
        flat = np.arange(400.0)[:, None] * [1.0, 0, 0]
    elif form == "far":
        flat = sphere(400) + np.array([5e6, 4e6, 100.0])
    elif form == "plane":
        flat[:, :2] += np.random.default_rng(0).uniform(-0.3, 0.3, (400, 2))
    dense = upsampler.upsample(flat)
    assert dense.shape == (1_600, 3)
    assert np.isfinite(dense).all()
    if form != "far":
        assert np.abs(dense[:, 2]).max() < 1e-5
    assert spatial.cKDTree(dense).query(flat)[0].max() < 1.1


def test_a_large_cloud_of_few_places_is_cut_all_the_same(upsampler: Upsampler) -> None:
    """Most points share their coordinate along the longest side."""
    wall = np.random.default_rng(0).uniform(size=(9_000, 3)) * [0, 1, 1]
    wall[:300, 0] = np.linspace(0.1, 5, 300)
    assert upsampler.upsample(wall).shape == (36_000, 3)


def test_progress_counts_the_patches(upsampler: Upsampler) -> None:
    """Whoever waits is told how much is done."""
    told: list[tuple[int, int]] = []
    upsampler.upsample(sphere(2_048), 4, lambda done, count: told.append((done, count)))
    assert told[-1][0] == told[-1][1] > 4
    assert [done for done, _ in told] == sorted({done for done, _ in told})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kind": "faces"}, "got kind 'faces'"),
        ({"schema": 2}, "of schema 2"),
        ({"graphs": {}}, "'pointcloud' is missing"),
        ({"graphs": {"pointcloud": {}}}, "got no graph"),
        ({"version": "1"}, "MAJOR.MINOR.PATCH"),
        ({"extra": 1}, "unknown key 'extra'"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    """The key is named."""
    folder = cloud_bundle(tmp_path / "b", changes=changes)
    with pytest.raises(BundleError, match=told):
        Upsampler(folder, allow_unsigned=True)


def test_a_graph_that_was_changed_or_is_another_is_refused(tmp_path: Path) -> None:
    """By its digest before anything parses it; by its form after."""
    folder = cloud_bundle(tmp_path / "b")
    with pytest.raises(BundleError, match="not shipped"):
        Upsampler(folder)
    graph = folder / "pointcloud.cpu-fp32.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    with pytest.raises(BundleError, match="damaged or was changed"):
        Upsampler(folder, allow_unsigned=True)
    other = Path("tests/data/graphs/counter.onnx").read_bytes()
    with pytest.raises(RunnerError, match=r"expected points \(B, 256, 3\)"):
        Upsampler(cloud_bundle(tmp_path / "c", other), allow_unsigned=True)


def test_a_graph_that_gives_nan_is_told(tmp_path: Path) -> None:
    """No point that is none leaves the upsampler."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(midpoint_graph())
    [half] = [c for c in model.graph.initializer if c.name == "half"]
    half.CopyFrom(onnx.helper.make_tensor("half", half.data_type, [], [np.nan]))
    broken = cloud_bundle(tmp_path / "b", model.SerializeToString())
    with pytest.raises(RunnerError, match="not finite"):
        Upsampler(broken, allow_unsigned=True).upsample(sphere(300))


def test_without_scipy_the_extra_is_named(
    upsampler: Upsampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that says what to install."""
    monkeypatch.setitem(sys.modules, "scipy.spatial", None)
    with pytest.raises(MissingDependencyError, match=r"edge_affect\[pointcloud\]"):
        upsampler.upsample(sphere(300))
