"""UltraFace RFB-320, a small face detector."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.engines import ONNX_RUNTIME, open_network
from edge_affect.sensing.align import Box
from edge_affect.types import Face, Frame

MODEL = Path("models") / "ultraface_rfb320.onnx"
"""In a data root."""
_SIZE_PX = (320, 240)
_LEAST_SCORE = 0.02
_OVERLAP = 0.3
_MOST = 50
_LEFT, _TOP, _WIDTH, _HEIGHT = 0.123, 0.042, 0.771, 0.930
"""Where its box lies in ours, in widths of ours: the medians over plain scenes."""


class UltraFace:
    """Finds faces in frames squeezed to 320 × 240; gives boxes like ours, no points."""

    def __init__(self, path: Path, engine: str = ONNX_RUNTIME) -> None:
        self._network = open_network(
            path.read_bytes(), engine, outputs=("scores", "boxes")
        )

    def find(self, picture: NDArray[np.uint8]) -> Box | None:
        """Return the box of the surest face of ``(H, W, 3)`` uint8 BGR, if any."""
        faces = self.locate(Frame(picture, t_capture_ns=0, t_arrival_ns=0, index=0))
        return faces[0].box if faces else None

    def locate(self, frame: Frame) -> list[Face]:
        """Return the faces in ``frame``, the surest first."""
        across, down = frame.width_px / _SIZE_PX[0], frame.height_px / _SIZE_PX[1]
        shift = (across - 1) / 2, (down - 1) / 2
        affine = np.array([[across, 0, shift[0]], [0, down, shift[1]]], np.float32)
        rgb = frame.crop(affine, _SIZE_PX, channels=3)
        image = ((rgb.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]
        scores, corners = self._network(image)
        score, corner = scores[0, :, 1], corners[0]
        boxes = np.column_stack([corner[:, :2], corner[:, 2:] - corner[:, :2]])
        boxes = boxes * ([frame.width_px, frame.height_px] * 2)
        kept = cv2.dnn.NMSBoxes(
            boxes.tolist(), score.tolist(), _LEAST_SCORE, _OVERLAP, top_k=_MOST
        )
        faces = []
        for row in np.asarray(kept, np.int64).ravel():
            left, top, width, height = boxes[row].tolist()
            side = (width / _WIDTH + height / _HEIGHT) / 2
            box = left - _LEFT * side, top - _TOP * side, side, side
            faces.append(Face(box, float(score[row])))
        return sorted(faces, key=lambda face: -face.score)
