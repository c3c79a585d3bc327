"""Keep the driver's face from frame to frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

from edge_affect.sensing.align import Box
from edge_affect.sensing.flow import View, follow
from edge_affect.sensing.locator import Locator
from edge_affect.types import Face, Frame

LEAST_SCORE = 0.1
"""Faces that score less are not taken up, and given up when tracked."""

_NEAR = 0.5
"""A detection is of the tracked face when their middles lie at most this many widths
of the wider one apart."""
_GAIN = 0.5
"""Share of the way that a detection moves the tracked face: half of the detector's
jitter stays out, and drift cannot add up."""
_MISS = 0.6
"""A detection that does not see the tracked face lowers its score by this factor."""
_LARGER = 1.25
"""Another face must be this many times wider to take the place of the tracked one."""


class Tracker(Protocol):
    """Tells where the driver's face is, frame by frame."""

    def reset(self) -> None:
        """Forget the face."""

    def update(self, frame: Frame, detect_every: int, view: View) -> Face | None:
        """Take the next frame and return where the driver's face is in it."""


@dataclass(frozen=True, slots=True)
class _Track:
    """All that is kept from one frame to the next."""

    face: Face
    view: View
    """The frame that ``face`` is in."""
    since: int
    """Frames since the last detection."""


class FaceTracker:
    """Keeps the driver's face of one camera.

    The driver's is the largest face whose middle lies in the region of interest; once
    taken up it gives way only to a clearly larger one. Detected on acquisition and
    every n frames, it is followed by optical flow in between, and detected at once when
    that is unsure. The score is that of the last detection, times the likeness of the
    face from each frame to the next since then; detections that miss the face lower it.
    """

    def __init__(self, locator: Locator, roi: Box = (0.0, 0.0, 1.0, 1.0)) -> None:
        """Start without a face.

        Args:
            locator: Finds faces; used by no one else.
            roi: Left, top, width and height of the region of interest, as shares of
                the picture.
        """
        self._locator = locator
        self._roi = roi
        self.reset()

    def reset(self) -> None:
        """Forget the face."""
        self._track: _Track | None = None

    def update(
        self, frame: Frame, detect_every: int, view: View | None = None
    ) -> Face | None:
        """Take the next frame and return where the driver's face is in it.

        Args:
            frame: The next frame, of any size.
            detect_every: Frames from one detection to the next while a face is held;
                without one, each frame is searched.
            view: The same frame as ``View.of`` it, if it was made already.
        """
        view = view or View.of(frame)
        face, since = None, 0
        if self._track is not None:
            face = follow(self._track.face, self._track.view, view)
            since = self._track.since + 1
        if face is not None and not self._eligible(face, frame):
            face = None
        if face is None or since >= detect_every:
            face, since = self._detect(frame, face), 0
        self._track = None if face is None else _Track(face, view, since)
        return face

    def _detect(self, frame: Frame, tracked: Face | None) -> Face | None:
        """Return the driver's face; ``tracked`` is the one followed to this frame."""
        found = [f for f in self._locator.locate(frame) if self._eligible(f, frame)]
        if tracked is None:
            return max(found, key=_width, default=None)
        near = [face for face in found if _distance(face, tracked) <= _NEAR]
        if near:
            tracked = _corrected(tracked, max(near, key=lambda face: face.score))
        else:
            tracked = replace(tracked, score=tracked.score * _MISS)
        far = [face for face in found if _distance(face, tracked) > _NEAR]
        if tracked.score >= LEAST_SCORE:
            least = _width(tracked) * _LARGER
            far = [tracked, *(face for face in far if _width(face) > least)]
        return max(far, key=_width, default=None)

    def _eligible(self, face: Face, frame: Frame) -> bool:
        x, y = _middle(face)
        left, top, width, height = self._roi
        across = left <= x / frame.width_px <= left + width
        down = top <= y / frame.height_px <= top + height
        return across and down and face.score >= LEAST_SCORE


def _width(face: Face) -> float:
    return face.box[2]


def _middle(face: Face) -> tuple[float, float]:
    left, top, width, height = face.box
    return left + width / 2, top + height / 2


def _distance(one: Face, other: Face) -> float:
    """Return how far apart the middles are, in widths of the wider face."""
    widest = max(_width(one), _width(other))
    return math.dist(_middle(one), _middle(other)) / widest


def _corrected(tracked: Face, seen: Face) -> Face:
    """Return the tracked face moved towards its detection, with that one's score."""
    pairs = zip(tracked.box, seen.box, strict=True)
    left, top, width, height = (old + _GAIN * (new - old) for old, new in pairs)
    points = seen.points
    if points is not None and tracked.points is not None:
        points = tracked.points + _GAIN * (points - tracked.points)
    return Face((left, top, width, height), seen.score, points)
