"""Figures of the face graph on pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.split import Ints, Split, of_classes
from benchmarks.subject import FaceReadings, known_classes, read_crops, read_pictures
from edge_affect.labels import EXPRESSION_NAMES
from training.data.diffusionfer import load_diffusionfer
from training.data.ferplus import VOTE_NAMES, load_ferplus
from training.data.photos import load_photos
from training.data.root import PictureArchive
from training.metrics import accuracy, balanced_accuracy, ccc, ece, macro_f1

PHOTO_CLASSES = ("neutral", "anger", "disgust", "happiness", "sadness", "surprise")
"""Classes of the photographs that have enough pictures."""
_CLASSES = len(EXPRESSION_NAMES)
_BATCH = 256


def measure_ferplus(split: Split, data: Path, progress: Progress) -> list[Record]:
    """Measure expression and its calibration against the crowd's votes."""
    if "expression" not in split.subject.manifest.heads:
        return []
    faces = load_ferplus(data, split.part)
    rows = split.choose(len(faces.names))
    labels = faces.labels
    truth = _indices([VOTE_NAMES[int(labels[row])] for row in rows])
    names = [faces.names[row] for row in rows]
    records = []
    for stage, readings in _read_crops(split, faces.archive, names, progress).items():
        records += _expression(split.at(stage), truth, readings)
        records += _calibration(split.at(stage), truth, readings)
    return records


def measure_diffusionfer(split: Split, data: Path, progress: Progress) -> list[Record]:
    """Measure agreement with the prompt's class, and valence and arousal."""
    faces = load_diffusionfer(data, split.part)
    rows = split.choose(len(faces.names))
    names = [faces.names[row] for row in rows]
    heads = split.subject.manifest.heads
    truth = _indices([faces.expressions[row] for row in rows])
    records = []
    for stage, readings in _read_crops(split, faces.archive, names, progress).items():
        at = split.at(stage)
        if "expression" in heads:
            records += _expression(at, truth, readings)
        if "valence" in heads:
            records += _agreement(at, "valence", faces.valence[rows], readings.valence)
        if "arousal" in heads:
            records += _agreement(at, "arousal", faces.arousal[rows], readings.arousal)
    return records


def measure_photos(split: Split, data: Path, progress: Progress) -> list[Record]:
    """Measure the way from a whole picture to its expression; a miss is an error."""
    photos = load_photos(data, split.part)
    listed = [
        row for row, name in enumerate(photos.expressions) if name in PHOTO_CLASSES
    ]
    rows = [listed[row] for row in split.choose(len(listed))]
    names = [photos.names[row] for row in rows]
    pictures = progress.track(photos.archive.originals(names), len(rows), split.label)
    readings = read_pictures(split.subject, pictures, len(rows))
    found = readings.found
    records = split.at("locator").over_pictures(
        "locator", "accuracy", lambda pick: float(found[pick].mean()), len(rows)
    )
    if "expression" in split.subject.manifest.heads:
        truth = _indices([photos.expressions[row] for row in rows])
        estimate = known_classes(readings.expression, _CLASSES)
        records += split.at("locator+face").over_pictures(
            "expression",
            "balanced_accuracy",
            of_classes(balanced_accuracy, truth, estimate, _CLASSES + 1),
            len(rows),
        )
    return records


def _read_crops(
    split: Split, archive: PictureArchive, names: list[str], progress: Progress
) -> dict[str, FaceReadings]:
    """Return the readings by the stages that they went through."""
    size_px = split.subject.manifest.preprocessing.face.size_px
    crops = _crops(archive, names, size_px)
    seen, held = read_crops(
        split.subject, progress.track(crops, len(names), split.label), len(names)
    )
    return {"face": seen, "face+affect": held}


def _crops(
    archive: PictureArchive, names: list[str], size_px: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield each picture as an aligned face, RGB: these sets hold nothing but faces."""
    for start in range(0, len(names), _BATCH):
        batch = archive.read(names[start : start + _BATCH], size_px, grey=False)
        yield from batch[:, :, :, ::-1]


def _expression(split: Split, truth: Ints, readings: FaceReadings) -> list[Record]:
    estimate = readings.expression
    records = []
    for metric, figure in (("accuracy", accuracy), ("macro_f1", macro_f1)):
        records += split.over_pictures(
            "expression",
            metric,
            of_classes(figure, truth, estimate, _CLASSES),
            len(truth),
        )
    return records


def _calibration(split: Split, truth: Ints, readings: FaceReadings) -> list[Record]:
    shares = readings.probabilities
    return split.over_pictures(
        "expression", "ece", lambda pick: ece(truth[pick], shares[pick]), len(truth)
    )


def _agreement(
    split: Split,
    head: str,
    truth: NDArray[np.float32],
    estimate: NDArray[np.float64],
) -> list[Record]:
    true = truth.astype(np.float64)
    return split.over_pictures(
        head, "ccc", lambda pick: ccc(true[pick], estimate[pick]), len(true)
    )


def _indices(names: Sequence[str]) -> Ints:
    return np.array([EXPRESSION_NAMES.index(name) for name in names], np.int64)
