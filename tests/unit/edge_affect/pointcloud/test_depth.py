"""Depth pictures as clouds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_affect.errors import UsageError
from edge_affect.pointcloud.depth import Intrinsics, depth_to_cloud

SEES = Intrinsics(fx=100, fy=50, cx=2, cy=1)


def test_a_pixel_lies_where_its_ray_is_so_far_away() -> None:
    """On the axis straight ahead; elsewhere by the focal lengths."""
    depth = np.zeros((3, 5), np.uint16)
    depth[1, 2] = 2_000
    depth[2, 4] = 500
    cloud = depth_to_cloud(depth, SEES)
    assert cloud.dtype == np.float32
    expected = np.array([[0, 0, 2], [0.01, 0.01, 0.5]])
    np.testing.assert_allclose(cloud, expected, atol=1e-6)


def test_what_was_not_measured_is_left_out() -> None:
    """Zero, NaN, infinity, below zero, and what is too far."""
    depth = np.array([[0, np.nan, np.inf, -1, 11, 1.5]])
    cloud = depth_to_cloud(depth, SEES)
    assert cloud[:, 2].tolist() == [1.5]
    assert len(depth_to_cloud(depth, SEES, furthest_m=20)) == 2


@pytest.mark.parametrize("depth", [np.zeros((2, 2, 1)), np.zeros((2, 2), np.int32)])
def test_another_picture_is_refused(depth: NDArray[Any]) -> None:
    """Its form and type are told."""
    with pytest.raises(UsageError, match="expected uint16 in mm"):
        depth_to_cloud(depth, SEES)


@pytest.mark.parametrize("focal", [0.0, -1.0, float("nan"), float("inf")])
def test_a_camera_that_cannot_see_is_refused(focal: float) -> None:
    """Focal lengths are finite and above 0."""
    with pytest.raises(UsageError, match="focal lengths above 0"):
        Intrinsics(focal, 100, 0, 0)
