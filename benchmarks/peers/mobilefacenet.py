"""OpenCV Zoo's expression recogniser (MobileFaceNet, int8)."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.engines import ONNX_RUNTIME, open_network
from edge_affect.labels import EXPRESSION_NAMES
from edge_affect.sensing.align import TEMPLATE
from training.teachers import yunet
from training.teachers.yunet import Marks, YuNet

MODEL = Path("models") / "fer_mobilefacenet_int8.onnx"
"""In a data root."""
NEEDED = (MODEL, yunet.MODEL)
"""All of its files in a data root."""
NAME = "fer_mobilefacenet_int8"
CLASSES = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
)
"""What it knows, in its order."""
SIZE_PX = 112
"""Side of the pictures that it reads."""
_GROWN = 2
_POINTS = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
"""Where its faces have eyes, nose and mouth (ArcFace's template)."""


class Finder(Protocol):
    """What finds the points of faces."""

    def marks(self, picture: NDArray[np.uint8]) -> list[Marks]:
        """Return the faces of ``(H, W, 3)`` uint8 BGR, the surest first."""


class MobileFaceNet:
    """Finds a face by YuNet, warps it to its own template and reads the expression."""

    def __init__(
        self, root: Path, engine: str = ONNX_RUNTIME, finder: Finder | None = None
    ) -> None:
        """Open both networks of a data root.

        Args:
            root: The data root.
            engine: What runs the recogniser.
            finder: Another detector than OpenCV's YuNet.

        Raises:
            DataError: The detector is missing or cannot be read.
        """
        self._network = open_network((root / MODEL).read_bytes(), engine, ("label",))
        self._known = [EXPRESSION_NAMES.index(name) for name in CLASSES]
        self._finder = finder or YuNet(root)

    def read_photo(self, picture: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """Return the scores of the surest face, as ``read_crop``; None without one.

        Args:
            picture: ``(H, W, 3)`` uint8 BGR.
        """
        points = self.find(picture)
        return None if points is None else self.read(picture, points)

    def find(self, picture: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Return the five points of the surest face of ``(H, W, 3)`` BGR, if any."""
        marks = self._finder.marks(picture)
        return marks[0].points if marks else None

    def read_crop(self, picture: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return ``(9,)`` scores in the order of ``EXPRESSION_NAMES``, -inf if unknown.

        Args:
            picture: ``(112, 112, 3)`` uint8 BGR, a face as we align it. It is searched
                at twice its size, where the detector finds most points; where it finds
                none, our template's are taken.
        """
        size = _GROWN * picture.shape[1], _GROWN * picture.shape[0]
        grown = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
        marks = self._finder.marks(np.asarray(grown, np.uint8))
        if not marks:
            return self.read(picture, np.array(TEMPLATE, np.float32))
        points = (marks[0].points + 0.5) / _GROWN - 0.5
        return self.read(picture, points.astype(np.float32))

    def read(
        self, picture: NDArray[np.uint8], points: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the scores of the face with these ``(5, 2)`` points."""
        goal = np.array(_POINTS, np.float32)
        affine = cv2.estimateAffinePartial2D(points, goal, method=cv2.LMEDS)[0]
        face = cv2.warpAffine(
            picture, affine, (SIZE_PX, SIZE_PX), borderMode=cv2.BORDER_REPLICATE
        )
        image = (face[:, :, ::-1].astype(np.float32) / 255 - 0.5) / 0.5
        given = image.transpose(2, 0, 1)[None]
        scores = np.full(len(EXPRESSION_NAMES), -np.inf)
        scores[self._known] = self._network(given)[0][0]
        return scores
