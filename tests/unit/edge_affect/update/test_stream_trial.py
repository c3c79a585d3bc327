"""A live stream on a bundle that is on trial: what its end does to the store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import edge_affect as ea
from edge_affect.clock import NS_PER_S, SystemClock
from edge_affect.testing import FakeModel, ScriptedSource, camera_script, device_lost
from edge_affect.types import Frame
from edge_affect.update import trial as module
from edge_affect.update.store import Store
from edge_affect.update.trial import Trial
from tests.unit.edge_affect.update.conftest import Install


@pytest.fixture
def model(store: Store, install: Install, monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    """Return a model of a bundle that is on trial for a second in place of a minute."""
    monkeypatch.setattr(module, "MINUTE_S", 1)
    install()
    current = store.state().current
    assert current is not None
    made = FakeModel()
    made.trial = Trial(store, current)
    return made


def _dark(seconds: float) -> list[tuple[int, Any]]:
    return [
        (t_ns, replace(frame, data=np.zeros_like(frame.data)))
        for t_ns, frame in camera_script(seconds)
        if isinstance(frame, Frame)
    ]


def _stream(
    script: list[tuple[int, Any]], model: FakeModel, **settings: Any
) -> ea.AffectStream:
    source = ScriptedSource(script, clock=SystemClock())
    return ea.AffectStream(source, model=model, budget_ms=1000, **settings)


def test_stream_that_goes_well_commits_its_bundle(
    store: Store, model: FakeModel
) -> None:
    """While it runs its start counts, and after the minute nothing does."""
    with _stream(camera_script(2), model) as stream:
        assert store.state().starts == 1
        list(stream)
    assert store.state().floor == "1.0.0"
    assert not store.state().on_trial


def test_stream_of_a_dark_seat_leaves_the_trial_as_it_was(
    store: Store, model: FakeModel
) -> None:
    """Two minutes of darkness: no commit, no roll-back, no start that hangs."""
    before = store.state()
    with _stream(_dark(2), model) as stream:
        assert all(estimate.valence is None for estimate in stream)
    assert store.state() == before


def test_stream_that_loses_its_camera_leaves_the_trial_as_it_was(
    store: Store, model: FakeModel
) -> None:
    """An unplugged camera tells nothing of a bundle."""
    before = store.state()
    script = [*camera_script(0.2), (NS_PER_S // 5, device_lost())]
    with _stream([*script, (60 * NS_PER_S, device_lost())], model) as stream:
        for estimate in stream:
            if estimate.index > 45:
                break
    assert store.state() == before


def test_stream_whose_graph_fails_rolls_its_bundle_back(
    store: Store, model: FakeModel
) -> None:
    """In cell after cell: the stream ends, the next start is that of the one before."""

    def broken(*_: object) -> None:
        raise ea.RunnerError("face: broken")

    model.graphs.face = broken  # type: ignore[method-assign,assignment]
    with (
        pytest.raises(ea.BundleError, match="was rolled back"),
        _stream(camera_script(2), model) as stream,
    ):
        list(stream)
    assert store.state().current is None
    reason = "3 cells met a graph that failed or gave NaN"
    assert store.state().refused[0].reason == reason


@pytest.mark.parametrize("graph", ["face", "affect"])
def test_stream_whose_graph_gives_nan_rolls_its_bundle_back(
    store: Store, model: FakeModel, graph: str
) -> None:
    """Again and again: the stream ends and says what to do."""

    def faulty(*_: object) -> None:
        raise ea.NonFiniteError(f"{graph}: output 'x' is not finite")

    setattr(model.graphs, graph, faulty)
    with (
        pytest.raises(ea.BundleError, match="start again to run the one before it"),
        _stream(camera_script(2), model) as stream,
    ):
        list(stream)
    assert store.state().current is None
    assert "NaN" in store.state().refused[0].reason


def test_stream_that_misses_its_budget_rolls_its_bundle_back(
    store: Store, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a driver there, and steps that are late all the time."""
    clock = SystemClock()
    read = model.graphs.face

    def slow(*given: Any) -> Any:
        clock.sleep_until(clock.now_ns() + NS_PER_S // 50)
        return read(*given)

    monkeypatch.setattr(module, "LEAST_MISSES", 3)  # a stall may eat some cells
    monkeypatch.setattr(model.graphs, "face", slow)
    source = ScriptedSource(camera_script(8), clock=clock)
    with (
        pytest.raises(ea.BundleError, match="missed their budget"),
        ea.AffectStream(source, model=model, budget_ms=10) as stream,
    ):
        list(stream)
    assert store.state().current is None


def test_stream_that_never_opens_leaves_no_start_behind(
    store: Store, model: FakeModel
) -> None:
    """A camera that is not there is no crash."""

    class Missing(ScriptedSource):
        def __enter__(self) -> Any:
            raise device_lost()

    stream = ea.AffectStream(Missing([], clock=SystemClock()), model=model)
    with pytest.raises(ea.SourceError), stream:
        pass
    assert store.state().starts == 0


def test_file_is_no_trial(store: Store, model: FakeModel) -> None:
    """It is read as fast as it goes, so no deadline could be told."""
    before = store.state()
    source = ScriptedSource(camera_script(3))
    with ea.AffectStream(source, model=model) as stream:
        list(stream)
    assert store.state() == before
