"""How long each stage takes: bounded histograms and percentiles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from edge_affect.clock import NS_PER_MS, Clock

STAGES = ("locate", "align", "face", "affect", "step", "voice")
"""Stages that are timed: ``step`` is a whole cell, ``voice`` one hop."""

_LOWEST_NS = 1_000
_RATIO = 1.02  # bucket edges: 2 % resolution
_BUCKETS = 1 + math.ceil(math.log(60e9 / _LOWEST_NS) / math.log(_RATIO))


@dataclass(frozen=True, slots=True)
class StageStats:
    """Durations of one stage."""

    n: int
    """Times that it ran."""
    p50_ms: float
    """Median, ms, to 2 %."""
    p90_ms: float
    """90th percentile, ms, to 2 %."""
    p99_ms: float
    """99th percentile, ms, to 2 %."""
    p999_ms: float
    """99.9th percentile, ms, to 2 %; the longest where there are too few."""
    max_ms: float
    """Longest, ms."""


class Histogram:
    """Counts durations in buckets 2 % apart; its size never grows."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS, np.int64)
        self._max_ns = 0
        self._n = 0

    def add(self, duration_ns: int) -> None:
        """Count one duration."""
        above = max(1.0, duration_ns / _LOWEST_NS)
        bucket = min(_BUCKETS - 1, int(math.log(above) / math.log(_RATIO)))
        self._counts[bucket] += 1
        self._max_ns = max(self._max_ns, duration_ns)
        self._n += 1

    def percentile_ms(self, share: float) -> float:
        """Return the duration that ``share`` of all stay within; 0 when empty."""
        if not self._n:
            return 0.0
        rank = max(1, math.ceil(share * self._n))
        bucket = int(np.searchsorted(np.cumsum(self._counts), rank))
        edge_ns = _LOWEST_NS * _RATIO ** (bucket + 0.5)
        return float(min(edge_ns, self._max_ns)) / NS_PER_MS

    def stats(self) -> StageStats:
        """Return the figures so far."""
        return StageStats(
            n=self._n,
            p50_ms=self.percentile_ms(0.5),
            p90_ms=self.percentile_ms(0.9),
            p99_ms=self.percentile_ms(0.99),
            p999_ms=self.percentile_ms(0.999),
            max_ms=self._max_ns / NS_PER_MS,
        )


class StageTimes:
    """Times every stage with one clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stages = {name: Histogram() for name in STAGES}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Count the time that the block takes under ``stage``."""
        start_ns = self._clock.now_ns()
        try:
            yield
        finally:
            self._stages[stage].add(self._clock.now_ns() - start_ns)

    def stats(self) -> Mapping[str, StageStats]:
        """Return the figures of every stage that ran."""
        stats = {name: held.stats() for name, held in self._stages.items()}
        return MappingProxyType({name: held for name, held in stats.items() if held.n})
