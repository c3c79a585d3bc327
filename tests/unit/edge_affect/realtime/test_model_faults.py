"""A model that fails costs frames, hops and cells, not the stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_affect.clock import NS_PER_S, SimClock
from edge_affect.config import StreamConfig
from edge_affect.errors import RunnerError
from edge_affect.realtime.budget import StageTimes
from edge_affect.realtime.health import MODEL_FAILED
from edge_affect.realtime.loop import LoopTiming, StreamLoop
from edge_affect.realtime.stepper import DEAD_NS, CellStepper
from edge_affect.runners.base import StreamState, Tensors
from edge_affect.testing import FakeModel, FakeRunner, make_chunk, make_frame
from edge_affect.types import Estimate, Frame, HealthState

FPS = 30
Outputs = tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]


class FailingRunner(FakeRunner):
    """Calls ``fault`` before each step, with the graph's name and the call's number."""

    def __init__(self, fault: Callable[[str, int], None]) -> None:
        super().__init__()
        self.calls = 0
        self._fault = fault

    def _step(self, state: StreamState, which: str, inputs: Tensors) -> Outputs:
        self.calls += 1
        self._fault(which, self.calls)
        return super()._step(state, which, inputs)


def run(fault: Callable[[str, int], None], frames: int) -> list[Estimate]:
    """Return the estimates of ``frames`` frames, and sound, over a failing model."""
    clock = SimClock(NS_PER_S)
    model = FakeModel(runner=FailingRunner(fault), tracks=False)
    config = StreamConfig("research")
    estimates: list[Estimate] = []
    loop = StreamLoop(
        CellStepper(model, config, StageTimes(clock)),
        clock,
        estimates.append,
        LoopTiming((FPS, 1), NS_PER_S // FPS, NS_PER_S),
    )
    for number in range(frames):
        t_ns = NS_PER_S + number * NS_PER_S // FPS
        clock.advance_to(t_ns)
        if number % 3 == 0:
            loop.hear(make_chunk(number // 3, t_ns - NS_PER_S // 10))
        if loop.accounts.arrive(number):
            loop.see(make_frame(number, t_ns))
    assert loop.accounts.waiting == 0
    return estimates


def failing(
    graph: str, first: int, last: int, error: type[Exception]
) -> Callable[[str, int], None]:
    """Return a fault of ``graph`` from its ``first`` call to its ``last``."""
    calls = 0

    def fault(which: str, _: int) -> None:
        nonlocal calls
        calls += which == graph
        if which == graph and first <= calls <= last:
            raise error(f"{which}: the graph failed")

    return fault


@pytest.mark.parametrize("error", [RunnerError, MemoryError])
@pytest.mark.parametrize("graph", ["face", "voice", "affect"])
def test_stream_outlives_a_graph_that_fails_for_a_while(
    graph: str, error: type[Exception]
) -> None:
    """One estimate per cell throughout, and as good as before afterwards."""
    estimates = run(failing(graph, 11, 20, error), 180)
    assert [e.index for e in estimates] == list(range(len(estimates)))
    assert len(estimates) == 180
    assert estimates[-1].health.face is HealthState.OK
    assert estimates[-1].health.voice is HealthState.OK
    assert estimates[-1].valence is not None


def test_face_that_cannot_be_read_goes_stale_and_lost_with_its_reason() -> None:
    """A face graph that fails is a face that is not seen."""
    estimates = run(failing("face", 31, 60, RunnerError), 90)
    assert MODEL_FAILED in estimates[30].health.reasons
    states = [e.health.face for e in estimates[30:60]]
    assert states[5:9] == [HealthState.STALE] * 4
    assert states[10:] == [HealthState.LOST] * 20


@pytest.mark.parametrize("call", range(1, 12))
def test_memory_that_runs_out_once_costs_one_cell_at_most(call: int) -> None:
    """Whichever call it is, all estimates come, and the frames are accounted for."""

    def fault(_: str, number: int) -> None:
        if number == call:
            raise MemoryError

    estimates = run(fault, 30)
    assert len(estimates) == 30
    assert estimates[-1].health.face is HealthState.OK


@pytest.mark.parametrize("graph", ["face", "affect"])
def test_graph_that_never_works_again_is_a_fault(graph: str) -> None:
    """After ten seconds without a single success the stream says so."""
    seconds = DEAD_NS // NS_PER_S
    last = 10_000
    with pytest.raises(RunnerError, match=graph):
        run(failing(graph, 31, last, RunnerError), (seconds + 2) * FPS)
    run(failing(graph, 31, last, RunnerError), (seconds - 1) * FPS)


@pytest.mark.parametrize("call", range(1, 9))
def test_memory_that_runs_out_while_a_face_is_cut_out_costs_that_frame(
    call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It need not be a graph: pixels are large as well."""
    calls = 0
    crop = Frame.crop

    def scarce(frame: Frame, *arguments: Any, **settings: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise MemoryError
        return crop(frame, *arguments, **settings)

    monkeypatch.setattr(Frame, "crop", scarce)
    estimates = run(lambda *_: None, 30)
    assert calls > call
    assert len(estimates) == 30
    assert estimates[-1].health.face is HealthState.OK
    assert sum(MODEL_FAILED in e.health.reasons for e in estimates) == 1
