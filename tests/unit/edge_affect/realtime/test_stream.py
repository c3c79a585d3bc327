"""The stream's life, its two ways of running, and what its estimates depend on."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edge_affect as ea
from edge_affect.clock import NS_PER_MS, NS_PER_S, SystemClock
from edge_affect.runners.base import Stepped, StreamState, Tensors
from edge_affect.sinks.base import RunHeader
from edge_affect.sinks.jsonl import read_record
from edge_affect.testing import (
    FakeModel,
    FakeRunner,
    ScriptedSource,
    camera_script,
    device_lost,
    make_frame,
)
from edge_affect.types import AudioChunk, Estimate, Frame, HealthState
from tests.fakes.streams import EXAMPLES, clip, run


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


class Breaks(FakeRunner):
    """Raises what no runner may, once."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._left = at

    def _step(self, state: StreamState, which: str, inputs: Tensors) -> Stepped:
        self._left -= which == "face"
        if self._left == 0:
            raise ValueError("broken")
        return super()._step(state, which, inputs)


@pytest.mark.parametrize("live", [False, True])
def test_stream_publishes_no_record_of_a_run_that_ends_in_a_fault(
    tmp_path: Path, *, live: bool
) -> None:
    """What came before the fault stays under the temporary name."""
    record = tmp_path / "run.jsonl"
    source = ScriptedSource(camera_script(0.6), clock=SystemClock() if live else None)
    sinks = [ea.JsonlSink(record)]
    runner = Breaks(at=10)
    stream = ea.AffectStream(source, model=FakeModel(runner=runner), sinks=sinks)
    with pytest.raises(ValueError, match="broken"), stream:
        list(stream)
    assert [p.name for p in tmp_path.iterdir()] == ["run.jsonl.part"]
    assert 1 <= len(read_record(tmp_path / "run.jsonl.part")[1]) <= 10
    stats = stream.stats
    assert stats.captured == stats.processed + sum(stats.dropped.values())


@pytest.mark.parametrize("live", [False, True])
def test_stream_publishes_the_record_of_a_run_that_its_user_ends(
    tmp_path: Path, *, live: bool
) -> None:
    """Whoever leaves the iteration has a record of all that they saw."""
    source = ScriptedSource(clip(9), clock=SystemClock() if live else None)
    sinks = [ea.JsonlSink(tmp_path / "run.jsonl")]
    with ea.AffectStream(source, model=FakeModel(), sinks=sinks) as stream:
        for estimate in stream:
            if estimate.index == 4:
                break
    assert len(read_record(tmp_path / "run.jsonl")[1]) >= 5


def test_stream_spells_out_a_name_that_is_no_text() -> None:
    """Info, header and notes hold text alone, whatever a file is called."""
    sink = Recorder()
    source = ScriptedSource(clip(0.2), name="a\udcff.mkv", note="a\udcff has no sound")
    stream = ea.AffectStream(source, model=FakeModel(), sinks=[sink])
    with stream:
        list(stream)
    assert stream.info.notes == ("a\\udcff has no sound",)
    assert sink.headers[0].source == sink.headers[0].audio == "a\\udcff.mkv"


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
        raise ValueError("graph: broken")

    model.graphs.face = broken  # type: ignore[method-assign,assignment]
    source = ScriptedSource(clip(5), clock=SystemClock())
    stream = ea.AffectStream(source, purpose="research", model=model)
    with stream:
        with pytest.raises(ValueError, match="broken"):
            list(stream)
        assert list(stream) == []


@settings(max_examples=EXAMPLES)
@given(cut_ms=st.integers(50, 750), fps=st.sampled_from((10, 25, 30, 60)))
def test_stream_is_causal_to_the_bit(cut_ms: int, fps: int) -> None:
    """Whatever comes after an instant, estimates up to it are the same to the bit."""
    cut_ns = cut_ms * NS_PER_MS
    script = clip(0.9, fps=fps, chunk_samples=320)
    random = np.random.default_rng(cut_ms)
    poisoned: list[tuple[int, Frame | AudioChunk | Exception]] = []
    for due_ns, item in script:
        if isinstance(item, AudioChunk) and item.t_capture_ns > cut_ns:
            noise = random.uniform(-1, 1, len(item.samples)).astype(np.float32)
            item = replace(item, samples=noise)  # noqa: PLW2901 - the poisoned one
        elif isinstance(item, Frame) and item.t_capture_ns > cut_ns:
            pixels = random.integers(0, 255, item.data.shape, np.uint8)
            item = replace(item, data=pixels)  # noqa: PLW2901 - the poisoned one
        poisoned.append((due_ns, item))
    clean, dirty = run(script), run(poisoned)
    assert [e for e in clean if e.t_ns <= cut_ns] == [
        e for e in dirty if e.t_ns <= cut_ns
    ]
    assert clean != dirty


@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_stream_does_not_depend_on_how_sound_is_cut(data: st.DataObject) -> None:
    """Chunks of one sample to a second, of any lengths in a row."""
    reference = clip(1)
    sound = [item for _, item in reference if isinstance(item, AudioChunk)]
    samples = np.concatenate([chunk.samples for chunk in sound])
    cuts = data.draw(st.sets(st.integers(1, len(samples) - 1), max_size=40))
    if data.draw(st.booleans()):  # a run of single samples
        first = data.draw(st.integers(1, len(samples) - 50))
        cuts |= set(range(first, first + 40))
    edges = [0, *sorted(cuts), len(samples)]
    chunks = [
        AudioChunk(
            samples[first:last],
            first * NS_PER_S // 16_000,
            last * NS_PER_S // 16_000,
            number,
        )
        for number, (first, last) in enumerate(pairwise(edges))
    ]
    frames = [entry for entry in reference if isinstance(entry[1], Frame)]
    # All of the sound first: what a hop is given must not hang on when it came.
    script = [*((0, chunk) for chunk in chunks), *frames]
    whole = [*((0, chunk) for chunk in sound), *frames]
    estimates = run(script)
    assert any(e.hop is not None for e in estimates)
    assert estimates == run(whole)
