"""Poses by bins beside their peers, and blinks in clips, worked out by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks import poses
from benchmarks.blinks import blink_figures, blinks_of, match_blinks
from benchmarks.judged import Judged
from benchmarks.poses import pose_figures
from benchmarks.records import Record
from benchmarks.split import Split
from benchmarks.subject import Subject
from edge_affect.model.affect import FaceSignals
from training.data.signals import FACE_SIGNALS
from training.teachers.signals import Signals, TaughtFace

SIZE = 400, 300
YAW, PITCH = (FACE_SIGNALS.index(name) for name in ("yaw_deg", "pitch_deg"))
SHUT = FACE_SIGNALS.index("eyes_closed")


def _points(yaw_deg: float, pitch_deg: float) -> np.ndarray:
    """Return the five points of the mean face as a camera sees it, so turned."""
    turn = Rotation.from_euler("YXZ", [-yaw_deg, -pitch_deg, 0], degrees=True)
    camera = np.array([[600.0, 0, 200], [0, 600, 150], [0, 0, 1]])
    away = np.array([0.0, 0.0, 3000.0])
    seen, _ = cv2.projectPoints(poses._MEAN_FACE, turn.as_rotvec(), away, camera, None)
    return np.asarray(seen[:, 0], np.float32)


def _judged(
    number: int, *, yaw_deg: float, off_deg: float = 0.0, unit: str | None = None
) -> Judged:
    values = np.zeros(len(FACE_SIGNALS), np.float32)
    values[[YAW, PITCH]] = yaw_deg, 5
    signals = Signals(values, np.repeat(values[None], 3, axis=0), 1.0)
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    face = TaughtFace(picture, _points(yaw_deg, 5), signals)
    ours = FaceSignals({}, 0.0, yaw_deg + off_deg, 5 - off_deg)
    return Judged(ours, face, unit or str(number))


def _value(records: list[Record], **keys: object) -> float:
    (found,) = [
        record
        for record in records
        if all(getattr(record, key) == value for key, value in keys.items())
    ]
    return found.value


def test_poses_stand_in_bins_beside_a_guess_and_points(subject: Subject) -> None:
    """Sixty heads a little turned, sixty far, and a few between that are too few."""
    turns = [3.0] * 60 + [20.0] * 10 + [-40.0] * 60
    judged = [_judged(row, yaw_deg=yaw, off_deg=2.0) for row, yaw in enumerate(turns)]
    split = Split(subject, "photos", "valid", "face")
    records = pose_figures(split, judged)
    assert {record.split for record in records} == {
        "valid turned 0-15",
        "valid turned 30-90",
    }
    far = {"split": "valid turned 30-90", "head": "pose/yaw_deg"}
    assert _value(records, **far, model="ours-grey", against=None) == pytest.approx(2)
    assert _value(records, **far, model="constant_0") == pytest.approx(40)
    assert _value(records, **far, against="constant_0") == pytest.approx(2 - 40)
    # The points are those of the mean face itself, so its pose is found.
    assert _value(records, **far, model="pnp_on_points") == pytest.approx(0, abs=0.2)


def test_poses_that_the_teacher_does_not_hold_are_left_out(subject: Subject) -> None:
    """A yaw that moves with the zoom is none to judge by."""
    judged = [_judged(row, yaw_deg=3.0) for row in range(60)]
    for one in judged:
        one.face.signals.changed[0, YAW] += 30
    assert pose_figures(Split(subject, "photos", "valid", "face"), judged) == []


def test_blinks_begin_where_closure_rises_over_its_surroundings() -> None:
    """Narrow eyes are no blink; a short rise is one, long before the eye is shut."""
    times_s = np.arange(50) / 25
    closed = np.full(50, 0.4)
    closed[20:23] = 0.65
    assert blinks_of(times_s, closed).tolist() == [20 / 25]


def test_match_blinks_takes_each_blink_once() -> None:
    """Two of ours near one of the teacher's are one hit and one false blink."""
    ours, its = np.array([1.0, 1.05, 3.0]), np.array([1.04, 2.0])
    assert match_blinks(ours, its) == (1, 3, 2)


def test_blink_figures_count_over_clips(subject: Subject) -> None:
    """One clip's blink is seen, the other's is not: F1 is 2 of 3."""
    judged = []
    for clip, seen in (("a", 0.9), ("b", 0.0)):
        for number in range(50):
            one = _judged(number, yaw_deg=0.0, unit=clip)
            shut = number in (20, 21)
            one.face.signals.values[SHUT] = 0.9 * shut
            ours = FaceSignals({}, seen * shut, 0.0, 0.0)
            judged.append(Judged(ours, one.face, clip, number / 25))
    records = blink_figures(Split(subject, "clips", "test", "face"), judged)
    whole = [record for record in records if record.split == "test"]
    assert [record.value for record in whole] == [pytest.approx(2 / 3)]


def test_blink_figures_without_blinks_are_none(subject: Subject) -> None:
    """A clip in which nobody blinks tells nothing."""
    judged = [_judged(0, yaw_deg=0.0, unit="a")]
    assert blink_figures(Split(subject, "clips", "test", "face"), judged) == []
