"""Action units, eyes and head pose against what teaches them: agreement, not accuracy.

On pictures and clips that were held out of training. Beside our own figures stand the
teacher's: how well it agrees with itself on the picture flipped and zoomed, and how far
its values spread, without which a correlation says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.blinks import blink_figures
from benchmarks.clip_faces import frames_of, list_clips
from benchmarks.judged import Judged
from benchmarks.poses import pose_figures
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
from training.metrics import ccc, correlation
from training.teachers import landmarker, yunet
from training.teachers.signals import TaughtFace, taught_faces

TEACHER = "mediapipe_face_landmarker"
"""Name of the teacher in records."""
CLIP_SETS = {"clips_grid": "grid_", "clips_pexels": "pexels_"}
"""Set → how the names of its clips begin; each shows one face."""

Teach = Callable[[Path, Iterable[NDArray[np.uint8]]], Iterator[TaughtFace]]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Column:
    """One signal over the faces on which the teacher holds on to it."""

    head: str
    units: list[str]
    ours: Values
    its: Values
    changed: Values
    """``(3, n)``: what it says of the picture flipped and zoomed."""


def measure_signals(
    split: Split, data: Path, progress: Progress, teach: Teach = taught_faces
) -> list[Record]:
    """Measure on one set of pictures; nothing where the bundle has no such heads.

    Nothing either where a teacher is not in the data root, or cannot run here.
    """
    if not _can_judge(split.subject, data):
        return []
    whole = split.set == "photos"
    pictures = (load_photos if whole else load_diffusionfer)(data, split.part)
    names = [pictures.names[row] for row in split.choose(len(pictures.names))]
    shown = progress.track(
        pictures.archive.originals(names), len(names), f"{split.label} signals"
    )
    try:
        judged = [
            Judged(_read(split.subject, face), face, f"{row:05}")
            for row, face in enumerate(teach(data, shown))
        ]
    except MissingDependencyError:
        return []
    return _all_figures(split, judged)


def measure_clip_signals(
    split: Split, data: Path, progress: Progress, teach: Teach = taught_faces
) -> list[Record]:
    """Measure on every frame of the clips with one face, as ``measure_signals``."""
    if not _can_judge(split.subject, data):
        return []
    records = []
    for name, prefix in CLIP_SETS.items():
        paths = [path for path in list_clips(data) if path.name.startswith(prefix)]
        judged: list[Judged] = []
        try:
            for path in progress.track(paths, len(paths), f"{name} signals"):
                judged += _judge_clip(split, data, path, teach)
        except MissingDependencyError:
            return []
        of = replace(split, set=name)
        records += _all_figures(of, judged)
        records += blink_figures(of, judged)
    return records


def _can_judge(subject: Subject, data: Path) -> bool:
    models = (yunet.MODEL, landmarker.MODEL)
    has_heads = "action_units" in subject.manifest.heads
    return has_heads and all((data / model).is_file() for model in models)


def _judge_clip(split: Split, data: Path, path: Path, teach: Teach) -> list[Judged]:
    times_s: list[float] = []

    def shown() -> Iterator[NDArray[np.uint8]]:
        for t_s, picture in islice(frames_of(path), split.limit):
            times_s.append(t_s)
            yield picture

    # The teacher takes one frame at a time: the last one taken is the one it judged.
    return [
        Judged(_read(split.subject, face), face, path.name, times_s[-1])
        for face in teach(data, shown())
    ]


def _read(subject: Subject, face: TaughtFace) -> FaceSignals:
    frame = Frame(face.picture, t_capture_ns=0, t_arrival_ns=0, index=0)
    found = Face(box_from_points(face.points), 1.0, face.points)
    state = subject.graphs.new_state()
    signals = subject.graphs.face(state, align_face(frame, found)).signals
    if signals is None:
        raise TypeError("a bundle with the head action_units gave no signals")
    return signals


def _all_figures(split: Split, judged: Sequence[Judged]) -> list[Record]:
    records = [r for column in _columns(judged) for r in _figures(split, column)]
    return records + pose_figures(split, judged)


def _columns(judged: Sequence[Judged]) -> Iterator[_Column]:
    for number, name in enumerate(FACE_SIGNALS):
        held = [one for one in judged if one.face.signals.kept()[number]]
        if len(held) < 2:
            continue
        its = [one.face.signals for one in held]
        yield _Column(
            _head(name),
            [one.unit for one in held],
            np.array([_value(one.ours, name) for one in held]),
            np.array([signals.values[number] for signals in its], np.float64),
            np.array([signals.changed[:, number] for signals in its], np.float64).T,
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
    ours, its, units = column.ours, column.its, column.units
    own: Figure = min(
        (_correlation(changed, its) for changed in column.changed),
        key=lambda figure: figure(np.arange(len(its))),
    )
    for metric, figure in (
        ("correlation", _correlation(ours, its)),
        ("ccc", lambda pick: ccc(its[pick], ours[pick])),
        ("mae", lambda pick: float(np.abs(ours[pick] - its[pick]).mean())),
    ):
        yield from split.over_units(column.head, metric, figure, units)
    for metric, figure in (
        ("correlation", own),
        ("spread", lambda pick: float(its[pick].std())),
    ):
        for record in split.at("teacher").over_units(
            column.head, metric, figure, units
        ):
            yield replace(record, model=TEACHER, target=None)


def _correlation(one: Values, other: Values) -> Figure:
    def figure(pick: Ints) -> float:
        return correlation(other[pick], one[pick])

    return figure
