"""MediaPipe's face landmarker as it follows a face: landmarks and blendshapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.mobilefacenet import Finder
from training.teachers import yunet
from training.teachers.landmarker import MODEL, Followed, Landmarker

NEEDED = (MODEL, yunet.MODEL)
"""All of its files in a data root."""
NAME = "mediapipe face_landmarker"


class Landmarks:
    """Finds a face by YuNet and follows it; tells no expression, only blendshapes."""

    def __init__(self, root: Path, finder: Finder) -> None:
        """Open the landmarker of a data root.

        Raises:
            DataError: The file is missing or is no such task.
            MissingDependencyError: ``ai-edge-litert`` is not installed.
        """
        self._landmarker = Landmarker(root)
        self._finder = finder

    def find(self, picture: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Return the five points of the surest face of ``(H, W, 3)`` BGR, if any."""
        marks = self._finder.marks(picture)
        return marks[0].points if marks else None

    def read(
        self, picture: NDArray[np.uint8], points: NDArray[np.float32]
    ) -> NDArray[np.float32] | None:
        """Read the face around ``(5, 2)`` points.

        Returns:
            Where to look for it in the next frame; None where it is lost.
        """
        followed: Followed = self._landmarker.follow(picture, points)
        return followed.points if followed.is_there else None
