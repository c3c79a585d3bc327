"""The shipped bundle in a stream: causal, cut-proof and replayable to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

import edge_affect as ea
from edge_affect.clock import NS_PER_S, SystemClock
from edge_affect.sinks.jsonl import read_record
from edge_affect.sources.base import iterate
from edge_affect.sources.simulated import SimulatedSource
from edge_affect.testing import ScriptedSource
from edge_affect.types import SAMPLE_RATE_HZ, AudioChunk, Estimate, Frame

SECONDS = 2.0
VALUES = (
    "valence",
    "arousal",
    "valence_std",
    "arousal_std",
    "valence_ahead",
    "arousal_ahead",
    "expression",
    "confidence",
    "health",
    "held",
    "frame",
    "hop",
)
"""What depends on the input alone; age and drops belong to the run."""
Items = Sequence[Frame | AudioChunk]


@lru_cache(maxsize=1)
def model() -> ea.AffectModel:
    """Load the shipped bundle once."""
    return ea.AffectModel.load(purpose="research")


@lru_cache(maxsize=1)
def drive() -> Items:
    """Film two seconds of the simulated driver, in order of arrival."""
    with SimulatedSource(seed=3, duration_s=SECONDS) as source:
        return list(iterate(source, 0))


def scripted(items: Items, *, live: bool = False) -> ScriptedSource:
    """Return a source of ``items``; live: as they arrived."""
    first_ns = items[0].t_arrival_ns
    script = [(item.t_arrival_ns - first_ns, item) for item in items]
    return ScriptedSource(script, clock=SystemClock() if live else None)


def analyse(items: Items) -> list[Estimate]:
    """Return the estimates of ``items``."""
    return list(ea.analyze(scripted(items), purpose="research", model=model()))


def values(estimates: Sequence[Estimate]) -> list[tuple[object, ...]]:
    """Return what depends on the input alone."""
    return [tuple(getattr(e, name) for name in VALUES) for e in estimates]


@pytest.mark.parametrize("cut_s", [0.6, 1.4])
def test_shipped_stream_is_causal_to_the_bit(cut_s: float) -> None:
    """Noise in place of all that comes later changes nothing up to the cut."""
    random = np.random.default_rng(5)
    cut_ns = drive()[0].t_capture_ns + int(cut_s * NS_PER_S)

    def poisoned(item: Frame | AudioChunk) -> Frame | AudioChunk:
        if item.t_capture_ns <= cut_ns:
            return item
        if isinstance(item, AudioChunk):
            noise = random.uniform(-1, 1, len(item.samples)).astype(np.float32)
            return replace(item, samples=noise)
        return replace(item, data=random.integers(0, 255, item.data.shape, np.uint8))

    clean, dirty = analyse(drive()), analyse([poisoned(item) for item in drive()])
    early = sum(e.t_ns <= cut_ns for e in clean)
    assert early >= cut_s * 30 - 1
    assert values(clean[:early]) == values(dirty[:early])
    assert values(clean) != values(dirty)


@pytest.mark.parametrize("chunk_samples", [160, 333, 1_600])
def test_shipped_stream_does_not_depend_on_how_sound_is_cut(chunk_samples: int) -> None:
    """The same sound in other chunks gives the same bits in every cell."""
    chunks = [item for item in drive() if isinstance(item, AudioChunk)]
    sound = np.concatenate([chunk.samples for chunk in chunks])
    start_ns = chunks[0].t_capture_ns
    items: list[Frame | AudioChunk] = [i for i in drive() if isinstance(i, Frame)]
    for index, first in enumerate(range(0, len(sound), chunk_samples)):
        part = sound[first : first + chunk_samples]
        t_ns = start_ns + first * NS_PER_S // SAMPLE_RATE_HZ
        end_ns = start_ns + (first + len(part)) * NS_PER_S // SAMPLE_RATE_HZ
        items.append(AudioChunk(part, t_ns, end_ns, index))
    items.sort(key=lambda item: item.t_arrival_ns)
    assert values(analyse(items)) == values(analyse(drive()))


def test_shipped_stream_replays_a_live_run_to_the_bit(tmp_path: Path) -> None:
    """Live with real threads, then from its record: whatever was dropped, the same."""
    record = tmp_path / "run.jsonl"
    stream = ea.AffectStream(
        scripted(drive(), live=True), model=model(), sinks=[ea.JsonlSink(record)]
    )
    with stream:
        live = list(stream)
    decisions = [ea.Decision.of(line) for line in read_record(record)[1]]
    with scripted(drive()) as again:
        config = ea.StreamConfig("research")
        replayed = list(ea.replay(again, decisions, model=model(), config=config))
    assert len(live) >= 55
    assert values(replayed) == values(live)
