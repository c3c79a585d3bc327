"""The stream's promises over the shipped bundle and the simulated driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edge_affect as ea
from edge_affect import bundles
from edge_affect.clock import NS_PER_S, SystemClock
from edge_affect.model.bundle import shipped_folder
from edge_affect.sinks.base import RunHeader
from edge_affect.sinks.jsonl import read_record
from edge_affect.sources.base import iterate
from edge_affect.sources.simulated import SimulatedSource
from edge_affect.testing import ScriptedSource
from edge_affect.types import SAMPLE_RATE_HZ, AudioChunk, Estimate, Frame

pytestmark = pytest.mark.skipif(
    not shipped_folder(bundles.DEFAULT).is_dir(), reason="no bundle is shipped"
)

Item = Frame | AudioChunk
Items = Sequence[Item]

CONFIG = ea.StreamConfig("research")
SECONDS = 2.5
SLOW_CAMERA_NS = 100_000_000
"""How much later frames arrive, so that sound taken after them is there before."""
START_NS = NS_PER_S
"""When the simulated driver's first frame and sample are taken."""
HOP_SAMPLES = 1_600
VALUES = (
    "index",
    "t_ms",
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
"""What a step decides; when it was ready and what was lost belong to the run."""


class Recorder:
    """A sink that keeps every estimate, however slow the consumer."""

    def __init__(self) -> None:
        self.estimates: list[Estimate] = []

    def open(self, header: RunHeader) -> None:
        pass

    def write(self, estimate: Estimate) -> None:
        self.estimates.append(estimate)

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def model() -> Iterator[ea.AffectModel]:
    """Load the shipped bundle."""
    loaded = ea.AffectModel.load(purpose="research")
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def items() -> Items:
    """Return what the simulated driver's camera and microphone deliver."""
    with SimulatedSource(seed=3, duration_s=SECONDS) as source:
        return list(iterate(source, 0))


def as_source(items: Items, clock: SystemClock | None = None) -> ScriptedSource:
    """Return a source that delivers ``items``; live where there is a clock."""
    start_ns = 0 if clock is None else START_NS
    script = [(item.t_arrival_ns - start_ns, item) for item in items]
    return ScriptedSource(script, clock=clock)


def analyze(items: Items, model: ea.AffectModel) -> list[Estimate]:
    """Return the estimates of ``items``, read as fast as it goes."""
    return list(ea.analyze(as_source(items), purpose="research", model=model))


def replay(
    items: Items, decisions: Sequence[ea.Decision], model: ea.AffectModel
) -> list[Estimate]:
    """Return the estimates of ``items`` under another run's decisions."""
    with as_source(items) as source:
        return list(ea.replay(source, decisions, model=model, config=CONFIG))


def values(estimates: Sequence[Estimate]) -> list[tuple[object, ...]]:
    """Return what the steps decided."""
    return [tuple(getattr(e, name) for name in VALUES) for e in estimates]


def poisoned(items: Items, cut_ns: int) -> Items:
    """Return ``items`` with noise for every pixel and sample taken after a cut."""
    random = np.random.default_rng(11)

    def poison(item: Item) -> Item:
        if isinstance(item, Frame):
            if item.t_capture_ns <= cut_ns:
                return item
            pixels = random.integers(0, 256, item.data.shape, np.uint8)
            return replace(item, data=pixels)
        count = len(item.samples)
        steps_ns = np.arange(count) * NS_PER_S // SAMPLE_RATE_HZ
        noise = random.uniform(-1, 1, count).astype(np.float32)
        late = item.t_capture_ns + steps_ns > cut_ns
        return replace(item, samples=np.where(late, noise, item.samples))

    return [poison(item) for item in items]


def behind_sound(items: Items) -> Items:
    """Return ``items`` as a slow camera delivers them."""
    late = [
        replace(item, t_arrival_ns=item.t_arrival_ns + SLOW_CAMERA_NS)
        if isinstance(item, Frame)
        else item
        for item in items
    ]
    return sorted(late, key=lambda item: item.t_arrival_ns)


def recut(items: Items, chunk_samples: int) -> Items:
    """Return ``items`` with the same sound in chunks of another length."""
    frames = [item for item in items if isinstance(item, Frame)]
    sound = np.concatenate([i.samples for i in items if isinstance(i, AudioChunk)])
    chunks = []
    for index, first in enumerate(range(0, len(sound), chunk_samples)):
        samples = sound[first : first + chunk_samples]
        last = first + len(samples) - 1
        chunks.append(
            AudioChunk(samples, sample_ns(first), sample_ns(last), index=index)
        )
    # Sound before a frame of the same time, as the simulated driver has it.
    return sorted([*chunks, *frames], key=lambda item: item.t_arrival_ns)


def sample_ns(number: int) -> int:
    """Return when the driver's sample ``number`` was taken."""
    return START_NS + number * NS_PER_S // SAMPLE_RATE_HZ


@pytest.mark.parametrize("cut_s", [0.9, 1.703])
def test_shipped_stream_is_causal_to_the_bit(
    cut_s: float, items: Items, model: ea.AffectModel
) -> None:
    """Noise after an instant changes no estimate up to it, and later ones."""
    cut_ns = START_NS + round(cut_s * NS_PER_S)
    items = behind_sound(items)
    clean = analyze(items, model)
    dirty = analyze(poisoned(items, cut_ns), model)
    up_to = sum(e.t_ns <= cut_ns for e in clean)
    assert up_to >= 25
    assert clean[up_to - 1].valence is not None
    assert clean[up_to - 1].hop is not None
    assert clean[:up_to] == dirty[:up_to]
    assert all(a != b for a, b in zip(clean[up_to:], dirty[up_to:], strict=True))


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param(lambda item: isinstance(item, Frame), id="pixels"),
        pytest.param(lambda item: isinstance(item, AudioChunk), id="sound"),
    ],
)
def test_shipped_stream_depends_on_what_it_sees_and_hears(
    poison: Callable[[Item], bool], items: Items, model: ea.AffectModel
) -> None:
    """Noise in either modality alone changes values, so the cuts above see both."""
    noise = poisoned(items, START_NS)
    mixed = [b if poison(a) else a for a, b in zip(items, noise, strict=True)]
    assert values(analyze(mixed, model)) != values(analyze(items, model))


@pytest.mark.parametrize("chunk_samples", [1, 160, 333, HOP_SAMPLES])
def test_shipped_stream_does_not_depend_on_how_sound_is_cut(
    chunk_samples: int, items: Items, model: ea.AffectModel
) -> None:
    """Chunks of up to a hop reach every cell in time, with the same values."""
    estimates = analyze(recut(items, chunk_samples), model)
    reference = analyze(items, model)
    assert sum(e.hop is not None for e in reference) > len(reference) / 2
    assert [e.hop for e in estimates] == [e.hop for e in reference]
    assert values(estimates) == values(reference)


@pytest.mark.parametrize("chunk_samples", [1_601, 4_799, 4_800])
def test_shipped_stream_hears_the_same_hops_in_long_chunks(
    chunk_samples: int, items: Items, model: ea.AffectModel
) -> None:
    """Chunks too long to be in time hold the same hops, as a replay of them shows."""
    reference = analyze(items, model)
    decisions = [ea.Decision.of(e) for e in reference]
    again = replay(recut(items, chunk_samples), decisions, model)
    assert values(again) == values(reference)


def test_shipped_stream_live_replays_to_the_bit(
    items: Items, model: ea.AffectModel, tmp_path: Path
) -> None:
    """A run with real threads, again from its record: the same, however slow it was."""
    record, sink = tmp_path / "run.jsonl", Recorder()
    source = as_source(items, SystemClock())
    with ea.AffectStream(
        source, model=model, config=CONFIG, sinks=[ea.JsonlSink(record), sink]
    ) as stream:
        assert list(stream)
    decisions = [ea.Decision.of(line) for line in read_record(record)[1]]
    assert any(d.frame is not None for d in decisions)
    replayed = replay(items, decisions, model)
    assert values(replayed) == values(sink.estimates)


def test_shipped_stream_offline_replays_to_the_bit(
    items: Items, model: ea.AffectModel
) -> None:
    """The decisions of an analysis give its values again."""
    offline = analyze(items, model)
    decisions = [ea.Decision.of(e) for e in offline]
    assert values(replay(items, decisions, model)) == values(offline)
