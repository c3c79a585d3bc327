from __future__ import annotations

import io
from typing import Any

from edge_affect.commands.table import second_line, table_lines
from edge_affect.commands.terminal import Terminal
from edge_affect.labels import ACTION_UNITS, DRIVER_SIGNALS
from edge_affect.realtime.budget import StageStats
from edge_affect.realtime.info import StreamInfo, StreamStats
from edge_affect.testing import make_estimate, make_lost_estimate
from edge_affect.types import Estimate, Health, HealthState

INFO = StreamInfo(
    source="simulated driver",
    audio="simulated driver",
    live=True,
    backend="fake",
    provider="FakeProvider",
    target="cpu-fp32",
    target_reason="the only one",
    bundle="fake 0.0.1",
    bundle_digest="ab" * 32,
    purpose="research",
)
STAGES = ("locate", "align", "face", "affect", "step", "voice")


def _stats(**changes: Any) -> StreamStats:
    values: dict[str, Any] = {
        "stages": {name: StageStats(9, 1.5, 9.5, 12.25, 14.0, 14.0) for name in STAGES},
        "captured": 10,
        "processed": 9,
        "dropped": {"late": 1, "surplus": 0},
        "misses": 2,
        "masked_hops": 0,
        "lost_samples": 0,
        "cells": 9,
        "skipped": 0,
        "consumer_dropped": 0,
        "face_ok_share": 1.0,
    }
    return StreamStats(**{**values, **changes})


def _lines(estimate: Estimate, stats: StreamStats | None = None) -> list[str]:
    return table_lines(Terminal(io.StringIO(), {}), INFO, estimate, stats or _stats())


def _full() -> Estimate:
    units = dict.fromkeys(ACTION_UNITS, 0.5)
    return make_estimate(action_units=units, driver=dict.fromkeys(DRIVER_SIGNALS, 1.0))


def test_table_shows_everything_at_a_glance() -> None:
    """Values, labels, units, age, percentiles per stage and drops are there."""
    table = "\n".join(_lines(_full()))
    for text in ("+0.25", "-0.50", "happiness", "AU26", "eyes closed", "age  12 ms"):
        assert text in table
    for text in ("p50 ms", "p99 ms", "12.25", "late 1 of 10 frames", "2 of 9 steps"):
        assert text in table
    assert "surplus" not in table


def test_table_fits_a_terminal_of_80_by_24() -> None:
    """Even with every head a bundle may have."""
    lines = _lines(_full())
    assert len(lines) <= 23
    assert max(map(len, lines)) < 80


def test_table_shows_the_unknown_as_such() -> None:
    """A lost cell has dashes and its reasons, no numbers."""
    lines = _lines(make_lost_estimate(), _stats(stages={}, dropped={}))
    table = "\n".join(lines)
    assert "face lost" in table
    assert "(no_face, no_sound)" in table
    assert "drops        none" in table
    assert [line.split()[1] for line in lines if line.startswith("valence")] == ["–"]


def test_table_draws_values_at_their_place() -> None:
    """The ends of the range are the ends of the scale; beyond it stays inside."""
    for value, column in ((-1.0, 0), (0.0, 15), (1.0, 30), (7.0, 30)):
        lines = _lines(make_estimate(valence=value, valence_std=None))
        marks = next(line for line in lines if line.startswith("valence")).split()[2]
        assert len(marks) == 31
        assert marks.index("o") == column


def test_second_line_says_the_same_in_one_line() -> None:
    """A log of a run is readable without a terminal."""
    health = Health(HealthState.OK, HealthState.STALE)
    line = second_line(make_estimate(59, health=health), _stats())
    assert line.split() == [
        *("2.0", "s", "valence", "+0.25", "arousal", "-0.50", "happiness"),
        *("age", "12", "ms", "face", "ok", "voice", "stale", "drops", "1"),
    ]
