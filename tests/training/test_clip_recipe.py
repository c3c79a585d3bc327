"""What recipes on clips share before they train."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")

from edge_affect.errors import DataError
from tests.training.clips import make_clips
from training.clips.recipe import refuse_overlap
from training.clips.tape import Tape

pytestmark = pytest.mark.torch


def _tape(*names: str) -> Tape:
    clips = make_clips(len(names), 5)
    named = [replace(c, name=n) for c, n in zip(clips, names, strict=True)]
    return Tape.join(named)


def test_a_video_in_both_parts_is_refused() -> None:
    """Under another subject's name too: it is the same recording."""
    with pytest.raises(DataError, match="video drive7: got it in the training part"):
        refuse_overlap(_tape("drive1", "drive7_left"), _tape("drive7_right", "drive9"))


def test_parts_of_other_videos_are_taken() -> None:
    """Names that only begin alike are other videos."""
    refuse_overlap(_tape("drive1", "drive7"), _tape("drive77", "drive11"))
