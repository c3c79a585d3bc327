"""Film one clip: its video, the aligned faces in it, and the truth of every frame."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import ACTION_UNITS, EXPRESSIONS
from edge_affect.sensing.align import align_face
from edge_affect.sensing.locator import HaarLocator
from edge_affect.sensing.tracker import FaceTracker
from edge_affect.sources.simulated import SimulatedSource
from edge_affect.sources.simulated.base import Truth
from edge_affect.types import Frame
from training.engine.cache import Arrays
from training.synthetic.later import later
from training.synthetic.media import ClipWriter, pictures
from training.synthetic.plan import ClipPlan

SIZE_PX = (320, 240)
"""Width and height of the videos."""
START_S = 20
"""How long a drive has lasted when the clip begins."""
DETECT_EVERY = 10
"""Frames between two looks for the face; tracked in between, as a stream does."""
JPEG_QUALITY = 95
FACTORS = ("vocal_effort", "speaking", "mouth_opening")
"""What there is to hear, in the order of the columns of ``factors``."""


@dataclass(frozen=True, slots=True)
class Film:
    """One clip of ``T`` frames."""

    video: bytes
    """The encoded file."""
    crops: list[bytes | None]
    """JPEG of 112 × 112 of each frame; None where no face was found."""
    truth: Arrays
    """``affect (T, 2)`` valence and arousal, ``expression (T,)`` index in
    ``EXPRESSIONS``, ``units (T, 12)`` activations, ``factors (T, 3)`` of the sound,
    ``present (T,)`` whether there is a crop."""

    def digest(self) -> str:
        """Return a short digest of all of it."""
        state = hashlib.sha256(self.video)
        for crop in self.crops:
            state.update(crop or b"")
        for name in sorted(self.truth):
            state.update(np.ascontiguousarray(self.truth[name]).tobytes())
        return state.hexdigest()[:16]


def film_clip(plan: ClipPlan, duration_s: float) -> Film:
    """Film the driver of ``plan``.

    Faces are looked for in the decoded video, so that they carry its codec's traces.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        video, truths = _shoot(plan, duration_s)
        crops = _crops(video, plan.pool.fps)
    finally:
        cv2.setNumThreads(threads)
    arrays = arrays_from_truths(truths)
    arrays["present"] = np.array([crop is not None for crop in crops])
    return Film(video, crops, arrays)


def _shoot(plan: ClipPlan, duration_s: float) -> tuple[bytes, list[Truth]]:
    driver = later(plan.family.cast(plan.seed, plan.pool, SIZE_PX), START_S)
    source = SimulatedSource(
        duration_s=duration_s, fps=plan.pool.fps, size=SIZE_PX, driver=driver
    )
    truths = []
    writer = ClipWriter(plan.family.codec, plan.pool.fps, SIZE_PX)
    with source, writer:
        while not source.ended:
            item = source.read(0)
            if isinstance(item, Frame):
                writer.add_picture(item.data)
                truths.append(source.truth_at(item.t_capture_ns))
            elif item is not None:
                writer.add_sound(item.samples)
    return writer.content(), truths


def _crops(video: bytes, fps: int) -> list[bytes | None]:
    tracker = FaceTracker(HaarLocator())
    crops: list[bytes | None] = []
    for index, picture in enumerate(pictures(video)):
        t_ns = index * 1_000_000_000 // fps
        frame = Frame(picture, t_ns, t_ns, index)
        face = tracker.update(frame, DETECT_EVERY)
        crops.append(None if face is None else _jpeg(align_face(frame, face)))
    return crops


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    bgr = np.ascontiguousarray(rgb[:, :, ::-1])
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[
        1
    ].tobytes()


def arrays_from_truths(truths: list[Truth]) -> Arrays:
    """Return what ``Film.truth`` holds but ``present``."""
    columns: dict[str, Callable[[Truth], object]] = {
        "affect": lambda t: (t.valence, t.arousal),
        "units": lambda t: [t.action_units[name] for name in ACTION_UNITS],
        "factors": lambda t: [float(getattr(t, name)) for name in FACTORS],
    }
    arrays: Arrays = {
        name: np.array([of(truth) for truth in truths], np.float32)
        for name, of in columns.items()
    }
    numbers = [EXPRESSIONS.index(truth.expression) for truth in truths]
    arrays["expression"] = np.array(numbers, np.int64)
    return arrays
