"""Locators: faces where they are drawn, scores, and files that are no detectors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_affect.errors import MissingDependencyError, SourceError
from edge_affect.pixels import PixelFormat
from edge_affect.sensing.align import box_from_points
from edge_affect.sensing.locator import HaarLocator, YuNetLocator, search_picture
from edge_affect.types import Face, Frame
from tests.fakes.faces import HAAR_WIDTHS, frame_with_faces

PLACE_SHARE = 0.04
"""Of a face's width: the cascade's own steps."""
SIZE_SHARE = 0.2
"""Of a face's width: its scale steps are 1.25."""
AGREEMENT_SHARE = 0.08
"""Of a face's width: two detectors on a real face."""


def middle(face: Face) -> tuple[float, float]:
    """Return the middle of the face's box."""
    left, top, width, height = face.box
    return left + width / 2, top + height / 2


@pytest.fixture(scope="module")
def haar() -> HaarLocator:
    """Return a locator; the cascade takes long to load."""
    return HaarLocator()


@pytest.mark.parametrize("drawn", [(320, 240, 160), (150, 200, 70), (420, 250, 260)])
def test_haar_finds_a_face_where_it_is(
    haar: HaarLocator, drawn: tuple[float, float, float]
) -> None:
    """The box stands over the face, in pixels of the frame."""
    [face] = haar.locate(frame_with_faces(drawn))
    x, y, width = drawn
    assert middle(face) == pytest.approx((x, y), abs=PLACE_SHARE * width)
    assert face.box[2] == pytest.approx(HAAR_WIDTHS * width, rel=SIZE_SHARE)
    assert face.points is None
    assert 0.9 <= face.score <= 1


def test_haar_finds_nothing_in_a_faceless_frame(haar: HaarLocator) -> None:
    """Blotches are no face."""
    assert haar.locate(frame_with_faces()) == []


def test_haar_gives_the_surest_first(haar: HaarLocator) -> None:
    """Two faces come in the order of their scores, twice in the same order."""
    frame = frame_with_faces((150, 240, 100), (450, 240, 140))
    faces = haar.locate(frame)
    assert len(faces) == 2
    assert faces[0].score >= faces[1].score
    assert haar.locate(frame) == faces


@pytest.mark.parametrize("size", [(1280, 960), (320, 240), (200, 150), (480, 640)])
def test_haar_takes_frames_of_any_size(
    haar: HaarLocator, size: tuple[int, int]
) -> None:
    """The face scales with the frame, also when that stands upright."""
    frame = frame_with_faces((320, 240, 200))
    scaled = replace(frame, data=np.asarray(cv2.resize(frame.data, size)))
    if size[1] > size[0]:
        scaled = replace(frame, data=frame.data[:, 80:560].repeat(2, 0).repeat(2, 1))
    [face] = haar.locate(scaled)
    x, y = middle(face)
    assert x / scaled.width_px == pytest.approx(0.5, abs=0.03)
    assert y / scaled.height_px == pytest.approx(0.5, abs=0.03)


def test_haar_reads_grey_and_nv12_frames(haar: HaarLocator) -> None:
    """The same face is found in every pixel format."""
    frame = frame_with_faces((320, 240, 160))
    grey = np.asarray(cv2.cvtColor(frame.data, cv2.COLOR_BGR2GRAY), np.uint8)
    chroma = np.full((240, 640), 128, np.uint8)
    others = [
        (grey, PixelFormat.GREY8),
        (grey.astype(np.uint16) << 8, PixelFormat.GREY16),
        (np.concatenate([grey, chroma]), PixelFormat.NV12),
    ]
    for data, pixel_format in others:
        [face] = haar.locate(replace(frame, data=data, pixel_format=pixel_format))
        assert middle(face) == pytest.approx((320, 240), abs=PLACE_SHARE * 160)


def test_haar_without_cascade_names_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV 5 has no cascades: one line says what to install."""
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(MissingDependencyError, match=r"opencv-python-headless.*<5"):
        HaarLocator()


@pytest.mark.parametrize(("width", "expected"), [(640, 320), (321, 320), (100, 100)])
def test_search_picture_is_at_most_320_wide(width: int, expected: int) -> None:
    """Large frames are shrunk, small ones are taken as they are."""
    frame = Frame(np.zeros((60, width, 3), np.uint8), 0, 0, 0)
    picture, scale = search_picture(frame, channels=1)
    assert picture.shape == (round(60 / scale), expected)
    assert scale == width / expected


def test_yunet_refuses_a_missing_file(tmp_path: Path) -> None:
    """A path that names nothing is refused in one line."""
    with pytest.raises(SourceError, match=r"none\.onnx is not a file"):
        YuNetLocator(tmp_path / "none.onnx")


def test_yunet_refuses_another_file(tmp_path: Path) -> None:
    """A file that is no detector is refused in one line."""
    path = tmp_path / "text.onnx"
    path.write_text("no network")
    with pytest.raises(SourceError, match=r"text\.onnx is no YuNet") as caught:
        YuNetLocator(path)
    assert "\n" not in str(caught.value)


class FakeYuNet:
    """Stands for OpenCV's detector: one face, or none in a black picture."""

    POINTS = ((100, 80), (140, 80), (120, 105), (105, 125), (135, 125))

    @classmethod
    def create(cls, *args: object) -> FakeYuNet:
        """Make it as OpenCV does."""
        return cls()

    def setInputSize(self, size: tuple[int, int]) -> None:  # noqa: N802 # OpenCV's name
        """Take the size."""
        self.size = size

    def detect(self, picture: NDArray[np.uint8]) -> tuple[int, object]:
        """Return YuNet's rows: box, points, score."""
        if not picture.any():
            return 1, None
        assert (picture.shape[1], picture.shape[0]) == self.size
        assert picture[0, 0].tolist() == [10, 20, 30]  # blue comes first
        points = np.ravel(self.POINTS).tolist()
        rows = [[0, 0, 1, 1, *points, score] for score in (0.7, 0.9)]
        return 1, np.array(rows, np.float32)


def test_yunet_gives_points_in_frame_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of the network become faces of the frame, the surest first."""
    monkeypatch.setattr(cv2, "FaceDetectorYN", FakeYuNet)
    path = tmp_path / "yunet.onnx"
    path.touch()
    locator = YuNetLocator(path)
    black = Frame(np.zeros((480, 640, 3), np.uint8), 0, 0, 0)
    assert locator.locate(black) == []
    faces = locator.locate(
        replace(black, data=black.data + np.array([10, 20, 30], np.uint8))
    )
    assert [face.score for face in faces] == pytest.approx([0.9, 0.7])
    points = np.array(FakeYuNet.POINTS) * 2 + 0.5  # twice as fine, from pixel middles
    assert faces[0].points == pytest.approx(points)
    assert faces[0].box == pytest.approx(box_from_points(points))


def test_yunet_agrees_with_haar_on_real_faces(
    data_root: Path, haar: HaarLocator
) -> None:
    """Its boxes, made from points, are those that the cascade draws."""
    path = data_root / "models" / "yunet_2023mar.onnx"
    clips = sorted((data_root / "clips").glob("grid_*.mpg"))
    if not path.is_file() or not clips:
        pytest.skip(f"{data_root} holds no YuNet file or no clips")
    yunet = YuNetLocator(path)
    for clip in clips:
        _, picture = cv2.VideoCapture(str(clip)).read()
        frame = Frame(np.asarray(picture, np.uint8), 0, 0, 0)
        [ours], [theirs] = haar.locate(frame), yunet.locate(frame)
        limit = AGREEMENT_SHARE * ours.box[2]
        assert theirs.box == pytest.approx(ours.box, abs=limit)
        points = theirs.points
        assert points is not None
        assert points[0, 0] < points[1, 0]
        assert points[3, 0] < points[4, 0]
