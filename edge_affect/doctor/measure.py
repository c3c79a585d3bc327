"""Time the frame step of each target, in turns, and choose the one to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge_affect.clock import NS_PER_MS, NS_PER_S, Clock
from edge_affect.runners.base import Runner
from edge_affect.runners.choices import Choice

WARM_UP = 20
"""Frame steps of each target before anything is timed."""
FEWEST_ROUNDS = 40
MOST_ROUNDS = 150
STEADY = 0.02
"""Rounds end early once every ratio is known this well: width of its interval."""
MARGIN = 0.03
"""A target this much faster is worth leaving the default for; less is a tie."""
_BATCH = 5
"""Steps of a turn back to back: a target runs with its own weights in the cache."""

Tell = Callable[[str, int], None]
"""Told, before each round, how the targets are timed and which round it is."""


class Ratio(NamedTuple):
    """A target's time in parts of the default's."""

    median: float
    low: float
    """Lower end of the median's 95 % interval."""
    high: float
    """Upper end of the median's 95 % interval."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How long the frame step of each target takes, timed in one way."""

    median_ms: Mapping[str, float]
    """Target → median of its frame step, ms."""
    ratio: Mapping[str, Ratio]
    """Target, but for the default → its time in parts of the default's."""
    rounds: int
    """Turns that each target had."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured of a bundle's targets on this machine."""

    default: str
    """The bundle's default target."""
    pace_hz: float
    """Frame steps per second when paced."""
    back_to_back: Comparison
    """Timed as a file is read: step after step."""
    paced: Comparison
    """Timed as a camera's stream runs: the processor is idle in between."""

    @property
    def choice(self) -> Choice:
        """The target to run, and why.

        The default stays unless another one is faster in both ways, by more than
        ``MARGIN`` at the slow end of the interval.
        """
        both = (self.paced.ratio, self.back_to_back.ratio)
        rivals = sorted(both[0], key=lambda target: both[0][target].median)
        for target in rivals:
            if all(ratio[target].high < 1 - MARGIN for ratio in both):
                paced, rushed = (1 / ratio[target].median for ratio in both)
                return self._because(target, paced, rushed, self.default)
        if rivals and all(r.low > 1 + MARGIN for ratio in both for r in ratio.values()):
            paced, rushed = (ratio[rivals[0]].median for ratio in both)
            return self._because(self.default, paced, rushed, rivals[0])
        return Choice(
            self.default,
            "measured here: none is faster beyond noise, so the bundle's default",
        )

    def _because(self, target: str, paced: float, rushed: float, than: str) -> Choice:
        return Choice(
            target,
            f"measured here: {paced:.2f} times as fast as {than} at {self.pace_hz:g} "
            f"per second, {rushed:.2f} times back to back",
        )


def measure(
    runners: Mapping[str, Runner],
    default: str,
    pace_hz: float,
    clock: Clock,
    tell: Tell,
) -> Measurement:
    """Time the frame step of every target: each of its graphs once, in order.

    The targets take turns, so that whatever else the machine does slows all of them,
    and each goes first as often as the others.

    Args:
        runners: Target → its runner, of one thread; holds ``default``.
        default: The bundle's default target, which the others are compared with.
        pace_hz: Frames per second of the camera.
        clock: Time.
        tell: Told how it goes.

    Raises:
        RunnerError: A graph cannot be stepped.
    """
    steps = {target: _frame_step(runner) for target, runner in runners.items()}
    for step in steps.values():
        for _ in range(WARM_UP):
            step()

    def rushed(step: Callable[[], None]) -> int:
        start_ns = clock.now_ns()
        for _ in range(_BATCH):
            step()
        return (clock.now_ns() - start_ns) // _BATCH

    due_ns = clock.now_ns()

    def paced(step: Callable[[], None]) -> int:
        nonlocal due_ns
        due_ns = max(due_ns + round(NS_PER_S / pace_hz), clock.now_ns())
        clock.sleep_until(due_ns)
        start_ns = clock.now_ns()
        step()
        return clock.now_ns() - start_ns

    return Measurement(
        default,
        pace_hz,
        _compare(steps, default, rushed, lambda n: tell("back to back", n)),
        _compare(steps, default, paced, lambda n: tell("paced", n)),
    )


def _frame_step(runner: Runner) -> Callable[[], None]:
    """Return what steps every graph once, on noise and with its state carried on.

    A frame with a voice hop is the longest one there is.
    """
    random = np.random.default_rng(0)
    inputs = {
        graph: {n: random.random(s, np.float32) for n, s in signature.inputs.items()}
        for graph, signature in runner.signatures.items()
    }
    state = runner.new_state()

    def step() -> None:
        for graph, tensors in inputs.items():
            runner.step(state, graph, tensors)

    return step


def _compare(
    steps: Mapping[str, Callable[[], None]],
    default: str,
    turn_ns: Callable[[Callable[[], None]], int],
    tell: Callable[[int], None],
) -> Comparison:
    names = list(steps)
    times: dict[str, list[int]] = {name: [] for name in names}
    for number in range(MOST_ROUNDS):
        tell(number)
        for place in range(len(names)):
            name = names[(number + place) % len(names)]
            times[name].append(max(turn_ns(steps[name]), 1))
        ratio = {n: _ratio(times[n], times[default]) for n in names if n != default}
        is_steady = all(r.high - r.low <= STEADY for r in ratio.values())
        if number + 1 >= FEWEST_ROUNDS and is_steady:
            break
    median_ms = {n: float(np.median(times[n])) / NS_PER_MS for n in names}
    return Comparison(median_ms, ratio, number + 1)


def _ratio(times: Sequence[int], reference: Sequence[int]) -> Ratio:
    """Compare turns of the same round; the interval is of order statistics.

    The ranks n/2 ± 0.98 √n enclose a median with 95 % confidence, whatever the
    distribution (sign test).
    """
    ratios = np.sort(np.divide(times, reference))
    reach = 0.98 * np.sqrt(len(ratios))
    low = max(int(np.floor(len(ratios) / 2 - reach)), 0)
    high = min(int(np.ceil(len(ratios) / 2 + reach)), len(ratios) - 1)
    return Ratio(float(np.median(ratios)), float(ratios[low]), float(ratios[high]))
