"""The stream's life, its two ways of running, and what its estimates depend on."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import edge_affect as ea
from edge_affect.clock import NS_PER_S, SystemClock
from edge_affect.sinks.base import RunHeader
from edge_affect.testing import (
    FakeModel,
    ScriptedSource,
    camera_script,
    device_lost,
    make_chunk,
    make_frame,
)
from edge_affect.types import AudioChunk, Estimate, Frame, HealthState

Script = Sequence[tuple[int, Frame | AudioChunk | Exception]]


def clip(seconds: float, *, fps: float = 30, chunk_samples: int = 1_600) -> Script:
    """Return frames and steady sound, in order of arrival."""
    script = list(camera_script(seconds, fps))
    chunk_ns = chunk_samples * NS_PER_S // 16_000
    for number in range(int(seconds * 16_000) // chunk_samples):
        chunk = make_chunk(number, number * chunk_ns, chunk_samples, level=0.5)
        script.append((chunk.t_arrival_ns, chunk))
    return sorted(script, key=lambda entry: entry[0])


def run(script: Script, **settings: object) -> list[Estimate]:
    """Return the estimates of a finite script, read as fast as it goes."""
    model = FakeModel()
    return list(
        ea.analyze(ScriptedSource(script), purpose="research", model=model, **settings)  # type: ignore[arg-type]
    )


class Recorder:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.headers: list[RunHeader] = []
        self.estimates: list[Estimate] = []
        self.closed = 0

    def open(self, header: RunHeader) -> None:
        self.headers.append(header)

    def write(self, estimate: Estimate) -> None:
        self.estimates.append(estimate)

    def close(self) -> None:
        self.closed += 1


def test_stream_gives_thirty_estimates_a_second_with_values_in_range() -> None:
    """A clip of three seconds gives ninety estimates, finite and in range."""
    estimates = run(clip(3, fps=25))
    assert [e.index for e in estimates] == list(range(90))
    assert all(a.t_ns < b.t_ns for a, b in pairwise(estimates))
    for estimate in estimates:
        assert estimate.health.face is HealthState.OK
        assert -1 <= (estimate.valence or 0) <= 1
        assert estimate.expression is not None
        assert math.isclose(sum(estimate.expression.values()), 1, abs_tol=1e-9)
        assert 0 <= (estimate.confidence or 0) <= 1


def test_stream_uses_sound_up_to_the_lag_and_no_more() -> None:
    """Step k uses the newest hop that ended 100 ms before it; early steps have none."""
    estimates = run(clip(2))
    for estimate in estimates:
        expected = math.floor((estimate.t_ns / NS_PER_S - 0.1) / 0.1 + 1e-6) - 1
        assert estimate.hop == (expected if expected >= 0 else None)


def test_stream_needs_a_purpose() -> None:
    """Without a purpose nothing is made, and the message names the four."""
    with pytest.raises(ea.PurposeError, match=r"private_vehicle.*fleet"):
        ea.AffectStream(ScriptedSource([]))


def test_stream_takes_the_purpose_of_its_model() -> None:
    """A shared model was loaded for one purpose, which need not be said again."""
    stream = ea.AffectStream(ScriptedSource([]), model=FakeModel("private_vehicle"))
    assert stream.info.purpose == "private_vehicle"


def test_stream_refuses_settings_that_are_given_twice() -> None:
    """A purpose beside a config, or a bundle beside a model, is never dropped."""
    config = ea.StreamConfig("research")
    with pytest.raises(ea.UsageError, match="purpose: was given beside config"):
        ea.AffectStream(ScriptedSource([]), purpose="fleet", config=config)
    with pytest.raises(ea.UsageError, match="bundle: was given beside model"):
        ea.AffectStream(ScriptedSource([]), model=FakeModel(), bundle="other")


def test_stream_refuses_a_model_loaded_for_another_purpose() -> None:
    """A shared model cannot smuggle another purpose in."""
    with pytest.raises(ea.UsageError, match="one model per purpose"):
        ea.AffectStream(
            ScriptedSource([]), purpose="private_vehicle", model=FakeModel("research")
        )


def test_stream_refuses_iteration_outside_with() -> None:
    """Iterating before opening, and after closing, is an error."""
    stream = ea.AffectStream(
        ScriptedSource(clip(1)), purpose="research", model=FakeModel()
    )
    with pytest.raises(ea.StreamStateError):
        iter(stream)
    with stream:
        assert next(iter(stream)).index == 0
    with pytest.raises(ea.StreamStateError):
        iter(stream)


def test_stream_is_used_once() -> None:
    """A closed stream cannot be opened again."""
    stream = ea.AffectStream(
        ScriptedSource(clip(1)), purpose="research", model=FakeModel()
    )
    with stream:
        pass
    with pytest.raises(ea.StreamStateError, match="make a new"), stream:
        pass


def test_stream_close_is_idempotent_and_works_unopened() -> None:
    """Closing twice, or without ever opening, does nothing more."""
    stream = ea.AffectStream(ScriptedSource([]), purpose="research", model=FakeModel())
    stream.close()
    stream.close()


def test_stream_stops_a_file_when_told() -> None:
    """``stop`` ends the iteration after the estimate at hand."""
    source = ScriptedSource(clip(5))
    seen = []
    with ea.AffectStream(source, purpose="research", model=FakeModel()) as stream:
        for estimate in stream:
            seen.append(estimate)
            if len(seen) == 10:
                stream.stop()
    assert len(seen) < 20


def test_stream_accounts_for_every_frame_of_a_file() -> None:
    """A 60 Hz file drops what does not fit the grid, and counts it."""
    source = ScriptedSource(camera_script(3, 60))
    with ea.AffectStream(source, purpose="research", model=FakeModel()) as stream:
        list(stream)
        stats = stream.stats
    assert stats.captured == 180
    assert stats.captured == stats.processed + sum(stats.dropped.values())
    assert stats.cells == pytest.approx(90, abs=1)
    assert stats.stages["step"].n == stats.cells


def test_stream_raises_a_damaged_file_once() -> None:
    """A file that fails half-way gives what it had, then its error."""
    script = [*camera_script(1), (NS_PER_S, device_lost("clip"))]
    stream = ea.AffectStream(
        ScriptedSource(script), purpose="research", model=FakeModel()
    )
    seen: list[Estimate] = []
    with stream, pytest.raises(ea.SourceError, match="clip"):
        seen.extend(stream)
    assert len(seen) == 30


def test_stream_loses_the_face_within_its_limits_and_then_gives_no_value() -> None:
    """Without a face health falls to lost in 330 ms, and lost carries no value."""
    script = list(camera_script(1))
    for number in range(30, 60):
        t_ns = round(number * NS_PER_S / 30)
        dark = replace(make_frame(number, t_ns), data=np.zeros((48, 64, 3), np.uint8))
        script.append((t_ns, dark))
    estimates = run(script)
    for estimate in estimates:
        age_ms = (estimate.t_ns - 29 * NS_PER_S / 30) / 1e6
        if age_ms >= 330:
            assert estimate.health.face is HealthState.LOST
            assert estimate.valence is None
            assert estimate.expression is None
        if age_ms >= 170:
            assert estimate.health.face is not HealthState.OK


def test_stream_feeds_its_sinks_header_first() -> None:
    """A sink gets one header, every estimate in order, and is closed once."""
    sink = Recorder()
    estimates = run(clip(1), sinks=[sink])
    assert len(sink.headers) == 1
    assert sink.headers[0].purpose == "research"
    assert sink.headers[0].t0_ns == -(NS_PER_S // 60)
    assert sink.estimates == estimates
    assert sink.closed == 1


def test_stream_goes_on_without_a_sink_that_fails() -> None:
    """A raising sink is left out and named; the others get everything."""

    class Broken(Recorder):
        def write(self, estimate: Estimate) -> None:
            if estimate.index == 3:
                raise OSError("disk full")
            super().write(estimate)

    broken, good = Broken(), Recorder()
    source = ScriptedSource(clip(1))
    model = FakeModel()
    with ea.AffectStream(
        source, purpose="research", model=model, sinks=[broken, good]
    ) as stream:
        assert len(list(stream)) == 30
        assert "disk full" in stream.info.notes[-1]
    assert len(broken.estimates) == 3
    assert len(good.estimates) == 30


def test_stream_refuses_a_microphone_beside_a_file() -> None:
    """A file is read as fast as it goes; live sound cannot follow."""
    source = ScriptedSource(clip(1))
    microphone = ScriptedSource([], clock=SystemClock())
    stream = ea.AffectStream(
        source,
        microphone,  # type: ignore[arg-type]  # any source will do to be refused
        purpose="research",
        model=FakeModel(),
    )
    with pytest.raises(ea.UsageError, match="brings its own"), stream:
        pass


def test_stream_runs_live_until_its_source_ends() -> None:
    """A live source is stepped in real time and every frame is accounted for."""
    source = ScriptedSource(clip(1), clock=SystemClock())
    with ea.AffectStream(source, purpose="research", model=FakeModel()) as stream:
        assert stream.info.live
        estimates = list(stream)
        last = stream.latest()
        stats = stream.stats
    assert [e.index for e in estimates] == list(range(len(estimates)))
    assert len(estimates) == 30
    assert last == estimates[-1]
    assert stats.captured == 30
    assert stats.captured == stats.processed + sum(stats.dropped.values())


def test_stream_never_falls_silent_when_a_live_camera_is_lost() -> None:
    """An unplugged camera is health, not an exception: value-free estimates go on."""
    script = [*camera_script(0.5), (NS_PER_S // 2, device_lost())]
    source = ScriptedSource(
        [*script, (60 * NS_PER_S, make_frame())], clock=SystemClock()
    )
    lost = []
    with ea.AffectStream(source, purpose="research", model=FakeModel()) as stream:
        for estimate in stream:
            if estimate.health.face is HealthState.LOST:
                lost.append(estimate)
            if len(lost) == 10:
                break
    assert [e.index for e in lost] == list(range(lost[0].index, lost[0].index + 10))
    assert all(e.valence is None for e in lost)


@pytest.mark.parametrize("where", ["callback", "thread", "twice"])
def test_stream_stops_live_from_anywhere(where: str) -> None:
    """Stopping works from a sink's callback, another thread, and twice over."""

    class Stopper(Recorder):
        def write(self, estimate: Estimate) -> None:
            if where == "callback" and estimate.index == 5:
                stream.stop()
                stream.close()

    endless = ScriptedSource(clip(120), clock=SystemClock())
    stream = ea.AffectStream(
        endless, purpose="research", model=FakeModel(), sinks=[Stopper()]
    )
    with stream:
        for estimate in stream:
            if estimate.index >= 5 and where == "thread":
                threading.Thread(target=stream.stop).start()
            if estimate.index >= 5 and where == "twice":
                stream.stop()
                stream.stop()
    own = ("edge_affect-read", "edge_affect-step")
    names = [t.name for t in threading.enumerate() if t.name.startswith(own)]
    assert names == []


def test_stream_raises_a_fatal_fault_of_a_live_step_once() -> None:
    """What breaks the stepping thread is raised from the iteration, once."""
    model = FakeModel()

    def broken(*_: object) -> None:
        raise ea.RunnerError("graph: broken")

    model.graphs.face = broken  # type: ignore[method-assign,assignment]
    source = ScriptedSource(clip(5), clock=SystemClock())
    stream = ea.AffectStream(source, purpose="research", model=model)
    with stream:
        with pytest.raises(ea.RunnerError, match="broken"):
            list(stream)
        assert list(stream) == []


@pytest.mark.parametrize("cut", [0.7, 1.31])
def test_stream_is_causal_to_the_bit(cut: float) -> None:
    """Whatever comes after an instant, estimates up to it are the same to the bit."""
    cut_ns = int(cut * NS_PER_S)
    script = clip(2, chunk_samples=320)
    random = np.random.default_rng(11)
    poisoned: list[tuple[int, Frame | AudioChunk | Exception]] = []
    for due_ns, item in script:
        if isinstance(item, AudioChunk) and item.t_capture_ns > cut_ns:
            noise = random.uniform(-1, 1, len(item.samples)).astype(np.float32)
            item = replace(item, samples=noise)  # noqa: PLW2901 - the poisoned one
        elif isinstance(item, Frame) and item.t_capture_ns > cut_ns:
            pixels = random.integers(0, 255, item.data.shape, np.uint8)
            item = replace(item, data=pixels)  # noqa: PLW2901 - the poisoned one
        poisoned.append((due_ns, item))
    clean = [e for e in run(script) if e.t_ns <= cut_ns]
    dirty = [e for e in run(poisoned) if e.t_ns <= cut_ns]
    assert len(clean) >= 20
    assert clean == dirty
    assert run(script) != run(poisoned)


@pytest.mark.parametrize("chunk_samples", [1, 160, 333, 1_600, 4_800])
def test_stream_does_not_depend_on_how_sound_is_cut(chunk_samples: int) -> None:
    """Chunks from one sample to 300 ms give the same values once both were heard."""
    if chunk_samples == 1:
        script, reference = clip(0.5, chunk_samples=1), clip(0.5)
    else:
        script, reference = clip(2, chunk_samples=chunk_samples), clip(2)
    mine = {e.hop: e for e in run(script)}
    theirs = {e.hop: e for e in run(reference)}
    shared = mine.keys() & theirs.keys() - {None}
    assert shared
    early = chunk_samples <= 1_600  # later chunks bring hops too late to be used
    if early:
        assert mine.keys() == theirs.keys()
        assert run(script) == run(reference)


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
    script = [*camera_script(0.1), (NS_PER_S // 10, bad)]
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
