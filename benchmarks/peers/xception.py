"""mini-XCEPTION (Arriaga et al., 2017), a small expression recogniser of FER2013."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.fresh import made_fresh
from benchmarks.peers.engines import ONNX_RUNTIME, open_network
from benchmarks.peers.keras import OUTPUT
from benchmarks.peers.ultraface import MODEL as DETECTOR
from benchmarks.peers.ultraface import UltraFace
from edge_affect.labels import EXPRESSION_NAMES
from edge_affect.sensing.align import Box, affine_from_box

MODEL = Path("models") / "fer2013_mini_xception.hdf5"
"""In a data root."""
NEEDED = (MODEL, DETECTOR)
"""All of its files in a data root."""
NAME = "fer2013_mini_xception"
CLASSES = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
    "neutral",
)
"""What it knows, in its order."""
SIZE_PX = 64
"""Side of the grey pictures that it reads."""
_SIZE = (SIZE_PX, SIZE_PX)
# By a process of its own: a user would have the ONNX file.
_CONVERTED = """
import sys
from pathlib import Path
from benchmarks.peers.keras import onnx_from_keras
print(onnx_from_keras(Path(sys.argv[1])).hex())
"""


class MiniXception:
    """Finds a face by UltraFace, cuts it out as FER2013 does, reads the expression."""

    def __init__(
        self, root: Path, engine: str = ONNX_RUNTIME, finder: UltraFace | None = None
    ) -> None:
        """Open both networks of a data root.

        Args:
            root: The data root.
            engine: What runs the recogniser.
            finder: Another detector than one by ONNX Runtime.

        Raises:
            DataError: A file is missing or cannot be read; h5py or onnx is missing.
        """
        content = made_fresh(_CONVERTED, str(root / MODEL))
        self._network = open_network(content, engine, outputs=(OUTPUT,))
        self._finder = finder or UltraFace(root / DETECTOR)
        self._known = [EXPRESSION_NAMES.index(name) for name in CLASSES]

    def read_photo(self, picture: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """Return the scores of the surest face, as ``read_crop``; None without one.

        Args:
            picture: ``(H, W, 3)`` uint8 BGR.
        """
        box = self.find(picture)
        return None if box is None else self.read(picture, box)

    def find(self, picture: NDArray[np.uint8]) -> Box | None:
        """Return the box of the surest face of ``(H, W, 3)`` BGR, if any."""
        return self._finder.find(picture)

    def read_crop(self, picture: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return ``(9,)`` scores in the order of ``EXPRESSION_NAMES``, -inf if unknown.

        Args:
            picture: ``(64, 64, 3)`` uint8 BGR, a face as FER2013 frames it.
        """
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
        given = ((grey / 255 - 0.5) * 2).astype(np.float32)
        scores = np.full(len(EXPRESSION_NAMES), -np.inf)
        scores[self._known] = self._network(given[None, None])[0][0]
        return scores

    def read(self, picture: NDArray[np.uint8], box: Box) -> NDArray[np.float64]:
        """Return the scores of the face in ``box``."""
        face = cv2.warpAffine(
            picture,
            affine_from_box(box, SIZE_PX),
            _SIZE,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return self.read_crop(np.asarray(face, np.uint8))
