"""Stage times: percentiles to two per cent, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest

from edge_affect.clock import NS_PER_MS, SimClock
from edge_affect.realtime.budget import Histogram, StageTimes

RESOLUTION = 0.02
"""Buckets are two per cent apart."""


def test_histogram_percentiles_agree_with_numpy() -> None:
    """Each lies within a bucket of the exact one."""
    durations_ms = np.random.default_rng(3).lognormal(1.0, 0.7, 5_000)
    held = Histogram()
    for value in durations_ms:
        held.add(int(value * NS_PER_MS))
    stats = held.stats()
    assert stats.n == 5_000
    for told_ms, share in (
        (stats.p50_ms, 500),
        (stats.p90_ms, 900),
        (stats.p99_ms, 990),
        (stats.p999_ms, 999),
    ):
        exact_ms = np.sort(durations_ms)[share * 5 - 1]
        assert told_ms == pytest.approx(exact_ms, rel=RESOLUTION)
    assert stats.max_ms == pytest.approx(durations_ms.max(), rel=1e-4)


@pytest.mark.parametrize("duration_ns", [0, 1, 999, 10**15])
def test_histogram_counts_durations_outside_its_buckets(duration_ns: int) -> None:
    """Nothing is too short or too long to be counted."""
    held = Histogram()
    held.add(duration_ns)
    assert held.stats().n == 1
    assert held.stats().max_ms == duration_ns / NS_PER_MS


def test_histogram_without_durations_is_all_zero() -> None:
    """No figure is made up where nothing was measured."""
    assert Histogram().stats().p99_ms == 0


def test_stage_times_leave_out_stages_that_never_ran() -> None:
    """Only stages that ran are reported, and a failing one is counted too."""
    clock = SimClock()
    times = StageTimes(clock)
    with times.measure("face"):
        clock.advance_to(2 * NS_PER_MS)
    with pytest.raises(RuntimeError), times.measure("voice"):
        raise RuntimeError("stage failed")
    assert set(times.stats()) == {"face", "voice"}
    assert times.stats()["face"].max_ms == 2
