"""Figures on DiffusionFER: agreement with the prompt's class, valence and arousal.

Valence and arousal there are mostly the class. So beside ours stand what the classes
alone give, and a ridge regression on our own expression probabilities and on the
blendshapes of MediaPipe's face landmarker, each fitted on the training part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.expressions import (
    against,
    class_figures,
    classes_of,
    minus,
    read_face_crops,
)
from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.split import Figure, Floats, Split
from edge_affect.errors import MissingDependencyError
from training.data.diffusionfer import DiffusionFer, load_diffusionfer
from training.metrics import accuracy, ccc, correlation, macro_f1
from training.teachers import landmarker, yunet

AXES = ("valence", "arousal")
_METRICS = {"accuracy": accuracy, "macro_f1": macro_f1}
_RIDGES = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Strengths of the penalty that cross-validation chooses from."""
_LEAST_TAUGHT = 20
"""With fewer training pictures nothing is fitted to stand beside ours."""


def measure_diffusionfer(split: Split, data: Path, progress: Progress) -> list[Record]:
    """Measure agreement with the prompt's class, and valence and arousal."""
    faces = load_diffusionfer(data, split.part)
    rows = split.choose(len(faces.names))
    names = [faces.names[row] for row in rows]
    heads = split.subject.manifest.heads
    classes = [faces.expressions[row] for row in rows]
    axes = [axis for axis in AXES if axis in heads]
    truth = {axis: getattr(faces, axis)[rows].astype(np.float64) for axis in axes}
    readings = read_face_crops(split, faces.archive, names, progress)
    records = []
    for stage, reading in readings.items():
        at = split.at(stage)
        if "expression" in heads:
            told = classes_of(classes), reading.expression
            records += class_figures(at, _METRICS, *told)
        for axis in axes:
            ours = getattr(reading, axis)
            records += _agreement(at, axis, truth[axis], ours)
            records += _within(at, axis, (truth[axis], ours), classes)
    if not axes or not split.peers:
        return records
    train = load_diffusionfer(data, "train")
    if len(train.names) < _LEAST_TAUGHT:
        return records
    fits = {"class_means": _class_means(train, classes)}
    if "expression" in heads:
        shown = read_face_crops(split, train.archive, train.names, progress)["face"]
        ours_now = readings["face"].probabilities
        fits["ridge_on_expression"] = _ridge(train, shown.probabilities, ours_now)
    shapes = _blendshapes(data, (train, train.names), (faces, names), progress)
    if shapes is not None:
        fits["ridge_on_blendshapes"] = _ridge(train, *shapes)
    at = split.at("face")
    for name, fitted in fits.items():
        for axis in axes:
            ours, its = getattr(readings["face"], axis), fitted[axis]
            peer = replace(at, peer=name)
            records += _agreement(peer, axis, truth[axis], its)
            lead = minus(_ccc_of(truth[axis], ours), _ccc_of(truth[axis], its))
            records += against(name, at.over_pictures(axis, "ccc", lead, len(rows)))
    return records


def _agreement(split: Split, axis: str, truth: Floats, told: Floats) -> list[Record]:
    return split.over_pictures(axis, "ccc", _ccc_of(truth, told), len(truth))


def _ccc_of(truth: Floats, told: Floats) -> Figure:
    return lambda pick: ccc(truth[pick], told[pick])


def _within(
    split: Split, axis: str, values: tuple[Floats, Floats], classes: Sequence[str]
) -> list[Record]:
    """Return the correlation once each class's mean is taken away from both."""
    truth, told = (value.copy() for value in values)
    for name in set(classes):
        rows = np.array(classes) == name
        truth[rows] -= truth[rows].mean()
        told[rows] -= told[rows].mean()
    return split.over_pictures(
        f"{axis}/within_class",
        "correlation",
        lambda pick: correlation(truth[pick], told[pick]),
        len(truth),
    )


def _class_means(train: DiffusionFer, classes: Sequence[str]) -> dict[str, Floats]:
    """Return the training mean of each picture's own class."""
    known = np.array(train.expressions)
    means = {
        (axis, name): float(getattr(train, axis)[known == name].mean())
        for axis in AXES
        for name in set(train.expressions)
    }
    return {
        axis: np.array([means.get((axis, name), 0.0) for name in classes])
        for axis in AXES
    }


def _ridge(train: DiffusionFer, given: Floats, asked: Floats) -> dict[str, Floats]:
    """Return what a ridge regression fitted on ``train`` says of ``asked``."""
    from sklearn.linear_model import RidgeCV

    fitted = {}
    for axis in AXES:
        known = np.isfinite(given).all(axis=1)
        model: Any = RidgeCV(_RIDGES)
        model.fit(given[known], getattr(train, axis)[known])
        fitted[axis] = np.asarray(model.predict(np.nan_to_num(asked)), np.float64)
    return fitted


def _blendshapes(
    data: Path,
    train: tuple[DiffusionFer, list[str]],
    asked: tuple[DiffusionFer, list[str]],
    progress: Progress,
) -> tuple[Floats, Floats] | None:
    """Return the blendshapes of both parts, NaN without a face; None if unavailable."""
    if not all((data / model).is_file() for model in (landmarker.MODEL, yunet.MODEL)):
        return None
    try:
        reader = landmarker.Landmarker(data)
    except MissingDependencyError:
        return None
    detector = yunet.YuNet(data)
    read = []
    for faces, names in (train, asked):
        rows = []
        shown = faces.archive.originals(names)
        for picture in progress.track(shown, len(names), "blendshapes"):
            marks = detector.marks(picture)
            rows.append(
                reader.read(picture, marks[0].points).blendshapes
                if marks
                else np.full(len(landmarker.BLENDSHAPES), np.nan)
            )
        read.append(np.array(rows, np.float64))
    return read[0], read[1]
