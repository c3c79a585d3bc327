"""MediaPipe's face landmarker as a teacher: landmarks, blendshapes, head pose.

Its three networks run by ``ai-edge-litert`` from the ``.task`` file of a data root; the
steps between them are MediaPipe's (``face_landmarker_graph.cc``): a square around the
landmarks, turned so that the eyes are level and 1.5 times as wide, is what they see.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError, missing_dependency
from training.teachers.canonical import Canonical, read_canonical

MODEL = Path("models") / "face_landmarker_v2_with_blendshapes.task"
"""In a data root."""
BLENDSHAPES = (
    *("neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft"),
    *("browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight"),
    *("eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight"),
    *("eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight"),
    *("eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight"),
    *("eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight"),
    *("mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft"),
    *("mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft"),
    *("mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker"),
    *("mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower"),
    *("mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft"),
    *("mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft"),
    "noseSneerRight",
)
"""In the order of the network's outputs."""
LANDMARKS = 478
"""Points of a face; the last ten lie around the irises."""
EYE_CORNERS = (33, 263)
"""Outer corners of the eyes, the one nearer to the picture's left side first."""
# fmt: off
_READ_BY_BLENDSHAPES = np.array([
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58,
    61, 63, 65, 66, 67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107,
    109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157,
    158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197,
    234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293,
    295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334,
    336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384,
    385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468,
    469, 470, 471, 472, 473, 474, 475, 476, 477,
], np.int64)
# fmt: on
_SEEN_PX = 256
_WIDER = 1.5
_ROUNDS = 2
"""Times that the square is laid anew around the landmarks."""
_FIVE = (468, 473, 1, 61, 291)
"""Landmarks where ``Face`` has its points: irises, nose tip, corners of the mouth."""
_LEAST_PRESENCE = 0.5
"""MediaPipe's default: below it a face is lost."""


@dataclass(frozen=True, slots=True)
class Landmarked:
    """What the landmarker says of one face."""

    landmarks: NDArray[np.float32]
    """``(478, 3)`` picture pixels; z grows away from the camera, at the same scale."""
    presence: float
    """Likelihood that there is a face, in [0, 1]."""
    blendshapes: NDArray[np.float32]
    """``(52,)`` in [0, 1], see ``BLENDSHAPES``."""
    yaw_deg: float
    """Turn of the head; positive: to the picture's right."""
    pitch_deg: float
    """Nod; positive: up."""
    roll_deg: float
    """Tilt; positive: clockwise in the picture."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A face that is followed from frame to frame."""

    landmarks: NDArray[np.float32]
    """``(478, 3)`` as in ``Landmarked``."""
    presence: float
    """Likelihood that there is a face, in [0, 1]."""
    blendshapes: NDArray[np.float32]
    """``(52,)`` in [0, 1], see ``BLENDSHAPES``."""

    @property
    def is_there(self) -> bool:
        """Whether the face is still there."""
        return self.presence >= _LEAST_PRESENCE

    @property
    def points(self) -> NDArray[np.float32]:
        """The ``(5, 2)`` points to look around in the next frame."""
        return self.landmarks[list(_FIVE), :2]


class Landmarker:
    """Runs the landmarker on faces that were found; for one thread at a time."""

    def __init__(self, root: Path) -> None:
        """Open the landmarker of a data root.

        Raises:
            DataError: The file is missing or is no such task.
            MissingDependencyError: ``ai-edge-litert`` is not installed.
        """
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise missing_dependency(
                "ai-edge-litert", "train", "the face landmarker"
            ) from error
        path = root / MODEL
        try:
            with zipfile.ZipFile(path) as task:
                parts = {name: task.read(name) for name in task.namelist()}
            self._mesh = _Network(Interpreter, parts["face_landmarks_detector.tflite"])
            self._shapes = _Network(Interpreter, parts["face_blendshapes.tflite"])
            basis = parts["geometry_pipeline_metadata_landmarks.binarypb"]
        except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
            raise DataError(
                f"{path}: cannot be read ({error}); expected MediaPipe's "
                "face_landmarker_v2_with_blendshapes.task"
            ) from error
        self._canonical = read_canonical(basis, str(path))

    def read(
        self, picture: NDArray[np.uint8], points: NDArray[np.float32]
    ) -> Landmarked:
        """Read a face.

        Args:
            picture: ``(H, W, 3)`` uint8 BGR.
            points: ``(5, 2)`` where a detector found it, as ``Face`` has them.
        """
        seen = self.follow(picture, points, _ROUNDS)
        yaw, pitch, roll = head_pose(seen.landmarks, self._canonical)
        return Landmarked(
            seen.landmarks, seen.presence, seen.blendshapes, yaw, pitch, roll
        )

    def follow(
        self, picture: NDArray[np.uint8], points: NDArray[np.float32], rounds: int = 1
    ) -> Followed:
        """Read a face without its pose, as MediaPipe does from frame to frame.

        Args:
            picture: ``(H, W, 3)`` uint8 BGR.
            points: ``(5, 2)`` where it is, or was in the frame before.
            rounds: Times that the landmarks are sought.
        """
        square = _around(points, 2.0)
        for _ in range(rounds):
            landmarks, presence = self._landmarks(picture, square)
            flat = landmarks[:, :2]
            square = _square(flat, flat[EYE_CORNERS[1]] - flat[EYE_CORNERS[0]])
        read = landmarks[_READ_BY_BLENDSHAPES, :2]
        blendshapes = self._shapes(read[None])[0].reshape(-1)
        return Followed(landmarks, presence, blendshapes)

    def _landmarks(
        self, picture: NDArray[np.uint8], square: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], float]:
        """Return ``(478, 3)`` landmarks in the picture and the face's presence."""
        seen = cv2.warpAffine(
            picture,
            square,
            (_SEEN_PX, _SEEN_PX),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        rgb = seen[None, :, :, ::-1].astype(np.float32) / 255
        outputs = self._mesh(np.asarray(rgb, np.float32))
        flat = next(out for out in outputs if out.size == 3 * LANDMARKS)
        landmarks = flat.reshape(LANDMARKS, 3).astype(np.float64)
        placed = landmarks[:, :2] @ square[:, :2].T + square[:, 2]
        scale = np.hypot(square[0, 0], square[1, 0])
        presence = 1 / (1 + np.exp(-float(outputs[1].reshape(-1)[0])))
        z = landmarks[:, 2:] * scale
        return np.hstack([placed, z]).astype(np.float32), presence


class _Network:
    """One of the task's networks: one array in, its outputs in order."""

    def __init__(self, interpreter: Any, content: bytes) -> None:
        self._run = interpreter(model_content=content, num_threads=1)
        self._run.allocate_tensors()
        self._input = self._run.get_input_details()[0]["index"]
        self._outputs = [out["index"] for out in self._run.get_output_details()]

    def __call__(self, given: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        self._run.set_tensor(self._input, np.ascontiguousarray(given))
        self._run.invoke()
        return [self._run.get_tensor(index) for index in self._outputs]


def head_pose(
    landmarks: NDArray[np.float32], canonical: Canonical
) -> tuple[float, float, float]:
    """Return yaw, pitch and roll of a head, degrees; signs as in ``Landmarked``.

    The rotation that lays MediaPipe's canonical face over the landmarks by weighted
    least squares, its depth as it is: a camera far away.

    Args:
        landmarks: ``(478, 3)`` picture pixels, z away from the camera.
        canonical: MediaPipe's mean face.
    """
    from scipy.spatial.transform import Rotation

    seen = landmarks[canonical.indices].astype(np.float64)
    weights = canonical.weights
    seen = seen - np.average(seen, axis=0, weights=weights)
    mean = np.average(canonical.points, axis=0, weights=weights)
    # The canonical face looks along +z with y up; pictures have y down, z away.
    model = (canonical.points - mean) * [1, -1, -1]
    turn, _ = Rotation.align_vectors(seen, model, weights=weights)
    yaw, pitch, roll = turn.as_euler("YXZ", degrees=True)
    return float(-yaw), float(-pitch), float(roll)


def _around(points: NDArray[np.float32], widths: float) -> NDArray[np.float64]:
    """Return the map from what is seen to the picture, around a detector's points."""
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    middle = (eyes + mouth) / 2
    reach = widths * max(
        float(np.hypot(*(points[1] - points[0]))), float(np.hypot(*(mouth - eyes)))
    )
    return _turned(middle, points[1] - points[0], 2 * reach)


def _square(
    flat: NDArray[np.float32], across: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the map from what is seen to the picture, around the landmarks."""
    low, high = flat.min(0), flat.max(0)
    side = float((high - low).max()) * _WIDER
    return _turned((low + high) / 2, across, side)


def _turned(
    middle: NDArray[np.float32], across: NDArray[np.float32], side: float
) -> NDArray[np.float64]:
    """Return the ``(2, 3)`` map of a square that lies along ``across``."""
    length = max(1e-6, float(np.hypot(*across)))
    cosine, sine = across / length * (side / _SEEN_PX)
    turn = np.array([[cosine, -sine], [sine, cosine]], np.float64)
    half = np.full(2, (_SEEN_PX - 1) / 2)
    return np.column_stack([turn, middle - turn @ half])
