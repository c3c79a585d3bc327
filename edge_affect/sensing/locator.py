"""Find the faces in a frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import MissingDependencyError, SourceError
from edge_affect.runners.base import Runner
from edge_affect.sensing.align import box_from_points
from edge_affect.sensing.faces import FaceMaps, read_faces
from edge_affect.types import Face, Frame

SEARCH_WIDTH_PX = 320
"""Frames are searched at this width, smaller ones as they are."""


class Locator(Protocol):
    """Finds faces; keeps buffers between calls, so each stream has its own."""

    def locate(self, frame: Frame) -> list[Face]:
        """Return the faces in ``frame``, the surest first."""


class GraphLocator:
    """The bundle's own locator graph; gives the five points as well."""

    GRAPH = "locator"
    """Name of the graph in a bundle."""
    _MIN_SCORE = 0.5
    """Graphs are exported so that this is the score that they were tuned to."""

    def __init__(self, runner: Runner) -> None:
        """Take a runner that holds the graph; streams may share it."""
        self._runner = runner
        self._state = runner.new_state()
        shape = runner.signatures[self.GRAPH].inputs["image"]
        self._size = shape[3], shape[2]

    def locate(self, frame: Frame) -> list[Face]:
        """Return the faces in ``frame``, the surest first, with points."""
        luma, scale = self._fitted(frame)
        given = {"image": luma[None, None].astype(np.float32)}
        out = self._runner.step(self._state, self.GRAPH, given)
        maps = FaceMaps(out["score"][0], out["width"][0], out["points"][0])
        faces = []
        for face in read_faces(maps, self._MIN_SCORE):
            points = (np.asarray(face.points) + 0.5) * scale - 0.5
            box = box_from_points(points)
            faces.append(Face(box, face.score, points.astype(np.float32)))
        return _surest_first(faces)

    def _fitted(self, frame: Frame) -> tuple[NDArray[np.uint8], float]:
        """Return the whole frame as the graph takes it, black where there is none.

        Returns:
            The luma, and frame pixels per pixel of it.
        """
        width, height = self._size
        scale = max(frame.width_px / width, frame.height_px / height)
        shift = (scale - 1) / 2
        affine = np.array([[scale, 0, shift], [0, scale, shift]], np.float32)
        return frame.crop(affine, self._size, channels=1), scale


class HaarLocator:
    """OpenCV's frontal face cascade, which comes with its wheel.

    The scale step of 1.25 costs 0.4 of what 1.1 does; with 2 neighbours in place of 5
    it finds as many faces, and no more that are none.
    """

    _CASCADE = "haarcascade_frontalface_default.xml"
    _SCALE_STEP = 1.25
    _NEIGHBOURS = 2
    _MIN_SHARE = 1 / 9
    """Least width of a face, as a share of the frame's; all of 1/8 are found."""
    _EVEN_LEVEL = 3.6
    """Level weight at which a face is as likely as none."""

    def __init__(self) -> None:
        import cv2

        # Missing from OpenCV 5, where the type stubs of 4 do not know of it.
        make: Any = getattr(cv2, "CascadeClassifier", None)
        folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
        path = Path(folder) / self._CASCADE
        if make is None or not path.is_file():
            raise MissingDependencyError(
                f"locator: OpenCV {cv2.__version__} has no Haar cascade; install "
                "opencv-python-headless>=4.10,<5 or name a YuNet ONNX file as detector"
            )
        self._cascade = make(str(path))

    def locate(self, frame: Frame) -> list[Face]:
        """Return the faces in ``frame``, the surest first, without points.

        The score is 1 / (1 + exp(3.6 - w)), w being the cascade's level weight: the sum
        of its last stage. On photographs that is the likelihood of a face against that
        of a chance hit on the same photographs upside down (logistic regression).
        """
        grey, scale = search_picture(frame, channels=1)
        smallest = round(grey.shape[1] * self._MIN_SHARE)
        boxes, _, weights = self._cascade.detectMultiScale3(
            grey,
            scaleFactor=self._SCALE_STEP,
            minNeighbors=self._NEIGHBOURS,
            minSize=(smallest, smallest),
            outputRejectLevels=True,
        )
        faces = []
        for box, weight in zip(boxes, weights, strict=True):
            left, top, width, height = (float(value) * scale for value in box)
            score = 1 / (1 + math.exp(self._EVEN_LEVEL - float(weight)))
            faces.append(Face((left, top, width, height), score))
        return _surest_first(faces)


class YuNetLocator:
    """A YuNet face detector from an ONNX file; gives the five points as well."""

    def __init__(self, path: Path, least_score: float = 0.6) -> None:
        """Open it; faces that score less than ``least_score`` are left out.

        Raises:
            SourceError: The file is missing or no YuNet.
        """
        import cv2

        if not path.is_file():
            raise SourceError(
                f"detector: {path} is not a file; expected a YuNet ONNX file"
            )
        try:
            self._net = cv2.FaceDetectorYN.create(
                str(path), "", (SEARCH_WIDTH_PX, SEARCH_WIDTH_PX), least_score
            )
            self._net.detect(np.zeros((SEARCH_WIDTH_PX, SEARCH_WIDTH_PX, 3), np.uint8))
        except cv2.error as error:
            raise SourceError(
                f"detector: {path} is no YuNet face detector that OpenCV "
                f"{cv2.__version__} can run; try face_detection_yunet_2023mar.onnx"
            ) from error

    def locate(self, frame: Frame) -> list[Face]:
        """Return the faces in ``frame``, the surest first, with points."""
        rgb, scale = search_picture(frame, channels=3)
        self._net.setInputSize((rgb.shape[1], rgb.shape[0]))
        # None when there is no face, against OpenCV's type stubs.
        rows: Any = self._net.detect(np.ascontiguousarray(rgb[:, :, ::-1]))[1]
        faces = []
        for row in () if rows is None else rows:
            # YuNet's points come in our order: by side of the picture.
            points = (row[4:14].reshape(5, 2) + 0.5) * scale - 0.5
            box = box_from_points(points)
            faces.append(Face(box, float(row[14]), points.astype(np.float32)))
        return _surest_first(faces)


def locator_maker(runner: Runner, detector: Path | None) -> Callable[[], Locator]:
    """Return what makes a locator for each stream.

    Args:
        runner: Of the bundle; its own locator graph is taken where it has one.
        detector: A YuNet ONNX file to take instead; None for none.
    """
    if detector is not None:
        return partial(YuNetLocator, detector)
    if GraphLocator.GRAPH in runner.signatures:
        return partial(GraphLocator, runner)
    return HaarLocator


def search_picture(frame: Frame, channels: int) -> tuple[NDArray[np.uint8], float]:
    """Return the whole frame at most ``SEARCH_WIDTH_PX`` wide.

    Returns:
        The picture as ``Frame.crop`` gives it, and frame pixels per pixel of it.
    """
    width = min(frame.width_px, SEARCH_WIDTH_PX)
    scale = frame.width_px / width
    size = width, max(1, round(frame.height_px / scale))
    shift = (scale - 1) / 2
    affine = np.array([[scale, 0, shift], [0, scale, shift]], np.float32)
    return frame.crop(affine, size, channels), scale


def _surest_first(faces: list[Face]) -> list[Face]:
    # The box settles ties: threads inside OpenCV may find faces in any order.
    return sorted(faces, key=lambda face: (-face.score, face.box))
