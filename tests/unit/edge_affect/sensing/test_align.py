"""Alignment: similarities from points and boxes, and what is drawn under them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_affect.sensing.align import (
    TEMPLATE,
    affine_from_box,
    affine_from_face,
    affine_from_points,
    align_face,
    box_from_points,
)
from edge_affect.types import Face, Frame

MAP_TOLERANCE = 1e-3
"""Pixels: float32 of coordinates in the hundreds."""
DRAWN_PX = 1.0
"""Pixels: a drawn dot covers several."""


def mapped(
    affine: NDArray[np.float32], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``points`` of the square in the frame."""
    return np.asarray(points @ affine[:, :2].T.astype(np.float64) + affine[:, 2])


def turned(scale: float, degrees: float, x: float, y: float) -> NDArray[np.float64]:
    """Return the template's points in a frame."""
    turn = np.deg2rad(degrees)
    matrix = scale * np.array(
        [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    )
    return np.asarray(np.array(TEMPLATE) @ matrix.T + [x, y])


@given(
    scale=st.floats(0.1, 10),
    degrees=st.floats(-180, 180),
    x=st.floats(-500, 2_000),
    y=st.floats(-500, 2_000),
)
def test_affine_from_points_finds_the_similarity(
    scale: float, degrees: float, x: float, y: float
) -> None:
    """Points that a similarity moved are mapped to where they are."""
    points = turned(scale, degrees, x, y)
    affine = affine_from_points(points)
    assert affine.shape == (2, 3)
    assert affine.dtype == np.float32
    assert np.abs(mapped(affine, np.array(TEMPLATE)) - points).max() <= MAP_TOLERANCE


def test_affine_from_points_never_mirrors() -> None:
    """Mirrored points get the best map that is no reflection."""
    mirrored = np.array(TEMPLATE) * [-1, 1] + [300, 40]
    affine = affine_from_points(mirrored)
    assert np.linalg.det(affine[:, :2]) > 0


def test_affine_from_points_is_the_least_of_squares() -> None:
    """No small change of the map fits noisy points better."""
    random = np.random.default_rng(5)
    points = turned(1.7, 12, 200, 90) + random.normal(0, 4, (5, 2))
    affine = affine_from_points(points).astype(np.float64)
    a, b, x, y = affine[0, 0], affine[1, 0], affine[0, 2], affine[1, 2]

    def error(values: NDArray[np.float64]) -> float:
        a, b, x, y = values
        fitted = np.array(TEMPLATE) @ np.array([[a, b], [-b, a]]) + [x, y]
        return float(((fitted - points) ** 2).sum())

    best = error(np.array([a, b, x, y]))
    for step in np.vstack([np.eye(4), -np.eye(4)]) * 1e-2:
        assert error(np.array([a, b, x, y]) + step) > best


@pytest.mark.parametrize("size_px", [56, 112, 224])
def test_affine_covers_the_same_area_at_any_size(size_px: int) -> None:
    """A square of another size shows the same part of the frame."""
    corners = np.array([[-0.5, -0.5], [size_px - 0.5, size_px - 0.5]])
    whole = np.array([[-0.5, -0.5], [111.5, 111.5]])
    points, box = turned(0.8, -20, 50, 60), (30.0, 40.0, 100.0, 100.0)
    pairs = [
        (affine_from_points(points, size_px), affine_from_points(points)),
        (affine_from_box(box, size_px), affine_from_box(box)),
    ]
    for sized, canonical in pairs:
        difference = mapped(sized, corners) - mapped(canonical, whole)
        assert np.abs(difference).max() <= MAP_TOLERANCE


def test_affine_from_box_covers_the_measured_square() -> None:
    """The square stands where faces of the training pictures stand in their frames."""
    edges = mapped(
        affine_from_box((100.0, 200.0, 50.0, 50.0)),
        np.array([[-0.5, -0.5], [111.5, 111.5]]),
    )
    assert edges + 0.5 == pytest.approx(np.array([[99, 200.5], [151, 252.5]]))


@given(
    left=st.floats(-100, 1_000), top=st.floats(-100, 1_000), width=st.floats(10, 800)
)
def test_box_from_points_undoes_affine_from_box(
    left: float, top: float, width: float
) -> None:
    """Both ways to the square agree: the box of its points is the box."""
    box = (left, top, width, width)
    points = mapped(affine_from_box(box), np.array(TEMPLATE))
    assert box_from_points(points) == pytest.approx(box, abs=10 * MAP_TOLERANCE)


def test_affine_from_face_prefers_points() -> None:
    """A face with points is aligned by them, one without by its box."""
    points = turned(1, 15, 20, 30).astype(np.float32)
    box = (10.0, 20.0, 90.0, 90.0)
    by_points = affine_from_face(Face(box, 1.0, points))
    assert np.array_equal(by_points, affine_from_points(points))
    assert np.array_equal(affine_from_face(Face(box, 1.0)), affine_from_box(box))


@pytest.mark.parametrize("degrees", [-25.0, 0.0, 40.0])
def test_align_face_brings_points_to_the_template(degrees: float) -> None:
    """Dots drawn on a face's points come out on the template's."""
    points = turned(2.0, degrees, 200, 150).astype(np.float32)
    for index, target in enumerate(TEMPLATE):
        picture = np.zeros((700, 700, 3), np.uint8)
        x, y = (points[index] * 16).round().astype(int).tolist()
        cv2.circle(picture, (x, y), 6 * 16, (0, 0, 255), -1, cv2.LINE_AA, 4)
        frame = Frame(picture, t_capture_ns=0, t_arrival_ns=0, index=0)
        image = align_face(frame, Face((0, 0, 1, 1), 1.0, points))
        assert image.shape == (112, 112, 3)
        assert image.dtype == np.uint8
        assert image[:, :, 1:].max() == 0  # red comes first
        rows, columns = np.nonzero(image[:, :, 0] > 127)
        assert (columns.mean(), rows.mean()) == pytest.approx(target, abs=DRAWN_PX)


def test_align_face_at_the_edge_is_black_outside() -> None:
    """A face that is half outside of the frame is aligned all the same."""
    frame = Frame(np.full((100, 100, 3), 200, np.uint8), 0, 0, 0)
    image = align_face(frame, Face((-40.0, 20.0, 80.0, 80.0), 1.0))
    assert image[:, :50].max() == 0
    assert image[:80, 60:].min() == 200
