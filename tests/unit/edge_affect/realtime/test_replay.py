"""A recorded live run steps again to the same bits, whatever the machine did."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edge_affect as ea
from edge_affect.clock import NS_PER_MS, NS_PER_S, SimClock, SystemClock
from edge_affect.errors import UsageError
from edge_affect.model.bundle import load_bundle
from edge_affect.realtime import feed as realtime_feed
from edge_affect.realtime.budget import StageTimes
from edge_affect.realtime.health import WOKE
from edge_affect.realtime.loop import LoopTiming, StreamLoop
from edge_affect.realtime.stepper import CellStepper
from edge_affect.runners.choices import Choice, choice_key, save_choice
from edge_affect.sinks.base import RunHeader
from edge_affect.sinks.jsonl import read_record
from edge_affect.testing import (
    CentreLocator,
    FakeModel,
    ScriptedSource,
    make_frame,
)
from edge_affect.types import AudioChunk, Estimate, Frame
from tests.fakes import streams
from tests.fakes.bundles import two_target_bundle

CONFIG = ea.StreamConfig("research")
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
    "t_ms",
)
"""What a replay must give again; age and drops belong to the run."""

Script = Sequence[tuple[int, Frame | AudioChunk | Exception]]


clip = partial(streams.clip, fps=25, chunk_samples=320)


def values(estimates: Sequence[Estimate]) -> list[tuple[object, ...]]:
    """Return what a replay must give again."""
    return [tuple(getattr(e, name) for name in VALUES) for e in estimates]


def test_replay_of_a_live_run_is_equal_to_the_bit(tmp_path: Path) -> None:
    """Live with real threads, then again from its record file: the same values."""
    record = tmp_path / "run.jsonl"
    source = ScriptedSource(clip(2), clock=SystemClock())
    stream = ea.AffectStream(
        source, purpose="research", model=FakeModel(), sinks=[ea.JsonlSink(record)]
    )
    with stream:
        live = list(stream)
    _, lines = read_record(record)
    decisions = [ea.Decision.of(line) for line in lines]
    with ScriptedSource(clip(2)) as again:
        replayed = list(ea.replay(again, decisions, model=FakeModel(), config=CONFIG))
    assert len(live) >= 55
    assert values(replayed) == values(live)


def test_replay_of_a_file_is_what_analysis_gave() -> None:
    """Offline analysis is streaming with a fresh state: its decisions replay it."""
    offline = list(
        ea.analyze(ScriptedSource(clip(2)), purpose="research", model=FakeModel())
    )
    with ScriptedSource(clip(2)) as again:
        replayed = list(
            ea.replay(
                again,
                [ea.Decision.of(e) for e in offline],
                model=FakeModel(),
                config=CONFIG,
            )
        )
    assert values(replayed) == values(offline)


def test_replay_follows_its_decisions_not_its_own() -> None:
    """A record of a run that masked its sound and held cells is followed as it is."""
    offline = ea.analyze(ScriptedSource(clip(1)), purpose="research", model=FakeModel())
    decisions = [ea.Decision(e.index, e.frame, None, e.rung, e.t_ms) for e in offline]
    with ScriptedSource(clip(1)) as again:
        replayed = list(ea.replay(again, decisions, model=FakeModel(), config=CONFIG))
    assert [e.hop for e in replayed] == [None] * len(replayed)


def test_replay_of_a_run_that_began_without_a_frame() -> None:
    """A camera that came late does not make its record useless."""
    times = [1_300_000_000 + k * NS_PER_S // 25 for k in range(25)]
    late = [(t_ns, make_frame(k, t_ns)) for k, t_ns in enumerate(times)]
    source = ScriptedSource(late, clock=SystemClock())
    with ea.AffectStream(source, purpose="research", model=FakeModel()) as stream:
        live = list(stream)
    assert live[0].frame is None
    with ScriptedSource(late) as again:
        decisions = [ea.Decision.of(e) for e in live]
        replayed = list(ea.replay(again, decisions, model=FakeModel(), config=CONFIG))
    assert values(replayed) == values(live)


def test_replay_runs_the_record_s_target_whatever_was_measured_since(
    tmp_path: Path,
) -> None:
    """A record of a measured target replays to the bit once another is measured."""
    folder = two_target_bundle(tmp_path / "two")
    load = partial(ea.AffectModel.load, folder, purpose="research", allow_unsigned=True)
    key = choice_key(load_bundle(folder, allow_unsigned=True).digest)
    save_choice(key, Choice("cpu-int8", "measured here: for this test"))
    model = load()
    model.new_locator = CentreLocator
    sink = ea.JsonlSink(tmp_path / "run.jsonl")
    stream = ea.AffectStream(ScriptedSource(clip(1)), model=model, sinks=[sink])
    assert stream.info.target == "cpu-int8"
    assert stream.info.target_reason == "measured here: for this test"
    with stream:
        seen = list(stream)
    save_choice(key, Choice("cpu-fp32", "measured here: for this test"))
    header, lines = read_record(tmp_path / "run.jsonl")
    decisions = [ea.Decision.of(line) for line in lines]

    def again(model: ea.AffectModel) -> list[Estimate]:
        model.new_locator = CentreLocator
        with ScriptedSource(clip(1)) as source:
            return list(
                ea.replay(source, decisions, model=model, config=CONFIG, header=header)
            )

    assert values(again(load(target=header.target))) == values(seen)
    assert load().target == "cpu-fp32"
    with pytest.raises(UsageError, match=r"AffectModel\.load\(target='cpu-int8'\)"):
        again(load())
    header = replace(header, target="cpu-fp32")
    assert values(again(load())) != values(seen)
    header = replace(header, bundle_digest="0" * 64)
    with pytest.raises(UsageError, match=r"expected tiny 0\.0\.1 with 000000000000"):
        again(load())


class ByHand:
    """A live loop over the fake model in simulated time, as slow as a test wants."""

    def __init__(self) -> None:
        self.clock = SimClock(0)
        self.estimates: list[Estimate] = []
        stepper = CellStepper(FakeModel(), CONFIG, StageTimes(self.clock))
        timing = LoopTiming((30, 1), NS_PER_S // 30, 33 * NS_PER_MS)
        self.loop = StreamLoop(stepper, self.clock, self.estimates.append, timing)

    def run(
        self, script: Script, *, late_ns: int = 0, slept_at_ns: int | None = None
    ) -> list[Estimate]:
        """Take every item ``late_ns`` after its arrival; return all estimates.

        The machine sleeps for ten minutes at ``slept_at_ns``, if that is given.
        """
        for t_ns, item in script:
            if slept_at_ns is not None and t_ns >= slept_at_ns:
                self.clock.suspend(600 * NS_PER_S)
                slept_at_ns = None
            assert not isinstance(item, Exception)
            now_ns = item.t_arrival_ns + late_ns
            if now_ns > self.clock.now_ns():
                self.clock.advance_to(now_ns)
            if isinstance(item, AudioChunk):
                self.loop.hear(item)
                self.loop.wake(self.clock.now_ns())
            elif self.loop.accounts.arrive(item.index):
                self.loop.see(item)
        return self.estimates


def replayed(script: Script, estimates: Sequence[Estimate]) -> list[Estimate]:
    """Return what ``script`` gives under the decisions of a run."""
    decisions = [ea.Decision.of(e) for e in estimates]
    with ScriptedSource(script) as source:
        return list(ea.replay(source, decisions, model=FakeModel(), config=CONFIG))


@settings(max_examples=streams.EXAMPLES)
@given(seed=st.integers(0, 2**32), worst_ms=st.sampled_from((1, 10, 40, 90)))
def test_replay_of_any_run_gives_its_values(seed: int, worst_ms: int) -> None:
    """Whatever was late, left out or masked: the record says so, and that is enough."""
    random = np.random.default_rng(seed)
    fps = float(random.choice((15, 25, 30, 50)))
    script = streams.clip(1, fps=fps, chunk_samples=int(random.integers(80, 2_000)))
    late_ms = random.uniform(0, worst_ms, len(script)) * (random.random() < 0.8)
    latest_ns = {Frame: 0, AudioChunk: 0}  # a source gives its items in order
    arrived: list[tuple[int, Frame | AudioChunk]] = []
    for (_, item), by_ms in zip(script, late_ms, strict=True):
        assert not isinstance(item, Exception)
        due_ns = item.t_arrival_ns + round(by_ms * NS_PER_MS)
        due_ns = latest_ns[type(item)] = max(due_ns, latest_ns[type(item)])
        arrived.append((due_ns, replace(item, t_arrival_ns=due_ns)))
    arrived.sort(key=lambda entry: entry[0])
    live = ByHand().run(arrived)
    assert values(replayed(script, live)) == values(live)


@pytest.mark.parametrize("lead_s", [3, 5])
def test_replay_of_sound_that_began_long_before_the_pictures(lead_s: int) -> None:
    """Every hop that a held cell used is heard again, however long the lead."""
    lead_ns = lead_s * NS_PER_S
    script = [
        (due_ns, item)
        for due_ns, item in clip(lead_s + 0.5)
        if isinstance(item, AudioChunk) or item.t_capture_ns >= lead_ns  # type: ignore[union-attr]
    ]
    live = ByHand().run(script)
    hops = [e.hop for e in live if e.frame is None and e.hop is not None]
    assert {e.frame is None for e in live} == {True, False}
    assert set(hops) >= set(range(10 * lead_s - 2))
    assert values(replayed(script, live)) == values(live)


def test_a_machine_that_slept_begins_anew_and_its_record_says_so() -> None:
    """Its monotonic clock stood still, so neither frames nor sound tell of a gap."""
    awake = ByHand().run(clip(2))
    slept = ByHand().run(clip(2), slept_at_ns=NS_PER_S)
    told = [e.index for e in slept if WOKE in e.health.reasons]
    assert told == [30]
    assert values(slept)[:30] == values(awake)[:30]
    assert slept[30].valence != awake[30].valence
    assert values(replayed(clip(2), slept)) == values(slept)


@pytest.mark.parametrize("phase", [0, 1])
def test_replay_of_a_run_that_went_down_the_ladder(phase: int) -> None:
    """Which frames a rung left out is in the record, whatever cells they came to."""
    times = [(2 * k + phase * (k > 0)) * NS_PER_S // 30 for k in range(60)]
    frames = [make_frame(k, t_ns) for k, t_ns in enumerate(times)]
    script = [(f.t_arrival_ns, f) for f in frames]
    live = ByHand().run(script, late_ns=34 * NS_PER_MS)
    assert {e.rung for e in live} >= {0, 1, 2, 3, 4}
    assert all(e.age_ms >= 0 for e in live)
    assert values(replayed(script, live)) == values(live)


def test_replay_of_a_run_that_lost_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks that a full ring pushed out are in the record and not heard again."""
    monkeypatch.setattr(realtime_feed, "_RING_SAMPLES", 3_200)

    class Stall:
        in_loop = True

        def open(self, header: RunHeader) -> None:
            pass

        def write(self, estimate: Estimate) -> None:
            if estimate.index == 20:
                SystemClock().sleep_until(SystemClock().now_ns() + NS_PER_S // 2)

        def close(self) -> None:
            pass

    source = ScriptedSource(clip(2.5), clock=SystemClock())
    stream = ea.AffectStream(
        source, purpose="research", model=FakeModel(), sinks=[Stall()]
    )
    with stream:
        live = list(stream)
    lost = [run for e in live for run in e.lost_chunks]
    count = sum(last - first + 1 for first, last in lost)
    assert 5 < count <= stream.stats.lost_samples / 320
    assert any(e.hop is not None and e.index > 40 for e in live)
    assert values(replayed(clip(2.5), live)) == values(live)


def test_replay_refuses_sound_in_chunks_too_long_for_its_hops() -> None:
    """A hop that is passed over is named, not masked."""
    script = clip(5)
    live = ByHand().run(script)
    sound = np.concatenate([i.samples for _, i in script if isinstance(i, AudioChunk)])
    whole = AudioChunk(sound, 0, 0, 0)
    frames = [entry for entry in script if isinstance(entry[1], Frame)]
    with pytest.raises(ea.DataError, match="voice hop 0"):
        replayed([(0, whole), *frames], live)


def test_replay_names_a_frame_that_the_recording_lacks() -> None:
    """The wrong recording is refused with what is missing."""
    decisions = [
        ea.Decision(0, 0, None, 0, 16.7),
        ea.Decision(1, 500, None, 0, 50.0),
    ]
    with (
        ScriptedSource(clip(1)) as again,
        pytest.raises(ea.DataError, match="frame 500"),
    ):
        list(ea.replay(again, decisions, model=FakeModel(), config=CONFIG))


def test_decision_reads_estimates_and_record_lines_alike() -> None:
    """A decision from an estimate is the one from its JSON line."""
    estimate = next(
        ea.analyze(ScriptedSource(clip(1)), purpose="research", model=FakeModel())
    )
    line = json.loads(
        json.dumps(
            {
                "index": 0,
                "frame": 0,
                "hop": None,
                "rung": 0,
                "t_ms": estimate.t_ms,
                "health": {"reasons": []},
            }
        )
    )
    assert ea.Decision.of(estimate) == ea.Decision.of(line)
    lost = ea.Decision.of({**line, "lost_chunks": [[3, 5], [9, 9]]})
    assert lost.lost_chunks == ((3, 5), (9, 9))
