"""Optical flow of a face: light does not matter, but what is seen does."""

from __future__ import annotations

import numpy as np
import pytest

from edge_affect.sensing.flow import View, follow
from edge_affect.sensing.locator import search_picture
from edge_affect.types import Face, Frame
from tests.fakes.faces import frame_with_faces

START = (300.0, 240.0, 150.0)
FACE = Face((225.0, 165.0, 150.0, 150.0), 0.9)

STILL_PX = 0.2
"""Pixels of the frame: the flow of what does not move."""


def view(frame: Frame) -> View:
    """Return the frame as the flow sees it."""
    return View(*search_picture(frame, channels=1))


@pytest.fixture
def before() -> View:
    """Return a view of the face."""
    return view(frame_with_faces(START))


def test_follow_keeps_what_stands_still(before: View) -> None:
    """The same frame twice moves nothing and lowers nothing."""
    face = follow(FACE, before, before)
    assert face is not None
    assert face.box == pytest.approx(FACE.box, abs=STILL_PX)
    assert face.score == pytest.approx(FACE.score)
    assert face.points is None


@pytest.mark.parametrize(("gain", "offset"), [(0.5, 0), (0.7, 0), (1.0, 40), (0.6, 90)])
def test_follow_does_not_mind_light(before: View, gain: float, offset: float) -> None:
    """A darker, lighter or hazier picture of the same face is the same face."""
    lit = View((before.grey * gain + offset).astype(np.uint8), before.scale)
    face = follow(FACE, before, lit)
    assert face is not None
    assert face.box == pytest.approx(FACE.box, abs=4 * STILL_PX)


def test_follow_lowers_the_score_of_a_changing_face(before: View) -> None:
    """A hand before the chin leaves less likeness."""
    grey = before.grey.copy()
    grey[148:165, 120:180] = 30
    face = follow(FACE, before, View(grey, before.scale))
    assert face is not None
    assert face.score < 0.99 * FACE.score


@pytest.mark.parametrize("top_px", [126, 146])
def test_follow_lets_go_of_a_covered_face(before: View, top_px: int) -> None:
    """Little is left to follow, or what is left looks different."""
    grey = before.grey.copy()
    grey[top_px:190, 80:220] = 0
    assert follow(FACE, before, View(grey, before.scale)) is None


def test_follow_lets_go_of_what_grows_too_fast(before: View) -> None:
    """No face is a quarter larger from one frame to the next."""
    x, y, width = START
    grown = view(frame_with_faces((x, y, 1.25 * width)))
    assert follow(FACE, before, grown) is None


def test_follow_lets_go_of_an_even_picture(before: View) -> None:
    """Where there is nothing to see nothing is followed."""
    even = View(np.full_like(before.grey, 90), before.scale)
    assert follow(FACE, before, even) is None
    assert follow(FACE, even, even) is None


def test_follow_takes_a_face_at_the_edge(before: View) -> None:
    """A face that is partly outside of the frame is followed too."""
    first, second = (view(frame_with_faces((x, 240.0, 150.0))) for x in (30.0, 36.0))
    face = follow(Face((-45.0, 165.0, 150.0, 150.0), 0.9), first, second)
    assert face is not None
    assert face.box[0] == pytest.approx(-39, abs=3)
