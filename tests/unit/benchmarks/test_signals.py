"""Agreement with the teacher of face signals, over fakes whose answers are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.progress import Progress
from benchmarks.signals import TEACHER, measure_clip_signals, measure_signals
from benchmarks.split import Split
from benchmarks.subject import Subject
from edge_affect.commands.terminal import Terminal
from edge_affect.errors import MissingDependencyError
from edge_affect.model.affect import AffectGraphs
from edge_affect.model.manifest import Head
from edge_affect.runners.base import Signature, StreamState, Tensors
from edge_affect.sensing.align import TEMPLATE
from tests.unit.benchmarks.conftest import GreyRunner, WriteSet
from training.data.root import HELD_OUT_SHARE, unit_hash
from training.data.signals import FACE_SIGNALS, FACE_UNITS
from training.teachers import landmarker, yunet
from training.teachers.signals import Signals, TaughtFace

COUNT = 12
POINTS = np.array(TEMPLATE, np.float32)


class SignalRunner(GreyRunner):
    """Tells AU12 and closed eyes from the grey level, and the yaw from its opposite."""

    def __init__(self) -> None:
        super().__init__()
        face = self._signatures["face"]
        outputs = {
            **face.outputs,
            "action_units": (1, len(FACE_UNITS)),
            "eyes_closed": (1, 1),
            "pose": (1, 2),
        }
        self._signatures["face"] = Signature(face.inputs, outputs, {})

    def _step(
        self, state: StreamState, which: str, inputs: Tensors
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
        out, after = super()._step(state, which, inputs)
        if which == "face":
            share = inputs["image"].mean() / 255
            out["action_units"][0, FACE_UNITS.index("AU12")] = share
            out["eyes_closed"][:] = share
            out["pose"][0, 0] = -30 * share
        return out, after


@pytest.fixture
def signal_subject(subject: Subject) -> Subject:
    """Return a fake with signal heads."""
    heads = {
        **subject.manifest.heads,
        "action_units": Head("a test", FACE_UNITS),
        "driver": Head("a test", ("eyes_closed",)),
    }
    manifest = replace(subject.manifest, heads=heads)
    graphs = AffectGraphs(SignalRunner(), manifest)
    bundle = replace(subject.bundle, manifest=manifest)
    return replace(subject, bundle=bundle, graphs=graphs)


@pytest.fixture
def data(write_set: WriteSet) -> Path:
    """Return held-out photographs of one grey each, and files for both teachers."""
    numbers = (f"{number}.png" for number in range(1000))
    names = [n for n in numbers if unit_hash(n) < HELD_OUT_SHARE][:COUNT]
    rows = [{"image": name, "expression": "neutral"} for name in names]
    pictures = [np.full((112, 112, 3), 10 + 15 * n, np.uint8) for n in range(COUNT)]
    root = write_set("photos/train", rows, pictures)
    for model in (yunet.MODEL, landmarker.MODEL):
        (root / model).parent.mkdir(exist_ok=True)
        (root / model).touch()
    return root


def teach(root: Path, pictures: Iterable[NDArray[np.uint8]]) -> Iterator[TaughtFace]:
    """Say of each picture what its grey level says; flipped, a little more."""
    del root
    for picture in pictures:
        share = float(picture.mean()) / 255
        values = np.zeros(len(FACE_SIGNALS), np.float32)
        for name in ("AU12", "eyes_closed"):
            values[FACE_SIGNALS.index(name)] = share
        values[FACE_SIGNALS.index("yaw_deg")] = 5 * share
        changed = np.stack([values + 0.1, values, values])
        # The teacher lets go of AU4 when the picture is flipped.
        changed[0, FACE_SIGNALS.index("AU4")] = 0.9
        yield TaughtFace(picture, POINTS, Signals(values, changed, presence=1.0))


def _measure(subject: Subject, root: Path, teacher: object = teach) -> dict[str, float]:
    split = Split(subject, "photos", "valid", "face")
    records = measure_signals(split, root, Progress(Terminal(StringIO())), teacher)  # type: ignore[arg-type]
    return {f"{r.model} {r.head} {r.metric}": r.value for r in records}


def test_signals_are_held_against_the_teacher(
    signal_subject: Subject, data: Path
) -> None:
    """Same, opposite and constant answers; what it lets go of is left out."""
    figures = _measure(signal_subject, data)
    assert figures["ours-grey action_units/AU12 correlation"] == pytest.approx(1)
    assert figures["ours-grey action_units/AU12 mae"] == pytest.approx(0, abs=1e-3)
    assert figures["ours-grey eyes correlation"] == pytest.approx(1)
    assert figures["ours-grey pose/yaw_deg correlation"] == pytest.approx(-1)
    assert figures["ours-grey action_units/AU1 correlation"] == 0
    assert figures[f"{TEACHER} action_units/AU12 correlation"] == pytest.approx(1)
    assert figures[f"{TEACHER} action_units/AU12 spread"] > 0.1
    assert not [name for name in figures if "AU4" in name]


def test_nothing_is_measured_without_heads_or_teachers(
    subject: Subject, signal_subject: Subject, data: Path
) -> None:
    """Older bundles, other roots and machines without the teacher's runtime."""
    assert _measure(subject, data) == {}

    def absent(*_: object) -> Iterator[TaughtFace]:
        raise MissingDependencyError("landmarker")

    assert _measure(signal_subject, data, absent) == {}
    (data / landmarker.MODEL).unlink()
    assert _measure(signal_subject, data) == {}


def test_clip_signals_come_by_set_and_clip(signal_subject: Subject, data: Path) -> None:
    """Two clips of one set, none of the other; every frame is asked about."""
    folder = data / "clips"
    folder.mkdir()
    for name in ("grid_a", "grid_b"):
        film = cv2.VideoWriter(
            str(folder / f"{name}.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, (112, 112)
        )
        for number in range(10):
            film.write(np.full((112, 112, 3), 20 + 20 * number, np.uint8))
        film.release()
    split = Split(signal_subject, "clips", "test", "face", limit=8)
    progress = Progress(Terminal(StringIO()))
    records = measure_clip_signals(split, data, progress, teach)
    assert {record.set for record in records} == {"clips_grid"}
    found = {
        record.split: record
        for record in records
        if (record.head, record.stage) == ("eyes", "face")
        and record.metric == "correlation"
    }
    assert set(found) == {"test", "test/grid_a.mp4", "test/grid_b.mp4"}
    assert (found["test"].n, found["test/grid_a.mp4"].n) == (16, 8)
    assert found["test"].value == pytest.approx(1, abs=1e-3)
