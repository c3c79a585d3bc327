"""Windows over clips laid end to end."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")

import torch

from edge_affect.errors import DataError
from tests.training.clips import make_clips
from training.clips.tape import Tape

pytestmark = pytest.mark.torch


def test_past_stays_in_its_clip() -> None:
    """Before a clip's start its first frame stands in, and is marked."""
    tape = Tape.join(make_clips(2, 40, fps=(30.0,)))
    rows, inside = tape.past(torch.tensor([3, 43, 79]), (0.1, 0.2))
    assert rows.tolist() == [[0, 0], [40, 40], [76, 73]]
    assert inside.tolist() == [[True, False], [True, False], [True, True]]


def test_past_counts_seconds_at_any_rate() -> None:
    """One third of a second is 10 frames at 30 and 8 at 24."""
    tape = Tape.join(make_clips(2, 40, fps=(30.0, 24.0)))
    rows, _ = tape.past(torch.tensor([30, 70]), (1 / 3,))
    assert rows[:, 0].tolist() == [20, 62]


def test_past_at_least_never_gives_a_younger_frame() -> None:
    """A third of a second at 25 is 8.3 frames: nine back; the nearest is eight."""
    tape = Tape.join(make_clips(2, 40, fps=(25.0, 30.0)))
    rows = torch.tensor([30, 70])
    nearest, _ = tape.past(rows, (1 / 3,))
    older, _ = tape.past(rows, (1 / 3,), at_least=True)
    assert nearest[:, 0].tolist() == [22, 60]
    assert older[:, 0].tolist() == [21, 60]


def test_digest_tells_other_labels_from_the_same() -> None:
    """The same clips have the same digest, one changed label another."""
    one, two = Tape.join(make_clips()), Tape.join(make_clips())
    assert one.digest() == two.digest()
    two.valence_arousal[3, 0] = 0.123
    assert one.digest() != two.digest()


def test_labelled_finds_the_rows_of_a_task() -> None:
    """NaN and -1 are no labels."""
    (clip,) = make_clips(1, 10)
    clip.valence_arousal[2:] = float("nan")
    clip.expression[:9] = -1
    tape = Tape.join([clip])
    assert tape.labelled("VA").tolist() == [0, 1]
    assert tape.labelled("EXPR").tolist() == [9]


def test_label_set_names_the_uni_task_set() -> None:
    """MTL is none of the three."""
    clips = make_clips(2, 5, sets=("AU", "MTL"))
    both = replace(clips[1], label_sets=("EXPR", "MTL"))
    assert Tape.join([*clips, both]).label_set[::5].tolist() == [2, -1, 1]


def test_join_refuses_no_clips() -> None:
    """One line that says what to do."""
    with pytest.raises(DataError, match="validate"):
        Tape.join([])
