"""Changes of health and service are told once each, in order, and never lost unsaid."""

from __future__ import annotations

import edge_affect as ea
from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.events import CAPACITY, EVENTS_LOST, EventLog
from edge_affect.testing import FakeModel, ScriptedSource
from edge_affect.types import Estimate, Health, HealthState
from tests.fakes.streams import clip


def estimate(index: int, face: HealthState, rung: int = 0) -> Estimate:
    """Return an estimate without values."""
    return Estimate(
        index=index,
        t_ns=index * NS_PER_S // 30,
        t_ms=index * 1_000 / 30,
        age_ms=0,
        held=False,
        rung=rung,
        health=Health(face, HealthState.LOST, ("no_face",) if index else ()),
    )


def test_each_change_is_told_once_with_its_reasons() -> None:
    """Nothing is told of an estimate like the one before."""
    log = EventLog()
    log.see(estimate(0, HealthState.OK))
    log.see(estimate(1, HealthState.OK))
    log.see(estimate(2, HealthState.STALE, rung=1))
    events = [(e.index, e.what, e.before, e.after, e.reasons) for e in log.take()]
    assert events == [
        (0, "face", "lost", "ok", ()),
        (2, "face", "ok", "stale", ("no_face",)),
        (2, "service", "full", "detect_less", ("no_face",)),
    ]
    assert log.take() == ()


def test_events_that_nobody_took_are_counted() -> None:
    """The first event taken after an overflow says how many were lost."""
    log = EventLog()
    states = (HealthState.OK, HealthState.LOST)
    for index in range(CAPACITY + 7):
        log.see(estimate(index, states[index % 2]))
    gap, *rest = log.take()
    assert (gap.what, gap.after, gap.index) == (EVENTS_LOST, "7", rest[0].index)
    assert [event.index for event in rest] == list(range(7, CAPACITY + 7))
    log.see(estimate(CAPACITY + 7, states[(CAPACITY + 7) % 2]))
    assert [event.what for event in log.take()] == ["face"]


def test_cells_that_were_left_out_and_estimates_that_nobody_read_are_told() -> None:
    """How many cells each time; a consumer that sleeps once."""
    log = EventLog()
    log.see(estimate(0, HealthState.LOST))
    log.see(estimate(31, HealthState.LOST))
    log.see(estimate(32, HealthState.LOST), 4)
    log.see(estimate(33, HealthState.LOST), 5)
    told = [(event.index, event.what, event.after) for event in log.take()]
    assert told == [(31, "skipped", "30"), (32, "unread", "4")]


def test_a_stream_tells_when_its_camera_goes_and_comes_back() -> None:
    """A second without frames: stale, lost, and ok again."""
    gone = range(NS_PER_S, 2 * NS_PER_S)
    script = [
        (t_ns, item)
        for t_ns, item in clip(3)
        if t_ns not in gone or isinstance(item, ea.AudioChunk)
    ]
    source = ScriptedSource(script)
    with ea.AffectStream(source, purpose="research", model=FakeModel()) as stream:
        estimates = list(stream)
        events = stream.take_events()
    changes = [e.after for e in events if e.what == "face"]
    assert changes[0] == "ok"
    assert changes[-3:] == ["stale", "lost", "ok"]
    for event in events:
        health = estimates[event.index].health
        assert event.after in (health.face.value, health.voice.value)
        assert event.reasons == health.reasons
    back = next(e for e in reversed(events) if e.what == "face")
    assert 2_000 <= back.t_ms <= 2_000 + 500
    assert NS_PER_MS * back.t_ms >= 2 * NS_PER_S
