"""What a stream makes of dead, missing and odd input, and of who reads it late."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import edge_affect as ea
from edge_affect.clock import NS_PER_S, SystemClock
from edge_affect.testing import FakeModel, ScriptedSource, camera_script, make_frame
from edge_affect.types import AudioChunk, HealthState
from tests.fakes.streams import clip, run


def test_stream_lets_a_frozen_camera_fade_to_nothing() -> None:
    """One picture again and again ages as if it were gone, and values go with it."""
    still = make_frame(0, 0).data
    script = [
        (t_ns, replace(make_frame(k, t_ns), data=still))
        for k, t_ns in enumerate(round(k * NS_PER_S / 30) for k in range(60))
    ]
    estimates = run(script)
    assert estimates[2].valence is not None
    last = [e for e in estimates if e.index >= 20]
    assert {e.health.face for e in last} == {HealthState.LOST}
    assert all("frozen" in e.health.reasons and e.valence is None for e in last)


def test_stream_tells_a_frozen_slow_camera_within_the_stale_limit() -> None:
    """Ten frames a second that repeat are frozen at 200 ms, not at half a second."""
    still = make_frame(0, 0).data
    times = [k * NS_PER_S // 10 for k in range(5)]
    frames = [replace(make_frame(k, t_ns), data=still) for k, t_ns in enumerate(times)]
    estimates = run([(f.t_arrival_ns, f) for f in frames])
    frozen = [e.t_ns for e in estimates if "frozen" in e.health.reasons]
    assert frozen[0] == NS_PER_S // 5


def test_stream_never_fuses_sound_that_no_microphone_makes() -> None:
    """Digital silence and a stuck sample are stale, and carry nothing."""
    script = [
        (due_ns, replace(item, samples=np.full_like(item.samples, 0.25)))
        if isinstance(item, AudioChunk)
        else (due_ns, item)
        for due_ns, item in clip(2)
    ]
    estimates = [e for e in run(script) if e.hop is not None]
    assert len(estimates) > 30
    assert {e.health.voice for e in estimates} == {HealthState.STALE}
    assert all("silent" in e.health.reasons for e in estimates)


@pytest.mark.parametrize(("share", "told"), [(0.05, True), (0.005, False)])
def test_stream_lowers_a_voice_that_is_cut_off(
    share: float,
    told: bool,  # noqa: FBT001 - a parameter
) -> None:
    """A hundredth of the samples at full scale is told within half a second."""
    random = np.random.default_rng(3)

    def loud(item: AudioChunk) -> AudioChunk:
        samples = random.uniform(-0.5, 0.5, len(item.samples)).astype(np.float32)
        samples[random.random(len(samples)) < share] = -1
        return replace(item, samples=samples)

    script = [
        (due_ns, loud(item) if isinstance(item, AudioChunk) else item)
        for due_ns, item in clip(2)
    ]
    estimates = [e for e in run(script) if e.t_ns >= NS_PER_S // 2]
    expected = HealthState.DEGRADED if told else HealthState.OK
    assert {e.health.voice for e in estimates} == {expected}
    assert all(("clipped" in e.health.reasons) == told for e in estimates)


def test_stream_begins_the_voice_anew_where_chunks_are_missing() -> None:
    """Lost chunks are never bridged, however short the gap."""
    script = [
        entry
        for entry in clip(2, chunk_samples=320)
        if not (isinstance(entry[1], AudioChunk) and 40 <= entry[1].index < 44)
    ]
    hops = [e.hop for e in run(script)]
    whole = [e.hop for e in run(clip(2, chunk_samples=320))]
    assert max(h for h in hops if h is not None) < max(
        h for h in whole if h is not None
    )


@pytest.mark.parametrize("face_at_once", [True, False])
def test_stream_forgets_affect_over_a_gap_in_the_pictures(
    face_at_once: bool,  # noqa: FBT001 - a parameter
) -> None:
    """After a second without pictures estimates are those of a fresh stream."""
    black = np.zeros((48, 64, 3), np.uint8)
    gap = [make_frame(k, round((k + 60) * NS_PER_S / 30)) for k in range(30, 60)]
    if not face_at_once:
        gap[0] = replace(gap[0], data=black)
    before = list(camera_script(1))
    again = run([*before, *((f.t_arrival_ns, f) for f in gap)])
    fresh = run([(f.t_arrival_ns, f) for f in gap])
    assert [e.valence for e in again[-20:]] == [e.valence for e in fresh[-20:]]


def test_stream_accounts_for_a_frame_that_came_while_stopping() -> None:
    """Captured is processed plus dropped after a stop in the middle of a read."""
    endless = ScriptedSource(camera_script(60), clock=SystemClock())
    stream = ea.AffectStream(endless, purpose="research", model=FakeModel())
    with stream:
        for estimate in stream:
            if estimate.index == 6:
                break
    stats = stream.stats
    assert stats.captured == stats.processed + sum(stats.dropped.values())


def test_stream_tells_estimates_that_nobody_read() -> None:
    """A slow consumer's losses are in the estimates that follow."""
    config = ea.StreamConfig("research", queue_capacity=2)
    source = ScriptedSource(camera_script(1), clock=SystemClock())
    with ea.AffectStream(source, config=config, model=FakeModel()) as stream:
        SystemClock().sleep_until(SystemClock().now_ns() + NS_PER_S // 2)
        last = list(stream)[-1]
    assert last.dropped["consumer"] > 0


def test_stream_raises_an_unread_fault_when_it_is_left() -> None:
    """Who only looks at ``latest`` still hears of the fault that ended the stream."""
    bad = replace(make_frame(3, NS_PER_S // 10), data=np.zeros((4, 4), np.float64))
    script = [(NS_PER_S // 10, bad)]
    source = ScriptedSource(script, clock=SystemClock())
    stream = ea.AffectStream(source, purpose="research", model=FakeModel())
    with pytest.raises(ea.UsageError, match="float64"), stream:
        SystemClock().sleep_until(SystemClock().now_ns() + NS_PER_S // 2)


def test_stream_leaves_out_a_jump_of_a_files_time_stamps() -> None:
    """An hour between two frames is skipped, not filled with a hundred thousand."""
    later_ns = 3_600 * NS_PER_S
    script = [(0, make_frame(0, 0)), (later_ns, make_frame(1, later_ns))]
    estimates = run(script)
    assert len(estimates) == 2
    assert estimates[1].t_ns == later_ns


def test_stream_says_that_the_light_is_not_what_the_bundle_knows() -> None:
    """An infra-red mount on a bundle for visible light is noted."""
    mount = ea.CameraMount(spectrum="near_infrared")
    stream = ea.AffectStream(ScriptedSource([]), model=FakeModel(), mount=mount)
    assert "near_infrared light is unproven" in stream.info.notes[0]


def test_analyze_refuses_a_live_source_at_once() -> None:
    """A camera is not a file, and is not opened to find out."""
    source = ScriptedSource(camera_script(1), clock=SystemClock())
    with pytest.raises(ea.UsageError, match="is live"):
        ea.analyze(source, purpose="research", model=FakeModel())
    assert source.opened == 0


def test_stream_heeds_a_stop_while_its_camera_opens() -> None:
    """A stop before the threads exist still ends the stream."""
    source = ScriptedSource(camera_script(60), clock=SystemClock())
    stream = ea.AffectStream(source, purpose="research", model=FakeModel())
    stream.stop()
    with stream:
        assert len(list(stream)) < 30
