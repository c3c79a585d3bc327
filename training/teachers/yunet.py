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
MIRRORED = [1, 0, 2, 4, 3]
"""The points of a mirrored face, in order."""
_ZOOMS = (0.8, 1.25)
_NEAR = 0.5
"""Eye distances within which a face of another view is taken for the same."""


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
        # Now and then it answers with a face of 1e27 pixels.
        most_px = 4 * max(picture.shape[:2])
        found = [
            Marks(row[4:14].reshape(5, 2).astype(np.float32), float(row[14]))
            for row in (() if rows is None else rows)
            if np.abs(row).max() < most_px
        ]
        return sorted(found, key=lambda face: -face.score)

    def alone(
        self, pictures: Iterable[NDArray[np.uint8]], least: float
    ) -> Iterable[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        """Yield the pictures with exactly one sure face, and its points.

        The points are the mean over the picture, its mirror image and two other sizes
        of it: those of one view differ from those of another by 0.07 eye distances.

        Args:
            pictures: ``(H, W, 3)`` uint8 BGR each.
            least: Score below which a face is not sure.
        """
        for picture in pictures:
            found = self.marks(picture)
            if len(found) == 1 and found[0].score >= least:
                yield picture, self._steady(picture, found[0].points)

    def _steady(
        self, picture: NDArray[np.uint8], points: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the mean of a face's points over the views that show it."""
        mirrored = np.ascontiguousarray(picture[:, ::-1])
        views = [points]
        for mark in self.marks(mirrored)[:1]:
            back = mark.points.copy()
            back[:, 0] = picture.shape[1] - 1 - back[:, 0]
            views.append(back[MIRRORED])
        for zoom in _ZOOMS:
            method = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
            zoomed = cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=method)
            found = self.marks(np.asarray(zoomed, np.uint8))[:1]
            views += [(mark.points + 0.5) / zoom - 0.5 for mark in found]
        span = _NEAR * float(np.hypot(*(points[1] - points[0])))
        same = [v for v in views if np.hypot(*(v - points).T).mean() < span]
        return np.asarray(np.mean(same, axis=0), np.float32)
