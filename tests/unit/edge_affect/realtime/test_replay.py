"""A recorded live run steps again to the same bits, whatever the machine did."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import edge_affect as ea
from edge_affect.clock import NS_PER_S, SystemClock
from edge_affect.sinks.jsonl import read_record
from edge_affect.testing import (
    FakeModel,
    ScriptedSource,
    camera_script,
    make_chunk,
    make_frame,
)
from edge_affect.types import AudioChunk, Estimate, Frame

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


def clip(seconds: float) -> Script:
    """Return frames at 25 Hz and sound in 20 ms chunks, in order of arrival."""
    script = list(camera_script(seconds, 25))
    for number in range(int(seconds * 50)):
        chunk = make_chunk(number, number * NS_PER_S // 50, 320, level=0.5)
        script.append((chunk.t_arrival_ns, chunk))
    return sorted(script, key=lambda entry: entry[0])


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
            {"index": 0, "frame": 0, "hop": None, "rung": 0, "t_ms": estimate.t_ms}
        )
    )
    assert ea.Decision.of(estimate) == ea.Decision.of(line)
