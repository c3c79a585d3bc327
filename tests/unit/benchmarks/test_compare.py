from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import compare
from benchmarks.accuracy import Examples
from benchmarks.compare import measure_differences
from benchmarks.progress import Progress
from benchmarks.records import Key, Record
from benchmarks.split import Floats, Split
from benchmarks.subject import Subject
from edge_affect.commands.terminal import Terminal
from training.metrics import bootstrap

RIGHT = {"new": np.arange(40) % 4 > 0, "old": np.arange(40) % 5 > 0}
"""Which of 40 pictures each model reads rightly: 30 and 32."""


def _measure(
    subject: Subject,
    examples: Examples,
    progress: Progress,
    drawn: dict[Key, Floats],
) -> list[Record]:
    """Stand for the whole measurement: one figure of pictures, one of two speakers."""
    right = RIGHT[subject.target]
    split = Split(subject, "ferplus", "valid", "face", None, drawn)
    records = split.over_pictures(
        "expression", "accuracy", lambda pick: float(right[pick].mean()), 40
    )
    heard = replace(split, set="emodb", stage="voice")
    records += heard.over_units(
        "voice", "uar", lambda pick: float(right[pick].mean()), ["a"] * 20 + ["b"] * 20
    )
    return records


@pytest.fixture
def differences(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """Return the differences of two subjects that are told apart by their target."""
    monkeypatch.setattr(compare, "measure_accuracy", _measure)
    new, old = replace(subject, target="new"), replace(subject, target="old")
    progress = Progress(Terminal(io.StringIO(), {}))
    records = measure_differences(new, old, Examples(Path()), progress)
    return [record for record in records if record.against is not None]


def test_a_difference_is_paired_over_the_same_pictures(
    differences: list[Record],
) -> None:
    """30 of 40 against 32 of 40; the interval is that of the paired bootstrap."""
    (paired,) = [record for record in differences if record.set == "ferplus"]
    gap = RIGHT["new"].astype(float) - RIGHT["old"].astype(float)
    expected = bootstrap(lambda pick: float(gap[pick].mean()), 40)
    assert paired.value == pytest.approx(-0.05)
    assert (paired.low, paired.high) == pytest.approx((expected.low, expected.high))
    assert paired.target == "new"
    assert paired.against is not None
    assert paired.against.endswith(" old")


def test_two_speakers_give_differences_without_an_interval(
    differences: list[Record],
) -> None:
    """Each speaker's own difference follows, as the figures do."""
    voices = [record for record in differences if record.set == "emodb"]
    assert [record.split for record in voices] == ["valid", "valid/a", "valid/b"]
    assert all(record.low is None for record in voices)
