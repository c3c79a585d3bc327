from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_affect.clock import NS_PER_MS, SimClock
from edge_affect.doctor.measure import (
    FEWEST_ROUNDS,
    MOST_ROUNDS,
    WARM_UP,
    Measurement,
    measure,
)
from edge_affect.runners.base import StreamState, Tensors
from edge_affect.testing import FakeRunner

PACE_HZ = 25.0
PERIOD_NS = 40 * NS_PER_MS
_IDLE_NS = PERIOD_NS // 4

Cost = Callable[[bool], float]
"""Whether the processor was idle before a frame step → what the step takes, ms."""


class TimedRunner(FakeRunner):
    """Graphs that take a scripted time: the whole frame step's, in the face graph."""

    def __init__(self, name: str, cost: Cost, bench: Bench) -> None:
        super().__init__()
        self._name = name
        self._cost = cost
        self._bench = bench
        self.starts_ns: list[int] = []
        self.states: list[NDArray[np.float32]] = []

    def _step(
        self, state: StreamState, which: str, inputs: Tensors
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
        self._bench.log.append(f"{self._name} {which}")
        if which == "face":
            self.starts_ns.append(self._bench.clock.now_ns())
            self._bench.work(self._cost)
        if which == "affect":
            self.states.append(state.tensors["affect"]["state_h"])
        return super()._step(state, which, inputs)


class Bench:
    """Runners of scripted cost on one simulated clock."""

    def __init__(self, **costs: Cost | float) -> None:
        self.clock = SimClock()
        self._worked_ns = 0
        self.log: list[str] = []
        self.told: list[tuple[str, int]] = []
        self.runners = {
            f"cpu-{name}": TimedRunner(name, _cost(cost), self)
            for name, cost in costs.items()
        }

    def work(self, cost: Cost) -> None:
        """Let as much time pass as the work takes."""
        now_ns = self.clock.now_ns()
        idle = now_ns - self._worked_ns >= _IDLE_NS
        self.clock.advance_to(now_ns + round(cost(idle) * NS_PER_MS))
        self._worked_ns = self.clock.now_ns()

    def measure(self, default: str = "cpu-fp32") -> Measurement:
        """Measure them."""
        runners = dict(self.runners)
        return measure(
            runners, default, PACE_HZ, self.clock, lambda *told: self.told.append(told)
        )


def _cost(cost: Cost | float) -> Cost:
    return cost if callable(cost) else lambda idle: cost


def test_measure_chooses_what_is_faster_in_both_ways() -> None:
    """Half the time is chosen; medians and ratios are those that were scripted."""
    found = Bench(
        fp32=lambda idle: 3.0 if idle else 2.0, int8=lambda idle: 2.0 if idle else 1.0
    ).measure()
    assert found.back_to_back.median_ms == {"cpu-fp32": 2.0, "cpu-int8": 1.0}
    assert found.paced.median_ms == {"cpu-fp32": 3.0, "cpu-int8": 2.0}
    assert found.back_to_back.ratio == {"cpu-int8": (0.5, 0.5, 0.5)}
    assert found.choice.target == "cpu-int8"
    assert found.choice.reason == (
        "measured here: 1.50 times as fast as cpu-fp32 at 25 per second, "
        "2.00 times back to back"
    )


def test_measure_keeps_a_default_that_is_the_fastest() -> None:
    """The reason says by how much, against the next best."""
    choice = Bench(fp32=4.0, int8=2.0, int4=8.0).measure("cpu-int8").choice
    assert choice.target == "cpu-int8"
    assert "2.00 times as fast as cpu-fp32" in choice.reason


@pytest.mark.parametrize("int8", [2.0, 1.96, 2.04])
@pytest.mark.parametrize("default", ["cpu-fp32", "cpu-int8"])
def test_measure_keeps_the_default_on_a_tie(default: str, int8: float) -> None:
    """Two per cent are no reason to leave what the bundle says."""
    choice = Bench(fp32=2.0, int8=int8).measure(default).choice
    assert choice.target == default
    assert "so the bundle's default" in choice.reason


@pytest.mark.parametrize("when_idle", [True, False])
def test_measure_keeps_the_default_when_the_two_ways_disagree(
    *, when_idle: bool
) -> None:
    """Faster back to back alone, or paced alone, is not enough."""
    found = Bench(fp32=2.0, int8=lambda idle: 1.0 if idle == when_idle else 3.0)
    assert found.measure().choice.target == "cpu-fp32"


def test_measure_is_not_led_astray_by_noise() -> None:
    """Equal targets on a restless machine stay a tie, after every round there is."""
    for seed in range(10):
        random = np.random.default_rng(seed)

        def noisy(idle: bool, random: np.random.Generator = random) -> float:  # noqa: FBT001
            return float(2.0 * random.lognormal(0, 0.3))

        found = Bench(fp32=noisy, int8=noisy).measure()
        assert found.choice.target == "cpu-fp32"
        assert found.paced.rounds == MOST_ROUNDS
        ratio = found.paced.ratio["cpu-int8"]
        assert ratio.low < ratio.median < ratio.high


def test_measure_sees_a_gain_through_noise() -> None:
    """Outliers of a busy machine do not hide that one target takes half the time."""
    random = np.random.default_rng(3)

    def outliers(ms: float) -> Cost:
        return lambda idle: ms * (20.0 if random.random() < 0.1 else 1.0)

    found = Bench(fp32=outliers(2.0), int8=outliers(1.0)).measure()
    assert found.choice.target == "cpu-int8"


def test_measure_chooses_the_fastest_of_three() -> None:
    """Every target is compared with the default, and the best one wins."""
    found = Bench(fp32=4.0, int8=2.0, int4=1.0).measure()
    assert found.choice.target == "cpu-int4"
    assert set(found.paced.ratio) == {"cpu-int8", "cpu-int4"}


def test_measure_takes_turns_and_steps_every_graph() -> None:
    """Paced, a step of one target follows one of the other, at the camera's rate."""
    bench = Bench(fp32=2.0, int8=1.0)
    found = bench.measure()
    assert found.paced.rounds == FEWEST_ROUNDS
    graphs = [entry.split()[1] for entry in bench.log]
    assert graphs == ["face", "voice", "affect"] * (len(graphs) // 3)
    paced = [entry.split()[0] for entry in bench.log][-6 * FEWEST_ROUNDS :: 3]
    assert paced[:8] == ["fp32", "int8", "int8", "fp32"] * 2
    assert {paced.count(name) for name in ("fp32", "int8")} == {FEWEST_ROUNDS}
    starts = sorted(t for r in bench.runners.values() for t in r.starts_ns)
    gaps = np.diff(starts[-2 * FEWEST_ROUNDS :])
    assert set(gaps.tolist()) == {PERIOD_NS}


def test_measure_carries_state_and_warms_up() -> None:
    """Each step begins where the one before ended; the first ones are not timed."""
    slow_start = iter([100.0] * WARM_UP)
    bench = Bench(fp32=lambda idle: next(slow_start, 2.0), int8=2.0)
    found = bench.measure()
    assert found.back_to_back.ratio["cpu-int8"] == (1.0, 1.0, 1.0)
    states = bench.runners["cpu-fp32"].states
    assert not states[0].any()
    assert not np.array_equal(states[1], states[2])


def test_measure_ends_when_steps_take_longer_than_frames() -> None:
    """Targets too slow for the camera are timed all the same."""
    found = Bench(fp32=90.0, int8=60.0).measure()
    assert found.paced.median_ms == {"cpu-fp32": 90.0, "cpu-int8": 60.0}
    assert found.choice.target == "cpu-int8"


def test_measure_of_a_clock_too_coarse_for_it_is_a_tie() -> None:
    """Steps that take no time at all divide by nothing."""
    assert Bench(fp32=0.0, int8=0.0).measure().choice.target == "cpu-fp32"


def test_measure_of_one_target_has_nothing_to_compare() -> None:
    """A bundle for one target is timed, and its default stays."""
    found = Bench(fp32=2.0).measure()
    assert found.paced.median_ms == {"cpu-fp32": 2.0}
    assert not found.paced.ratio
    assert found.choice.target == "cpu-fp32"


def test_measure_tells_how_it_goes() -> None:
    """Each way counts its rounds from the first."""
    bench = Bench(fp32=2.0, int8=1.0)
    bench.measure()
    rounds = list(range(FEWEST_ROUNDS))
    assert bench.told == [
        (how, number) for how in ("back to back", "paced") for number in rounds
    ]
