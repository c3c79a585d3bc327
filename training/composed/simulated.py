"""Film the simulated driver once: aligned faces, sound and the truth of each cell."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import EXPRESSIONS
from edge_affect.sensing.align import align_face
from edge_affect.sensing.locator import HaarLocator
from edge_affect.sensing.tracker import FaceTracker
from edge_affect.sources.simulated import SimulatedSource
from edge_affect.types import AudioChunk, Frame
from training.models.face import INPUT_PX, LUMA

DETECT_EVERY = 10
"""Frames between two looks for the face; tracked in between, as a stream does."""
SEEDS = {"train": 100_000, "dev": 200_000, "test": 300_000}
"""First seed of each part: no person, car or script is in two."""

Drive = dict[str, NDArray[Any]]
"""One filmed drive of ``T`` cells: ``luma (T, 56, 56)`` uint8 as the face network sees
it, ``shown (T,)`` bool whether a face was found, ``sound (samples,)`` float32,
``affect (T, 2)`` float32 true valence and arousal, ``expression (T,)`` int64 index in
``EXPRESSIONS``."""


def film(seed: int, duration_s: float) -> Drive:
    """Film the driver of ``seed`` at 30 frames a second, one frame a cell."""
    tracker = FaceTracker(HaarLocator())
    pictures, truths, sound = [], [], []
    with SimulatedSource(seed=seed, duration_s=duration_s) as source:
        while not source.ended:
            item = source.read(0)
            if isinstance(item, AudioChunk):
                sound.append(item.samples)
            elif isinstance(item, Frame):
                pictures.append(_seen(tracker, item))
                truths.append(source.truth_at(item.t_capture_ns))
    nothing = np.zeros((INPUT_PX // 2, INPUT_PX // 2), np.uint8)
    return {
        "luma": np.stack([nothing if p is None else p for p in pictures]),
        "shown": np.array([p is not None for p in pictures]),
        "sound": np.concatenate(sound),
        "affect": np.array([(t.valence, t.arousal) for t in truths], np.float32),
        "expression": np.array([EXPRESSIONS.index(t.expression) for t in truths]),
    }


def _seen(tracker: FaceTracker, frame: Frame) -> NDArray[np.uint8] | None:
    face = tracker.update(frame, DETECT_EVERY)
    if face is None:
        return None
    luma = align_face(frame, face).astype(np.float32) @ np.array(LUMA, np.float32)
    side = INPUT_PX // 2
    halved = luma.reshape(side, 2, side, 2).mean(axis=(1, 3))
    return np.asarray(np.rint(halved), np.uint8)
