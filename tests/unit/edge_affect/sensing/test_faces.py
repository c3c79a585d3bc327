"""Faces read off the locator graph's maps, and the graph as a locator."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_affect.runners.base import Runner, Signature, StreamState, Tensors
from edge_affect.sensing.align import TEMPLATE, box_from_points
from edge_affect.sensing.faces import STRIDE_PX, UNIT_PX, FaceMaps, overlap, read_faces
from edge_affect.sensing.locator import GraphLocator
from edge_affect.types import Frame

SIZE = 320, 256
"""Width and height of the picture that the graph takes."""


def face_points(x: float, y: float, width: float) -> NDArray[np.float32]:
    """Return the five points of a front face whose box is ``width`` wide."""
    template = np.array(TEMPLATE, np.float64)
    points = template * (width / box_from_points(template)[2])
    left, top, wide, high = box_from_points(points)
    move = np.array([x - left - wide / 2, y - top - high / 2])
    return np.asarray(points + move, np.float32)


def maps_with(*faces: tuple[NDArray[np.float32], float]) -> FaceMaps:
    """Return what a network without fault gives for points and their logits."""
    columns, rows = SIZE[0] // STRIDE_PX, SIZE[1] // STRIDE_PX
    score = np.full((1, rows, columns), -9.0, np.float32)
    width = np.zeros((1, rows, columns), np.float32)
    points = np.zeros((10, rows, columns), np.float32)
    for place, logit in faces:
        left, top, wide, high = box_from_points(place)
        column = int((left + wide / 2) // STRIDE_PX)
        row = int((top + high / 2) // STRIDE_PX)
        middle = (np.array([column, row]) + 0.5) * STRIDE_PX - 0.5
        score[0, row, column] = logit
        width[0, row, column] = np.log(wide / UNIT_PX)
        points[:, row, column] = ((place - middle) / wide).reshape(10)
    return FaceMaps(score, width, points)


def test_read_faces_gives_points_and_scores_the_surest_first() -> None:
    """Two faces of other sizes come back where they were put."""
    small, large = face_points(60, 70, 24), face_points(210, 130, 110)
    first, second = read_faces(maps_with((small, 0.0), (large, 3.0)), 0.1)
    assert first.score == pytest.approx(1 / (1 + np.exp(-3)))
    assert second.score == pytest.approx(0.5)
    for face, truth in ((first, large), (second, small)):
        assert face.points is not None
        assert face.points == pytest.approx(truth, abs=1e-3)
        assert face.box == pytest.approx(box_from_points(truth), abs=1e-3)


def test_read_faces_leaves_out_the_less_sure_and_what_overlaps() -> None:
    """The threshold holds, and one head is one face."""
    one, same = face_points(100, 100, 60), face_points(118, 100, 60)
    maps = maps_with((one, 2.0), (same, 1.0), (face_points(240, 150, 40), -1.0))
    assert [face.score > 0.8 for face in read_faces(maps, 0.5)] == [True]
    assert len(read_faces(maps, 0.1)) == 2


def test_read_faces_gives_nothing_for_an_empty_picture() -> None:
    """No cell is above the floor."""
    assert read_faces(maps_with(), 0.0) == []


def test_overlap_is_the_shared_part_of_the_union() -> None:
    """By hand: a half moved square shares a third."""
    assert overlap((0, 0, 2, 2), (1, 0, 2, 2)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 2, 2), (5, 5, 2, 2)) == 0
    assert overlap((0, 0, 2, 2), (0, 0, 2, 2)) == 1


class SpotRunner(Runner):
    """Finds the brightest pixel of a picture and calls it a face 40 pixels wide."""

    def __init__(self) -> None:
        rows, columns = SIZE[1] // STRIDE_PX, SIZE[0] // STRIDE_PX
        outputs: dict[str, tuple[int, ...]] = {
            name: (1, count, rows, columns)
            for name, count in (("score", 1), ("width", 1), ("points", 10))
        }
        shape = (1, 1, SIZE[1], SIZE[0])
        super().__init__({"locator": Signature({"image": shape}, outputs, {})})

    @property
    def backend(self) -> str:
        """Name of the backend."""
        return "fake"

    @property
    def provider(self) -> str:
        """Name of the provider."""
        return "FakeProvider"

    def close(self) -> None:
        """Hold nothing."""

    def _step(
        self, state: StreamState, which: str, inputs: Tensors
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
        picture = inputs["image"][0, 0]
        y, x = np.unravel_index(int(picture.argmax()), picture.shape)
        maps = maps_with((face_points(float(x), float(y), 40), 4.0))
        return {
            "score": maps.score[None],
            "width": maps.width[None],
            "points": maps.points[None],
        }, {}


@pytest.mark.parametrize("size", [(320, 256), (640, 480), (1280, 720), (480, 640)])
def test_graph_locator_gives_frame_pixels(size: tuple[int, int]) -> None:
    """Frames of any shape are fitted in whole, and the face comes back to scale."""
    width, height = size
    picture = np.full((height, width, 3), 40, np.uint8)
    spot = round(0.6 * width), round(0.4 * height)
    reach = max(2, width // 100)
    rows = slice(spot[1] - reach, spot[1] + reach)
    picture[rows, spot[0] - reach : spot[0] + reach] = 250
    frame = Frame(picture, t_capture_ns=0, t_arrival_ns=0, index=0)
    [face] = GraphLocator(SpotRunner()).locate(frame)
    scale = max(width / SIZE[0], height / SIZE[1])
    left, top, wide, high = face.box
    assert wide == pytest.approx(40 * scale, rel=1e-3)
    assert left + wide / 2 == pytest.approx(spot[0], abs=2 * scale + reach)
    assert top + high / 2 == pytest.approx(spot[1], abs=2 * scale + reach)
    assert face.points is not None
    assert box_from_points(face.points) == pytest.approx(face.box, abs=1e-3)
