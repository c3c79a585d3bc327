"""YuNet by ONNX Runtime, as ``cv2.FaceDetectorYN`` decodes it (``face_detect.cpp``)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.fresh import made_fresh
from benchmarks.peers.engines import ONNX_RUNTIME, Array, Network, open_network
from training.teachers.yunet import MODEL, Marks

_STRIDES = (8, 16, 32)
_KINDS = ("cls", "obj", "bbox", "kps")
_OUTPUTS = tuple(f"{kind}_{stride}" for kind in _KINDS for stride in _STRIDES)
_LEAST_SCORE, _OVERLAP, _MOST = 0.5, 0.3, 5000
# The weights know no size. By a process of its own: a user would have the file.
_SIZED = """
import sys
import onnx
model = onnx.load(sys.argv[1])
dims = model.graph.input[0].type.tensor_type.shape.dim
dims[2].dim_value, dims[3].dim_value = map(int, sys.argv[2:])
for output in model.graph.output:
    output.type.tensor_type.ClearField("shape")
del model.graph.value_info[:]
print(model.SerializeToString().hex())
"""


class YuNetOnnx:
    """Finds the faces of whole pictures, at the size they have."""

    def __init__(self, root: Path) -> None:
        """Remember the detector of a data root; a network is opened for each size."""
        self._path = root / MODEL
        self._networks: dict[tuple[int, int], Network] = {}

    def marks(self, picture: NDArray[np.uint8]) -> list[Marks]:
        """Return the faces of ``(H, W, 3)`` uint8 BGR, the surest first."""
        high, wide = (-(-side // 32) * 32 for side in picture.shape[:2])
        below, beside = high - picture.shape[0], wide - picture.shape[1]
        padded = cv2.copyMakeBorder(
            picture, 0, below, 0, beside, cv2.BORDER_CONSTANT, value=(0, 0, 0)
        )
        given = padded.astype(np.float32).transpose(2, 0, 1)[None]
        outputs = self._network(high, wide)(np.ascontiguousarray(given))
        told = dict(zip(_OUTPUTS, (out[0] for out in outputs), strict=True))
        found = [_faces(told, stride, wide // stride) for stride in _STRIDES]
        scores, boxes, points = (
            np.concatenate(parts) for parts in zip(*found, strict=True)
        )
        kept = cv2.dnn.NMSBoxes(
            boxes.tolist(), scores.tolist(), _LEAST_SCORE, _OVERLAP, top_k=_MOST
        )
        rows = np.asarray(kept, np.int64).ravel()
        marks = [Marks(points[row], float(scores[row])) for row in rows]
        return sorted(marks, key=lambda mark: -mark.score)

    def _network(self, high: int, wide: int) -> Network:
        if (high, wide) not in self._networks:
            given = str(self._path), str(high), str(wide)
            opened = open_network(made_fresh(_SIZED, *given), ONNX_RUNTIME, _OUTPUTS)
            self._networks[high, wide] = opened
        return self._networks[high, wide]


def _faces(
    told: dict[str, Array], stride: int, columns: int
) -> tuple[Array, Array, Array]:
    """Return scores ``(N,)``, boxes ``(N, 4)`` and points ``(N, 5, 2)`` of a stride."""
    clipped = (np.clip(told[f"{kind}_{stride}"][:, 0], 0, 1) for kind in ("cls", "obj"))
    score = np.sqrt(np.multiply(*clipped))
    rows = np.flatnonzero(score >= _LEAST_SCORE)
    cell = np.column_stack([rows % columns, rows // columns]).astype(np.float32)
    box = told[f"bbox_{stride}"][rows]
    size = np.exp(box[:, 2:]) * stride
    corner = (cell + box[:, :2]) * stride - size / 2
    points = (told[f"kps_{stride}"][rows].reshape(-1, 5, 2) + cell[:, None]) * stride
    return score[rows], np.hstack([corner, size]), points.astype(np.float32)
