"""Figures of the speech detector: what is loud, what is made, what is counted."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import speech
from benchmarks.progress import Progress
from benchmarks.split import Split
from benchmarks.subject import Subject
from edge_affect.commands.terminal import Terminal


def test_loud_hops_are_those_near_the_loudest() -> None:
    """A hop 20 dB below the loudest is loud, one 40 dB below or silent is not."""
    levels = np.repeat([0.5, 0.05, 0.005, 0.0], 1600)
    samples = np.append(levels, np.ones(1599)).astype(np.float32)
    assert speech.loud_hops(samples).tolist() == [True, True, False, False]


@pytest.mark.parametrize("count", [0, 1599, 3200])
def test_loud_hops_of_silence_are_none(count: int) -> None:
    """Silence, and less sound than a hop, hold nothing that could be found."""
    assert not speech.loud_hops(np.zeros(count, np.float32)).any()


@pytest.mark.parametrize(("colour", "octave_db"), [("white", 0), ("pink", -3.01)])
def test_make_noise_has_its_level_and_its_colour(
    colour: str, octave_db: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noise is as loud as asked for, and its power falls as its colour's does."""
    monkeypatch.setattr(speech, "NOISE_S", 10.0)
    noise = speech.make_noise(speech.COLOURS[colour], -20.0, 1).astype(np.float64)
    assert np.sqrt((noise**2).mean()) == pytest.approx(0.1, rel=1e-3)
    power = np.abs(np.fft.rfft(noise)) ** 2
    low, high = power[5_000:10_000].mean(), power[10_000:20_000].mean()
    assert 10 * np.log10(high / low) == pytest.approx(octave_db, abs=0.3)


def test_made_noise_is_counted_by_colour(subject: Subject) -> None:
    """The fake takes what is loud for speech: the same part of every colour's hops."""
    split = Split(subject, "made_noise", "test", "voice+speech")
    records = speech.measure_noise(split, Path(), Progress(Terminal(io.StringIO(), {})))
    assert [record.split for record in records] == [
        *("test", "test/brown", "test/pink", "test/white"),
    ]
    assert {record.metric for record in records} == {"ratio"}
    # Two hops at each of the levels, each colour.
    assert [record.n for record in records] == [24, 8, 8, 8]
    assert 0 < records[0].value < 1


def test_bundles_without_the_head_have_no_figure_of_speech(subject: Subject) -> None:
    """Neither sentences nor noise are read for a head that is not there."""
    manifest = replace(subject.manifest, heads={})
    bare = replace(subject, bundle=replace(subject.bundle, manifest=manifest))
    split = Split(bare, "emodb", "valid", "voice+speech")
    progress = Progress(Terminal(io.StringIO(), {}))
    assert speech.measure_speech(split, Path("missing"), progress) == []
    assert speech.measure_noise(split, Path("missing"), progress) == []
