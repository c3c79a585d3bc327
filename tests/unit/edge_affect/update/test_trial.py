from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from edge_affect.errors import (
    BundleError,
    NonFiniteError,
    RunnerError,
    SourceError,
    UsageError,
)
from edge_affect.testing import make_estimate, make_lost_estimate
from edge_affect.types import Estimate, Health, HealthState
from edge_affect.update.state import StoreState
from edge_affect.update.store import Store
from edge_affect.update.trial import LEAST_MISSES, MINUTE_S, Trial, TrialWatch
from tests.unit.edge_affect.update.conftest import Install

HZ = 30
MINUTE = MINUTE_S * HZ
LOST_RUNG = 5


@pytest.fixture
def watch(store: Store, install: Install) -> TrialWatch:
    """Return a watch over a bundle that was just installed."""
    install()
    current = store.state().current
    assert current is not None
    watch = TrialWatch(Trial(store, current), (HZ, 1))
    watch.begin()
    return watch


def _seen(number: int = 0) -> Estimate:
    estimate = replace(make_estimate(number), frame=number)
    return replace(estimate, health=Health(HealthState.OK, HealthState.OK))


def _empty(number: int = 0, *reasons: str) -> Estimate:
    health = Health(HealthState.LOST, HealthState.LOST, reasons or ("no_face",))
    return replace(make_lost_estimate(number), health=health, rung=0, frame=number)


def _run(watch: TrialWatch, estimates: Iterator[Estimate], *, missed: bool) -> None:
    misses = 0
    for estimate in estimates:
        misses += missed
        watch.see(estimate, misses)


def test_trial_of_a_sound_minute_commits(store: Store, watch: TrialWatch) -> None:
    """The bundle stays, and sets the floor, at the end of its first minute."""
    _run(watch, map(_seen, range(MINUTE - 1)), missed=False)
    assert store.state().on_trial
    assert store.state().floor is None
    watch.see(_seen(), 0)
    state = store.state()
    assert (state.on_trial, state.floor, state.starts) == (False, "1.0.0", None)
    watch.see(_seen(), MINUTE)  # what comes later is no matter of the trial
    watch.end(None)
    assert store.state() == state


@pytest.mark.parametrize("reason", ["no_face", "dark", "no_frames", "frozen"])
@pytest.mark.parametrize("missed", [False, True])
def test_trial_of_an_empty_or_dark_seat_decides_nothing(
    store: Store, watch: TrialWatch, reason: str, *, missed: bool
) -> None:
    """Ten minutes without a driver neither roll back nor commit, misses or not."""
    estimates = (_empty(number, reason) for number in range(10 * MINUTE))
    _run(watch, estimates, missed=missed)
    assert store.state().on_trial
    watch.end(None)
    assert store.state().starts == 0
    assert not store.state().refused


def test_trial_goes_on_when_the_driver_comes_back(
    store: Store, watch: TrialWatch
) -> None:
    """The minute is one with a driver, however often the seat was empty."""
    for _ in range(4):
        _run(watch, map(_seen, range(MINUTE // 4)), missed=False)
        assert store.state().on_trial is (_ < 3)
        _run(watch, map(_empty, range(MINUTE)), missed=False)
    assert not store.state().on_trial


def test_trial_of_a_bundle_that_is_too_slow_rolls_back(
    store: Store, watch: TrialWatch
) -> None:
    """Steps over budget wherever a face is read: the stream ends and says why."""
    with pytest.raises(BundleError, match="1800 of 1800 cells with a face missed"):
        _run(watch, map(_seen, range(MINUTE)), missed=True)
    state = store.state()
    assert state.current is None
    assert state.refused[0].reason.startswith("1800 of 1800 cells")
    assert state.floor is None


def test_trial_sees_a_slow_bundle_behind_the_ladder(
    store: Store, watch: TrialWatch
) -> None:
    """The ladder keeps it from reading faces, and from missing: that is no health."""
    blind = replace(_empty(), rung=LOST_RUNG)
    misses = 0
    with pytest.raises(BundleError, match="missed their budget"):
        for number in range(2 * MINUTE):
            is_seen = number % 150 < 3  # a climb that fails every five seconds
            misses += is_seen
            watch.see(_seen(number) if is_seen else blind, misses)
    assert store.state().current is None


def test_trial_forgives_a_busy_machine_some_misses(
    store: Store, watch: TrialWatch
) -> None:
    """A fifth of the cells late is not the bundle's fault alone."""
    for number in range(MINUTE):
        watch.see(_seen(number), number // 5)
    assert store.state().floor == "1.0.0"


def test_trial_makes_nothing_of_few_misses(store: Store, watch: TrialWatch) -> None:
    """A minute of which little had a face cannot tell a share."""
    _run(watch, map(_seen, range(LEAST_MISSES - 1)), missed=True)
    blind = replace(_empty(), rung=LOST_RUNG)
    _run(watch, iter([blind] * MINUTE), missed=False)
    assert store.state().floor == "1.0.0"


def test_trial_of_a_bundle_that_gives_nan_rolls_back(
    store: Store, watch: TrialWatch
) -> None:
    """Once may be a freak; again and again it is the graphs."""
    health = Health(HealthState.OK, HealthState.OK, ("non_finite",))
    faulty = replace(_seen(), health=health)
    watch.see(faulty, 0)
    watch.see(faulty, 0)
    with pytest.raises(BundleError, match="3 cells met a graph that failed"):
        watch.see(faulty, 0)
    assert store.state().current is None
    watch.end(BundleError("the same"))
    assert len(store.state().refused) == 1


@pytest.mark.parametrize(
    "fault", [RunnerError("face: failed"), NonFiniteError("nan"), KeyError("pose")]
)
def test_trial_that_a_failed_step_ends_rolls_back(
    store: Store, watch: TrialWatch, fault: Exception
) -> None:
    """A graph that cannot be run ends the stream; the next start is another's."""
    watch.end(fault)
    watch.end(fault)
    state = store.state()
    assert state.current is None
    assert [refused.reason for refused in state.refused] == [f"a step failed: {fault}"]


@pytest.mark.parametrize(
    "fault",
    [None, SourceError("gone"), UsageError("no frame"), MemoryError(), SystemExit()],
)
def test_trial_that_ends_otherwise_goes_on_next_time(
    store: Store, watch: TrialWatch, fault: BaseException | None
) -> None:
    """A lost camera is no fault of a bundle, and an end in order no crash."""
    assert store.state().starts == 1
    watch.end(fault)
    assert store.state().on_trial
    assert store.state().starts == 0


def test_trial_of_a_bundle_that_was_replaced_meanwhile_decides_nothing(
    store: Store, watch: TrialWatch, install: Install
) -> None:
    """An update during the trial begins another one, which is not this stream's."""
    newer = install("1.1.0").bundle.digest
    _run(watch, map(_seen, range(MINUTE)), missed=False)
    assert store.state().is_trial_of(newer)


def test_trial_that_cannot_be_kept_stops_nothing(
    store: Store, watch: TrialWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ending the stream would mend nothing if the next start ran the same bundle."""

    def fail(store: Store, turn: object) -> StoreState:
        raise BundleError("read-only")

    monkeypatch.setattr(Store, "change", fail)
    _run(watch, map(_seen, range(2 * MINUTE)), missed=True)
    assert store.state().on_trial
