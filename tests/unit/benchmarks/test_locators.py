"""Figures of the locator, over locators whose answers are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import clip_faces, locators
from benchmarks.clip_faces import ClipFrame, match_clip_frame
from benchmarks.locators import PARTS, is_turned, measure_locators
from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.split import Split
from benchmarks.subject import Subject
from edge_affect.commands.terminal import Terminal
from edge_affect.sensing.align import TEMPLATE, box_from_points
from edge_affect.sensing.locator import Locator
from edge_affect.types import Face, Frame
from tests.unit.benchmarks.conftest import WriteSet
from training.scenes.draw import Scene
from training.scenes.faces import SIDE_PX, Faces
from training.teachers import yunet
from training.teachers.yunet import Marks

POINTS = np.array(TEMPLATE, np.float32)


class _Blind:
    """Finds nothing."""

    def locate(self, frame: Frame) -> list[Face]:
        """Return no face."""
        del frame
        return []


class _Dreamer:
    """Sees a face in the corner of every picture."""

    def locate(self, frame: Frame) -> list[Face]:
        """Return a small face, whatever the frame."""
        del frame
        return [Face((0.0, 0.0, 8.0, 8.0), 0.9)]


class _Teller:
    """Knows the scenes; its points lie a tenth of an eye distance to the right."""

    known: ClassVar[dict[bytes, NDArray[np.float32]]] = {}

    def locate(self, frame: Frame) -> list[Face]:
        """Return every face of a scene that was drawn."""
        faces = []
        for points in self.known.get(frame.data.tobytes(), ()):
            eyes = float(np.hypot(*(points[1] - points[0])))
            told = points + np.array([0.1 * eyes, 0], np.float32)
            faces.append(Face(box_from_points(told), 0.9, told))
        return faces


def _mark(data: Path, pictures: Iterable[NDArray[np.uint8]]) -> Faces:
    """Return as many faces as there are pictures: white squares on black."""
    del data
    count = len(list(pictures))
    squares = np.zeros((count, SIDE_PX, SIDE_PX), np.uint8)
    squares[:, 28:84, 28:84] = 255
    return Faces(
        squares, np.full((count, 2), 112), np.repeat(POINTS[None], count, axis=0)
    )


@pytest.fixture
def data(write_set: WriteSet, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a root with photographs and a file where the teacher would be."""
    few = tuple(replace(part, count=8) for part in PARTS)
    monkeypatch.setattr(locators, "PARTS", few)
    monkeypatch.setattr(locators, "_SELECTION", few[0])
    names = [f"{row}.png" for row in range(40)]
    grey = np.full((16, 16, 3), 60, np.uint8)
    rows = [{"image": name, "expression": "neutral"} for name in names]
    root = write_set("photos/train", rows, [grey] * len(names))
    model = root / yunet.MODEL
    model.parent.mkdir(parents=True)
    model.write_bytes(b"")
    monkeypatch.setattr(locators, "read_clips", lambda data, progress: [])
    drawn = locators._draw

    def told(*given: Any) -> list[Scene]:
        scenes = drawn(*given)
        _Teller.known |= {scene.luma.tobytes(): scene.points for scene in scenes}
        return scenes

    monkeypatch.setattr(locators, "_draw", told)
    return root


def _measured(
    subject: Subject, data: Path, ours: type[Locator], **peers: type[Locator]
) -> list[Record]:
    split = Split(replace(subject, new_locator=ours), "photos", "valid", "locator")
    progress = Progress(Terminal(StringIO()))
    return measure_locators(split, data, progress, _mark, lambda _: peers)


def _values(records: list[Record], metric: str, **keys: str | None) -> list[float]:
    return [
        record.value
        for record in records
        if record.metric == metric
        and all(getattr(record, key) == value for key, value in keys.items())
    ]


def test_locators_find_what_they_find(subject: Subject, data: Path) -> None:
    """Every face found, a tenth off, and the same of a peer that finds none."""
    records = _measured(subject, data, _Teller, blind=_Blind)
    ours = {"model": "ours-grey", "against": None}
    with_faces = len(PARTS) - 2  # no photograph is turned, and one part is faceless
    assert _values(records, "recall", **ours) == [1.0] * with_faces
    errors = _values(records, "point_error", **ours)
    assert errors == pytest.approx([0.1] * with_faces, abs=1e-4)
    assert _values(records, "recall", model="blind") == [0.0] * with_faces
    assert _values(records, "recall", against="blind") == [1.0] * with_faces
    assert not _values(records, "point_error", model="blind")
    assert set(_values(records, "false_faces")) == {0.0}


def test_locators_count_false_faces(subject: Subject, data: Path) -> None:
    """A face seen where there is none counts once in each picture."""
    records = _measured(subject, data, _Dreamer)
    assert _values(records, "false_faces", split="faceless") == [1.0]
    assert set(_values(records, "recall")) == {0.0}


def test_locators_peer_is_held_to_its_threshold(subject: Subject, data: Path) -> None:
    """A peer's dreams on scenes to select by raise its threshold above them."""
    records = _measured(subject, data, _Blind, dreamer=_Dreamer)
    assert _values(records, "false_faces", model="dreamer", split="faceless") == [0.0]


def test_locators_without_teacher_say_nothing(subject: Subject, data: Path) -> None:
    """Without YuNet's file there is no truth, so no figure."""
    (data / yunet.MODEL).unlink()
    assert _measured(subject, data, _Blind) == []


def test_is_turned_by_the_nose() -> None:
    """A nose a third of the eye distance off the middle is that of a turned head."""
    turned = POINTS.copy()
    turned[2, 0] += (POINTS[1, 0] - POINTS[0, 0]) / 3
    assert is_turned(np.stack([POINTS, turned])).tolist() == [False, True]


@pytest.mark.parametrize(("score", "false"), [(0.95, 0), (0.6, 0), (None, 1)])
def test_clip_frame_judges_by_what_yunet_saw(score: float | None, false: int) -> None:
    """A find is right, not judged or false as YuNet is sure, unsure or sees none."""
    points = POINTS + 20
    marks = [] if score is None else [Marks(points, score)]
    frame = ClipFrame("a.mp4", np.zeros((160, 200, 3), np.uint8), marks)

    class Finder(_Blind):
        def locate(self, frame: Frame) -> list[Face]:
            return [Face(box_from_points(points), 0.9, points)]

    match = match_clip_frame(Finder(), frame)
    assert len(match.false) == false
    assert match.hits.tolist() == ([0.9] if score == 0.95 else [])


def test_read_clips_marks_every_fifth_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A film of eleven frames gives three, under its name."""

    class NoTeacher:
        def __init__(self, root: Path) -> None:
            pass

        def marks(self, picture: NDArray[np.uint8]) -> list[Marks]:
            return []

    monkeypatch.setattr(yunet, "YuNet", NoTeacher)
    folder = tmp_path / "clips"
    folder.mkdir()
    film = cv2.VideoWriter(
        str(folder / "a.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, (64, 48)
    )
    for grey in range(11):
        film.write(np.full((48, 64, 3), 20 * grey, np.uint8))
    film.release()
    frames = clip_faces.read_clips(tmp_path, Progress(Terminal(StringIO())))
    assert [frame.clip for frame in frames] == ["a.mp4"] * 3
    assert [round(float(f.picture.mean()), -1) for f in frames] == [0, 100, 200]
