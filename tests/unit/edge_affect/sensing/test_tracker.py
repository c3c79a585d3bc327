"""The tracker: it keeps the driver's face and lets go of what is none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_affect.sensing.locator import HaarLocator
from edge_affect.sensing.tracker import LEAST_SCORE, FaceTracker
from edge_affect.types import Face, Frame
from tests.fakes.faces import frame_with_faces

NEVER = 10_000
EVERY = 10
START = (300.0, 240.0, 150.0)

DRIFT_SHARE = 0.03
"""Of a face's width: after 30 frames without a detection, three times the usual."""
FOLLOW_SHARE = 0.03
"""Of a face's width, in the median: the cascade's own jitter on real faces."""


def face_at(x: float, y: float, width: float, score: float = 0.9) -> Face:
    """Return a face with its middle at ``x``, ``y``."""
    return Face((x - width / 2, y - width / 2, width, width), score)


def middle(face: Face) -> tuple[float, float]:
    """Return the middle of the face's box."""
    left, top, width, height = face.box
    return left + width / 2, top + height / 2


class FakeLocator:
    """Finds what it is told to."""

    def __init__(self, *faces: Face) -> None:
        self.faces = list(faces)
        self.calls = 0

    def locate(self, frame: Frame) -> list[Face]:
        """Return the faces."""
        self.calls += 1
        return list(self.faces)


def test_tracker_has_the_face_from_the_first_frame_on() -> None:
    """The first frame gives the face as it was found."""
    locator = FakeLocator(face_at(*START))
    assert (
        FaceTracker(locator).update(frame_with_faces(START), EVERY)
        is (locator.faces[0])
    )


@pytest.mark.parametrize("every", [1, 4, 10])
def test_tracker_detects_every_n_frames(every: int) -> None:
    """A face that is held costs one detection in n frames."""
    locator = FakeLocator(face_at(*START))
    tracker = FaceTracker(locator)
    frame = frame_with_faces(START)
    for _ in range(2 * every + 1):
        tracker.update(frame, every)
    assert locator.calls == 3


def test_tracker_searches_each_frame_without_a_face() -> None:
    """While there is no face, every frame is searched."""
    locator = FakeLocator()
    tracker = FaceTracker(locator)
    for _ in range(4):
        assert tracker.update(frame_with_faces(), EVERY) is None
    assert locator.calls == 4


def test_tracker_follows_place_and_size() -> None:
    """Between detections the box moves and grows with the face."""
    tracker = FaceTracker(FakeLocator(face_at(*START)))
    x, y, width = START
    face = None
    for step in range(31):
        drawn = (x + 2.6 * step, y - 1.3 * step, width * 1.008**step)
        face = tracker.update(frame_with_faces(drawn), NEVER)
        assert face is not None
    assert face is not None
    assert math.dist(middle(face), drawn[:2]) <= DRIFT_SHARE * drawn[2]
    assert face.box[2] == pytest.approx(drawn[2], rel=DRIFT_SHARE)


def test_tracker_follows_a_fast_move() -> None:
    """A quarter of the face's width in one frame is followed."""
    tracker = FaceTracker(FakeLocator(face_at(*START)))
    tracker.update(frame_with_faces(START), NEVER)
    x, y, width = START
    face = tracker.update(frame_with_faces((x + width / 4, y, width)), NEVER)
    assert face is not None
    assert math.dist(middle(face), (x + width / 4, y)) <= DRIFT_SHARE * width


def test_tracker_moves_the_points_with_the_box() -> None:
    """Five points keep their place in the face."""
    points = np.array([[270, 220], [330, 220], [300, 240], [275, 280], [325, 280]])
    found = replace(face_at(*START), points=points.astype(np.float32))
    tracker = FaceTracker(FakeLocator(found))
    tracker.update(frame_with_faces(START), NEVER)
    face = tracker.update(frame_with_faces((318.0, 252.0, 150.0)), NEVER)
    assert face is not None
    assert face.points is not None
    assert face.points.dtype == np.float32
    assert face.points == pytest.approx(
        points + np.array([18, 12]), abs=DRIFT_SHARE * 150
    )


@pytest.mark.parametrize("cut", ["black", "noise", "scene", "mirrored elsewhere"])
def test_tracker_lets_go_at_a_cut(cut: str) -> None:
    """What follows a cut is searched at once and not taken for the face."""
    frame = frame_with_faces(START)
    random = np.random.default_rng(2)
    after = {
        "black": np.zeros_like(frame.data),
        "noise": random.integers(0, 256, frame.data.shape, np.uint8),
        "scene": frame_with_faces(seed=5).data,
        "mirrored elsewhere": frame_with_faces((470.0, 200.0, 120.0), seed=6).data,
    }[cut]
    locator = FakeLocator(face_at(*START))
    tracker = FaceTracker(locator)
    for _ in range(3):
        assert tracker.update(frame, NEVER) is not None
    locator.faces = []
    assert tracker.update(replace(frame, data=after), NEVER) is None
    assert locator.calls == 2


def test_tracker_finds_the_next_face_in_the_frame_of_the_cut() -> None:
    """A cut to another face gives that one, where it is."""
    locator = FakeLocator(face_at(*START))
    tracker = FaceTracker(locator)
    tracker.update(frame_with_faces(START), NEVER)
    other = (470.0, 200.0, 120.0)
    locator.faces = [face_at(*other)]
    face = tracker.update(frame_with_faces(other, seed=6), NEVER)
    assert face is locator.faces[0]


def test_tracker_searches_anew_when_the_frame_size_changes() -> None:
    """Nothing is followed from one size of frames to another."""
    locator = FakeLocator(face_at(*START))
    tracker = FaceTracker(locator)
    frame = frame_with_faces(START)
    tracker.update(frame, NEVER)
    tracker.update(replace(frame, data=frame.data[:400]), NEVER)
    assert locator.calls == 2


def test_tracker_takes_the_largest_face_in_the_region() -> None:
    """A larger face whose middle lies outside of the region is not the driver's."""
    small, medium, large = (
        face_at(100, 100, 60),
        face_at(200, 240, 90),
        face_at(500, 240, 200),
    )
    tracker = FaceTracker(FakeLocator(large, small, medium), (0.0, 0.0, 0.5, 1.0))
    assert tracker.update(frame_with_faces(), EVERY) is medium


def test_tracker_lets_go_of_a_face_that_leaves_the_region() -> None:
    """A tracked face is given up when its middle crosses the region's edge."""
    locator = FakeLocator(face_at(*START))
    tracker = FaceTracker(locator, (0.0, 0.0, 0.5, 1.0))
    assert tracker.update(frame_with_faces(START), NEVER) is not None
    locator.faces = []
    assert tracker.update(frame_with_faces((328.0, 240.0, 150.0)), NEVER) is None


@pytest.mark.parametrize(("other_width", "changes"), [(160.0, False), (230.0, True)])
def test_tracker_changes_only_to_a_clearly_larger_face(
    other_width: float, *, changes: bool
) -> None:
    """A passenger as large as the driver does not take the place."""
    other = face_at(520, 240, other_width)
    locator = FakeLocator(face_at(*START))
    tracker = FaceTracker(locator)
    frame = frame_with_faces(START)
    tracker.update(frame, 1)
    locator.faces.append(other)
    face = tracker.update(frame, 1)
    assert (face is other) == changes


def test_tracker_goes_half_the_way_to_a_detection() -> None:
    """Half of a detection's jitter stays out."""
    locator = FakeLocator(face_at(*START, score=0.5))
    tracker = FaceTracker(locator)
    frame = frame_with_faces(START)
    tracker.update(frame, 1)
    locator.faces = [face_at(306.0, 240.0, 158.0, score=0.8)]
    face = tracker.update(frame, 1)
    assert face is not None
    assert middle(face) == pytest.approx((303, 240), abs=0.1)
    assert face.box[2] == pytest.approx(154, abs=0.1)
    assert face.score == 0.8


def test_tracker_goes_half_the_way_with_the_points() -> None:
    """Points are corrected as the box is."""
    points = np.array([[270, 220], [330, 220], [300, 240], [275, 280], [325, 280]])
    found = replace(face_at(*START), points=points.astype(np.float32))
    locator = FakeLocator(found)
    tracker = FaceTracker(locator)
    frame = frame_with_faces(START)
    tracker.update(frame, 1)
    assert found.points is not None
    locator.faces = [replace(found, points=found.points + np.float32(6))]
    face = tracker.update(frame, 1)
    assert face is not None
    assert face.points == pytest.approx(points + 3, abs=0.1)


def test_tracker_doubts_a_face_that_detections_miss() -> None:
    """Each detection without the face lowers the score, until the face is given up."""
    locator = FakeLocator(face_at(*START))
    tracker = FaceTracker(locator)
    frame = frame_with_faces(START)
    tracker.update(frame, 2)
    locator.faces = []
    scores = []
    while (face := tracker.update(frame, 2)) is not None:
        scores.append(face.score)
        assert len(scores) < 20
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] >= LEAST_SCORE
    assert len(scores) >= 6


def test_tracker_does_not_take_up_what_hardly_is_a_face() -> None:
    """A detection below the least score is none."""
    tracker = FaceTracker(FakeLocator(face_at(*START, score=LEAST_SCORE / 2)))
    assert tracker.update(frame_with_faces(START), EVERY) is None


def test_tracker_keeps_a_tracked_face_that_a_far_detection_misses() -> None:
    """A detection elsewhere is no confirmation of the tracked face."""
    locator = FakeLocator(face_at(*START))
    tracker = FaceTracker(locator)
    frame = frame_with_faces(START)
    tracker.update(frame, 1)
    locator.faces = [face_at(500, 200, 120)]
    face = tracker.update(frame, 1)
    assert face is not None
    assert middle(face) == pytest.approx(START[:2], abs=0.1)
    assert face.score < 0.9


def test_tracker_reset_makes_it_new() -> None:
    """After a reset the same frames give the same faces as from a new tracker."""
    frames = [frame_with_faces((300 + 3 * i, 240, 150), index=i) for i in range(5)]
    used = FaceTracker(HaarLocator())
    for frame in frames[::-1]:
        used.update(frame, 2)
    used.reset()
    new = FaceTracker(HaarLocator())
    assert [used.update(frame, 3) for frame in frames] == [
        new.update(frame, 3) for frame in frames
    ]


def clip_frames(path: Path) -> Iterator[Frame]:
    """Yield the frames of a clip; skip where it is missing."""
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    capture = cv2.VideoCapture(str(path))
    index = 0
    while (read := capture.read())[0]:
        yield Frame(np.asarray(read[1], np.uint8), index, index, index)
        index += 1
    capture.release()


CLIPS = (
    "grid_bbaf2n.mpg",
    "grid_brbk7n.mpg",
    "grid_lbax4n.mpg",
    "grid_lbbc2a.mpg",
    "grid_lrwp9a.mpg",
    "grid_lwbsza.mpg",
    "pexels_silent.mp4",
)


@pytest.mark.parametrize("name", CLIPS)
def test_tracker_holds_a_real_face(data_root: Path, name: str) -> None:
    """A face is given from the first frame on, where fresh detections see it."""
    locator = HaarLocator()
    tracker = FaceTracker(locator)
    held, errors = [], []
    for frame in clip_frames(data_root / "clips" / name):
        face = tracker.update(frame, EVERY)
        held.append(face is not None)
        seen = locator.locate(frame) if frame.index % 5 == 0 else []
        if face is not None and seen:
            fresh = max(seen, key=lambda face: face.box[2])
            errors.append(math.dist(middle(face), middle(fresh)) / fresh.box[2])
    assert held[0]
    assert np.mean(held) >= 0.95
    assert np.median(errors) <= FOLLOW_SHARE


def test_tracker_over_a_real_cut(data_root: Path) -> None:
    """No face in the animation, one soon after the cut, none in the black at last."""
    cut, last = 96, 168
    tracker = FaceTracker(HaarLocator())
    frames = clip_frames(data_root / "clips" / "noface_face.mov")
    held = [tracker.update(frame, EVERY) is not None for frame in frames]
    assert not any(held[:cut])
    assert all(held[cut + 3 : last])
    assert not held[last]


def test_tracker_lets_go_when_real_clips_are_cut_together(data_root: Path) -> None:
    """From one real face to another the box jumps in one frame, or the face is lost."""
    folder = data_root / "clips"
    locator = HaarLocator()
    firsts = [next(clip_frames(folder / name)) for name in CLIPS[:6]]
    for before in firsts:
        for after in firsts:
            tracker = FaceTracker(locator)
            tracker.update(before, NEVER)
            face = tracker.update(after, NEVER)
            [fresh] = locator.locate(after)
            assert face is not None
            apart = math.dist(middle(face), middle(fresh)) / fresh.box[2]
            assert apart <= FOLLOW_SHARE
