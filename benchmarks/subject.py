"""The bundle under measurement, run as the product runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import EXPRESSION_NAMES, VOICE_EMOTIONS
from edge_affect.model.affect import (
    AffectGraphs,
    AffectReading,
    Evidence,
    FaceReading,
)
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.model.manifest import Manifest
from edge_affect.runners.select import make_runner
from edge_affect.sensing.align import align_face
from edge_affect.sensing.locator import Locator, locator_maker
from edge_affect.sensing.logmel import LogMelStream
from edge_affect.sensing.preprocessing import check_preprocessing
from edge_affect.types import Frame

NOTHING = -1
"""Class of an example for which the model gave no estimate."""
HELD_CELLS = 30
"""Cells for which a still picture is shown to the affect graph: one second."""
_PREFIX = "edge-affect-"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured."""

    bundle: Bundle
    graphs: AffectGraphs
    target: str
    """Target of the graphs that run."""
    backend: str
    """Runner and provider that run them."""
    new_locator: Callable[[], Locator]
    """Makes what finds faces in whole pictures."""

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self.bundle.manifest

    @property
    def model(self) -> str:
        """Name of the model in records."""
        return f"ours-{self.manifest.name.removeprefix(_PREFIX)}"

    @property
    def graph_digests(self) -> dict[str, str]:
        """``GRAPH.TARGET`` → SHA-256 of each graph that runs."""
        return {
            f"{name}.{self.target}": targets[self.target].sha256
            for name, targets in self.manifest.graphs.items()
        }


@dataclass(frozen=True, slots=True)
class FaceReadings:
    """What the face graph said of ``B`` pictures; classes as ``EXPRESSION_NAMES``."""

    found: NDArray[np.bool_]
    """``(B,)`` whether there was a face to read."""
    expression: NDArray[np.int64]
    """``(B,)`` likeliest class, ``NOTHING`` without a face."""
    probabilities: NDArray[np.float64]
    """``(B, 9)``; 0 for classes that the bundle lacks."""
    valence: NDArray[np.float64]
    """``(B,)``; NaN without a face or a head."""
    arousal: NDArray[np.float64]
    """``(B,)``; NaN without a face or a head."""


def open_subject(folder: Path | None, target: str | None = None) -> Subject:
    """Load a bundle for measuring.

    Args:
        folder: Its directory, which need not be signed: measuring comes before
            shipping. None for the shipped one.
        target: Which of its graphs run; None for the manifest's default.

    Raises:
        BundleError: The bundle is damaged.
        RunnerError: It cannot run here.
    """
    bundle = load_bundle(folder, allow_unsigned=folder is not None)
    check_preprocessing(bundle.manifest)
    # By name: figures must not depend on what was measured to be fast on a machine.
    runner, choice = make_runner("onnxruntime", bundle, target or bundle.default_target)
    return Subject(
        bundle,
        AffectGraphs(runner, bundle.manifest),
        choice.target,
        f"{runner.backend} {runner.provider}",
        locator_maker(runner, None),
    )


def read_crops(
    subject: Subject, crops: Iterable[NDArray[np.uint8]], count: int
) -> tuple[FaceReadings, FaceReadings]:
    """Read pictures that are aligned faces already: ``(px, px, 3)`` uint8 RGB each.

    Returns:
        What the face graph says of each, and what the affect graph says after it was
        held still for ``HELD_CELLS`` cells without any voice.
    """
    seen: list[FaceReading | AffectReading] = []
    held: list[FaceReading | AffectReading] = []
    for crop in crops:
        state = subject.graphs.new_state()
        reading = subject.graphs.face(state, crop)
        evidence = Evidence(reading.embedding, 0.0, None, 0.0)
        for _ in range(HELD_CELLS):
            last = subject.graphs.affect(state, evidence)
        seen.append(reading)
        held.append(last)
    return _collect(seen, count), _collect(held, count)


def read_pictures(
    subject: Subject, pictures: Iterable[NDArray[np.uint8]], count: int
) -> FaceReadings:
    """Find, align and read the best face of each ``(H, W, 3)`` uint8 BGR picture."""
    locator = subject.new_locator()
    return _collect((_read_picture(subject, locator, p) for p in pictures), count)


def _read_picture(
    subject: Subject, locator: Locator, picture: NDArray[np.uint8]
) -> FaceReading | None:
    frame = Frame(picture, t_capture_ns=0, t_arrival_ns=0, index=0)
    faces = locator.locate(frame)
    if not faces:
        return None
    state = subject.graphs.new_state()
    return subject.graphs.face(state, align_face(frame, faces[0]))


def _collect(
    readings: Iterable[FaceReading | AffectReading | None], count: int
) -> FaceReadings:
    expression = np.full(count, NOTHING, np.int64)
    probabilities = np.zeros((count, len(EXPRESSION_NAMES)))
    affect = np.full((2, count), np.nan)
    found = np.zeros(count, np.bool_)
    for row, reading in enumerate(readings):
        if reading is None:
            continue
        found[row] = True
        if reading.expression is not None:
            for name, share in reading.expression.items():
                probabilities[row, EXPRESSION_NAMES.index(name)] = share
            expression[row] = probabilities[row].argmax()
        if reading.valence is not None:
            affect[0, row] = reading.valence
        if reading.arousal is not None:
            affect[1, row] = reading.arousal
    return FaceReadings(found, expression, probabilities, affect[0], affect[1])


def hear(subject: Subject, samples: NDArray[np.float32]) -> int:
    """Stream one clip hop by hop; return the emotion at its end.

    Args:
        subject: What is measured.
        samples: ``(samples,)`` float32 at 16 kHz.

    Returns:
        Index in ``VOICE_EMOTIONS``, or ``NOTHING`` when the clip is shorter than a hop.
    """
    state = subject.graphs.new_state()
    emotion = None
    for block in LogMelStream().push(samples):
        emotion = subject.graphs.voice(state, block).emotion
    if emotion is None:
        return NOTHING
    return VOICE_EMOTIONS.index(max(emotion, key=emotion.__getitem__))


def hear_speech(subject: Subject, samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Stream one clip hop by hop; return ``(hops,)`` probabilities of speech."""
    state = subject.graphs.new_state()
    blocks = LogMelStream().push(samples)
    heard = [subject.graphs.voice(state, block).speech for block in blocks]
    return np.array(heard, np.float64)


def known_classes(estimate: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return ``estimate`` with ``NOTHING`` as a class of its own: ``classes``."""
    return np.where(estimate == NOTHING, classes, estimate)
