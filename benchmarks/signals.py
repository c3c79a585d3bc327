"""Action units, eyes and head pose against what teaches them: agreement, not accuracy.

On pictures that were held out of training. Beside our own figures stand the teacher's:
how well it agrees with itself on the picture flipped and zoomed, and how far its values
spread, without which a correlation says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.split import Figure, Ints, Split
from benchmarks.subject import Subject
from edge_affect.errors import MissingDependencyError
from edge_affect.model.affect import FaceSignals
from edge_affect.sensing.align import align_face, box_from_points
from edge_affect.types import Face, Frame
from training.data.diffusionfer import load_diffusionfer
from training.data.photos import load_photos
from training.data.signals import FACE_SIGNALS, POSE_SIGNALS
from training.metrics import correlation
from training.teachers import landmarker, yunet
from training.teachers.signals import TaughtFace, taught_faces

TEACHER = "mediapipe_face_landmarker"
"""Name of the teacher in records."""

Teach = Callable[[Path, Iterable[NDArray[np.uint8]]], Iterator[TaughtFace]]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Column:
    """One signal over the faces on which the teacher holds on to it."""

    head: str
    ours: Values
    its: Values
    changed: Values
    """``(3, n)``: what it says of the picture flipped and zoomed."""


def measure_signals(
    split: Split, data: Path, progress: Progress, teach: Teach = taught_faces
) -> list[Record]:
    """Measure on one set; nothing where the bundle has no such heads.

    Nothing either where a teacher is not in the data root, or cannot run here.
    """
    if "action_units" not in split.subject.manifest.heads:
        return []
    if not all((data / model).is_file() for model in (yunet.MODEL, landmarker.MODEL)):
        return []
    whole = split.set == "photos"
    pictures = (load_photos if whole else load_diffusionfer)(data, split.part)
    names = [pictures.names[row] for row in split.choose(len(pictures.names))]
    shown = progress.track(
        pictures.archive.originals(names), len(names), f"{split.label} signals"
    )
    try:
        faces = [(_read(split.subject, face), face) for face in teach(data, shown)]
    except MissingDependencyError:
        return []
    return [r for column in _columns(faces) for r in _figures(split, column)]


def _read(subject: Subject, face: TaughtFace) -> FaceSignals:
    frame = Frame(face.picture, t_capture_ns=0, t_arrival_ns=0, index=0)
    found = Face(box_from_points(face.points), 1.0, face.points)
    state = subject.graphs.new_state()
    signals = subject.graphs.face(state, align_face(frame, found)).signals
    if signals is None:
        raise TypeError("a bundle with the head action_units gave no signals")
    return signals


def _columns(faces: Sequence[tuple[FaceSignals, TaughtFace]]) -> Iterator[_Column]:
    for number, name in enumerate(FACE_SIGNALS):
        held = [
            (_value(ours, name), face.signals)
            for ours, face in faces
            if face.signals.kept()[number]
        ]
        if len(held) < 2:
            continue
        yield _Column(
            _head(name),
            np.array([ours for ours, _ in held]),
            np.array([its.values[number] for _, its in held], np.float64),
            np.array([its.changed[:, number] for _, its in held], np.float64).T,
        )


def _value(signals: FaceSignals, name: str) -> float:
    if name in signals.action_units:
        return signals.action_units[name]
    return float(getattr(signals, name))


def _head(name: str) -> str:
    if name in POSE_SIGNALS:
        return f"pose/{name}"
    return "eyes" if name == "eyes_closed" else f"action_units/{name}"


def _figures(split: Split, column: _Column) -> Iterator[Record]:
    """Yield agreement and error of ours, then the teacher's own agreement and spread.

    Of the changed pictures the one that the teacher agrees with least counts.
    """
    ours, its, count = column.ours, column.its, len(column.its)
    own: Figure = min(
        (_correlation(changed, its) for changed in column.changed),
        key=lambda figure: figure(np.arange(count)),
    )
    for metric, figure in (
        ("correlation", _correlation(ours, its)),
        ("mae", lambda pick: float(np.abs(ours[pick] - its[pick]).mean())),
    ):
        yield from split.over_pictures(column.head, metric, figure, count)
    for metric, figure in (
        ("correlation", own),
        ("spread", lambda pick: float(its[pick].std())),
    ):
        for record in split.at("teacher").over_pictures(
            column.head, metric, figure, count
        ):
            yield replace(record, model=TEACHER, target=None)


def _correlation(one: Values, other: Values) -> Figure:
    def figure(pick: Ints) -> float:
        return correlation(other[pick], one[pick])

    return figure
