"""edge_affect: causal affect and driver-state estimates from camera and microphone.

The public names are loaded when they are first used, so that importing the package
costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_affect.affect_model import AffectModel
    from edge_affect.clock import Clock, SimClock, SystemClock
    from edge_affect.config import CameraMount, RealtimeSettings, StreamConfig
    from edge_affect.errors import (
        BundleError,
        ConfigError,
        DataError,
        EdgeAffectError,
        MissingDependencyError,
        NonFiniteError,
        PurposeError,
        RunnerError,
        SinkError,
        SourceError,
        StreamStateError,
        UsageError,
    )
    from edge_affect.events import Event
    from edge_affect.labels import ACTION_UNITS, DRIVER_SIGNALS, EXPRESSIONS, PURPOSES
    from edge_affect.pixels import PixelFormat
    from edge_affect.realtime.analysis import analyze
    from edge_affect.realtime.info import StreamInfo, StreamStats
    from edge_affect.realtime.replay import Decision, replay
    from edge_affect.realtime.stream import AffectStream
    from edge_affect.sinks.base import RunHeader, Sink
    from edge_affect.sinks.jsonl import JsonlSink
    from edge_affect.sources.base import AudioSource, Source, SourceInfo
    from edge_affect.types import (
        AudioChunk,
        Estimate,
        Face,
        Frame,
        Health,
        HealthState,
        StillEstimate,
    )

__version__ = "0.1.0"

_HOMES = {
    "affect_model": ("AffectModel",),
    "clock": ("Clock", "SimClock", "SystemClock"),
    "config": ("CameraMount", "RealtimeSettings", "StreamConfig"),
    "errors": (
        "BundleError",
        "ConfigError",
        "DataError",
        "EdgeAffectError",
        "MissingDependencyError",
        "NonFiniteError",
        "PurposeError",
        "RunnerError",
        "SinkError",
        "SourceError",
        "StreamStateError",
        "UsageError",
    ),
    "events": ("Event",),
    "labels": ("ACTION_UNITS", "DRIVER_SIGNALS", "EXPRESSIONS", "PURPOSES"),
    "pixels": ("PixelFormat",),
    "realtime.info": ("StreamInfo", "StreamStats"),
    "realtime.replay": ("Decision", "replay"),
    "realtime.analysis": ("analyze",),
    "realtime.stream": ("AffectStream",),
    "sinks.base": ("RunHeader", "Sink"),
    "sinks.jsonl": ("JsonlSink",),
    "sources.base": ("AudioSource", "Source", "SourceInfo"),
    "types": (
        "AudioChunk",
        "Estimate",
        "Face",
        "Frame",
        "Health",
        "HealthState",
        "StillEstimate",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ACTION_UNITS",
    "DRIVER_SIGNALS",
    "EXPRESSIONS",
    "PURPOSES",
    "AffectModel",
    "AffectStream",
    "AudioChunk",
    "AudioSource",
    "BundleError",
    "CameraMount",
    "Clock",
    "ConfigError",
    "DataError",
    "Decision",
    "EdgeAffectError",
    "Estimate",
    "Event",
    "Face",
    "Frame",
    "Health",
    "HealthState",
    "JsonlSink",
    "MissingDependencyError",
    "NonFiniteError",
    "PixelFormat",
    "PurposeError",
    "RealtimeSettings",
    "RunHeader",
    "RunnerError",
    "SimClock",
    "Sink",
    "SinkError",
    "Source",
    "SourceError",
    "SourceInfo",
    "StillEstimate",
    "StreamConfig",
    "StreamInfo",
    "StreamStateError",
    "StreamStats",
    "SystemClock",
    "UsageError",
    "analyze",
    "replay",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module when it is first used."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'edge_affect' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"edge_affect.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
