"""YuNet as a teacher: five points of each face of a picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError

MODEL = Path("models") / "yunet_2023mar.onnx"
"""Of the detector, in a data root."""
_LEAST_SCORE = 0.5


@dataclass(frozen=True, slots=True)
class Marks:
    """A face that was found."""

    points: NDArray[np.float32]
    """``(5, 2)`` picture pixels, in the order of ``edge_affect.types.Face``."""
    score: float
    """YuNet's, in [0.5, 1]."""


class YuNet:
    """Finds the faces of whole pictures, at the size they have."""

    def __init__(self, root: Path) -> None:
        """Open the detector of a data root.

        Raises:
            DataError: It is missing or cannot be read.
        """
        path = root / MODEL
        try:
            self._net = cv2.FaceDetectorYN.create(str(path), "", (32, 32), _LEAST_SCORE)
        except cv2.error as error:
            raise DataError(
                f"{path}: cannot be read; expected OpenCV's YuNet of March 2023"
            ) from error

    def marks(self, picture: NDArray[np.uint8]) -> list[Marks]:
        """Return the faces of ``(H, W, 3)`` uint8 BGR, the surest first."""
        self._net.setInputSize((picture.shape[1], picture.shape[0]))
        # None when there is no face, against OpenCV's type stubs.
        rows: Any = self._net.detect(picture)[1]
        found = [
            Marks(row[4:14].reshape(5, 2).astype(np.float32), float(row[14]))
            for row in (() if rows is None else rows)
        ]
        return sorted(found, key=lambda face: -face.score)

    def alone(
        self, pictures: Iterable[NDArray[np.uint8]], least: float
    ) -> Iterable[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        """Yield the pictures with exactly one sure face, and its points.

        Args:
            pictures: ``(H, W, 3)`` uint8 BGR each.
            least: Score below which a face is not sure.
        """
        for picture in pictures:
            found = self.marks(picture)
            if len(found) == 1 and found[0].score >= least:
                yield picture, found[0].points
