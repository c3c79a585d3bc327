"""Distances between clouds and to surfaces, against brute force."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tests.fakes.clouds import sphere
from training.pointcloud.baseline import midpoints
from training.pointcloud.metrics import (
    in_unit_sphere,
    nearness,
    to_surface,
    unevenness,
)


def test_nearness_is_what_brute_force_says() -> None:
    """Squared distances there and back, in each cloud's own unit sphere."""
    one, other = sphere(60, 1) * [1, 2, 3] + 5, sphere(90, 2)
    a, b = in_unit_sphere(one), in_unit_sphere(other)
    apart = ((a[:, None] - b[None]) ** 2).sum(axis=2)
    there, back = apart.min(axis=1), apart.min(axis=0)
    found = nearness(one, other)
    assert found.chamfer == pytest.approx(there.mean() + back.mean())
    assert found.hausdorff_sum == pytest.approx(there.max() + back.max())
    assert found.hausdorff_max == pytest.approx(max(there.max(), back.max()))
    assert found.hausdorff == pytest.approx(np.sqrt(found.hausdorff_max))


def test_nearness_knows_neither_place_nor_size() -> None:
    """A shifted and scaled copy is the cloud itself."""
    points = sphere(100)
    assert nearness(points * 7 + 3, points).chamfer == pytest.approx(0, abs=1e-20)


def test_distance_to_a_surface_is_told_in_its_radii() -> None:
    """A tenth of the side above a square's middle."""
    square = trimesh.Trimesh(
        [[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]], [[0, 1, 2], [0, 2, 3]]
    )
    above = np.array([[1.0, 1.0, 0.2], [0.5, 1.5, 0.2], [1.0, 1.0, 0.0]])
    assert to_surface(above, square) == pytest.approx(0.4 / 3 / np.sqrt(2))


def test_unevenness_is_nothing_for_a_lattice_and_half_for_chance() -> None:
    """The spread of nearest distances over their mean."""
    lattice = np.stack(np.meshgrid(*[np.arange(9.0)] * 2), -1).reshape(-1, 2)
    flat = np.concatenate([lattice, np.zeros((81, 1))], axis=1)
    assert unevenness(flat) == 0
    chance = np.random.default_rng(0).uniform(size=(20_000, 3)) * [1, 1, 0]
    assert unevenness(chance) == pytest.approx(0.523, abs=0.02)


@pytest.mark.parametrize("ratio", [4, 16])
def test_midpoints_lie_between_points_and_are_evenly_thinned(ratio: int) -> None:
    """As many as asked for, whatever the order of the points."""
    points = sphere(300)
    dense = midpoints(points, ratio)
    assert dense.shape == (ratio * 300, 3)
    assert len(np.unique(dense, axis=0)) == len(dense)
    mixed = midpoints(points[np.random.default_rng(0).permutation(300)], ratio)
    # Of points that are equally far from all others either may stay.
    assert nearness(dense, mixed).chamfer < 0.02 * nearness(dense, points).chamfer
