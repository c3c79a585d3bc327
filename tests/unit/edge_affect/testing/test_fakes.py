from __future__ import annotations

import numpy as np
import pytest

from edge_affect.clock import NS_PER_MS, NS_PER_S, SimClock
from edge_affect.errors import SourceError
from edge_affect.realtime.stream import AffectStream
from edge_affect.sources.base import iterate
from edge_affect.testing import (
    CentreLocator,
    FakeModel,
    FakeRunner,
    ScriptedMicrophone,
    ScriptedSource,
    camera_script,
    device_lost,
    make_chunk,
    make_frame,
)
from edge_affect.types import Frame


def test_scripted_source_reads_as_fast_as_it_goes() -> None:
    """Without a clock the items come as they are, until the script ends."""
    script = camera_script(0.2)
    with ScriptedSource(script) as source:
        items = list(iterate(source, 0))
    assert items == [item for _, item in script]
    assert source.ended
    assert not source.info.live


def test_scripted_source_waits_for_its_clock() -> None:
    """Live, an item comes when it is due and carries that time."""
    clock = SimClock(5 * NS_PER_S)
    with ScriptedSource(camera_script(0.2), clock=clock) as source:
        first = source.read(NS_PER_MS)
        assert source.read(NS_PER_MS) is None
        second = source.read(NS_PER_S)
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert first.t_capture_ns == 5 * NS_PER_S
    assert second.t_capture_ns - first.t_capture_ns == round(NS_PER_S / 30)
    assert clock.now_ns() == second.t_arrival_ns


def test_scripted_source_raises_what_its_script_says() -> None:
    """A device can be lost, and the script goes on."""
    with ScriptedSource([(0, device_lost()), (0, make_frame())]) as source:
        with pytest.raises(SourceError, match="camera 0"):
            source.read(0)
        assert source.read(0) is not None
        source.close()
    assert source.ended


def test_scripted_microphone_brings_sound_alone() -> None:
    """It says so in its info."""
    chunks = [(k * 10**8, make_chunk(k, k * 10**8)) for k in range(3)]
    with ScriptedMicrophone(chunks, clock=SimClock()) as microphone:
        chunk = microphone.read(NS_PER_S)
    assert chunk is not None
    assert len(chunk.samples) == 1_600
    assert (microphone.info.has_video, microphone.info.has_audio) == (False, True)


def test_fake_runner_carries_its_state() -> None:
    """The same input twice gives another output, a new state the first one again."""
    runner = FakeRunner()
    mel = {"mel": np.ones((1, 10, 64), np.float32)}
    state = runner.new_state()
    first, second = (runner.step(state, "voice", mel)["embedding"] for _ in range(2))
    again = runner.step(runner.new_state(), "voice", mel)["embedding"]
    assert not np.array_equal(first, second)
    assert np.array_equal(first, again)


def test_fake_runner_lets_no_masked_input_through() -> None:
    """As the affect graph's contract says."""
    runner = FakeRunner()
    outputs = []
    for level in (0.0, 9.0):
        shapes = runner.signatures["affect"].inputs
        inputs = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        inputs["face_embedding"][:] = level
        outputs.append(runner.step(runner.new_state(), "affect", inputs)["valence"])
    assert np.array_equal(outputs[0], outputs[1])


def test_fake_model_makes_a_stream_without_any_file() -> None:
    """Frames in, estimates out, nothing loaded."""
    source = ScriptedSource(camera_script(1.0))
    with AffectStream(source, purpose="research", model=FakeModel()) as stream:
        estimates = list(stream)
    assert len(estimates) == 30
    assert all(estimate.valence is not None for estimate in estimates)


def test_centre_locator_finds_no_face_in_the_dark() -> None:
    """A black frame has no face."""
    dark = Frame(np.zeros((48, 64, 3), np.uint8), 0, 0, 0)
    assert CentreLocator().locate(dark) == []
    assert len(CentreLocator().locate(make_frame())) == 1
