"""Estimates and run headers with values that a test can state."""

from __future__ import annotations

from typing import Any

from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.labels import EXPRESSIONS
from edge_affect.sinks.base import RunHeader
from edge_affect.sinks.record import SCHEMA
from edge_affect.types import Estimate, Health, HealthState


def make_estimate(index: int = 0, **changes: Any) -> Estimate:
    """Return a healthy estimate of cell ``index``, some of its fields changed."""
    t_ms = (index + 0.5) * 1_000 / 30
    shares = dict.fromkeys(EXPRESSIONS, 0.05) | {"happiness": 0.65}
    values: dict[str, Any] = {
        "index": index,
        "t_ns": NS_PER_S + round(t_ms * NS_PER_MS),
        "t_ms": t_ms,
        "age_ms": 12.5,
        "held": False,
        "rung": 0,
        "health": Health(HealthState.OK, HealthState.OK),
        "valence": 0.25,
        "arousal": -0.5,
        "valence_std": 0.1,
        "arousal_std": 0.2,
        "valence_ahead": 0.3,
        "arousal_ahead": -0.4,
        "expression": shares,
        "confidence": 0.65,
        "frame": index,
        "hop": index // 3,
    }
    return Estimate(**{**values, **changes})


def make_lost_estimate(index: int = 0) -> Estimate:
    """Return the estimate of a cell about which nothing is known."""
    health = Health(HealthState.LOST, HealthState.LOST, ("no_face", "no_sound"))
    t_ms = (index + 0.5) * 1_000 / 30
    t_ns = NS_PER_S + round(t_ms * NS_PER_MS)
    return Estimate(index, t_ns, t_ms, 0.0, held=True, rung=0, health=health)


def make_header(**changes: Any) -> RunHeader:
    """Return a run header, some of its fields changed."""
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "version": "0.0.0",
        "bundle": "fake 0.0.1",
        "bundle_digest": "ab" * 32,
        "backend": "fake",
        "provider": "FakeProvider",
        "target": "cpu-fp32",
        "purpose": "research",
        "source": "scripted",
        "audio": None,
        "mount": {"yaw_deg": 0.0},
        "t0_ns": NS_PER_S,
        "cell_hz": (30, 1),
        "utc_offset_ns": 1_750_000_000 * NS_PER_S,
        "utc_source": "system",
    }
    return RunHeader(**{**values, **changes})
