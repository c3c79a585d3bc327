"""Fakes for tests: scripted sources, a runner and a model of known arithmetic.

Only tests and benchmarks import this package.
"""

from __future__ import annotations

from edge_affect.testing.clock import EventClock
from edge_affect.testing.model import (
    CentreLocator,
    FakeModel,
    FakeRunner,
    make_manifest,
)
from edge_affect.testing.sources import (
    ScriptedMicrophone,
    ScriptedSource,
    camera_script,
    device_lost,
    make_chunk,
    make_frame,
)
from edge_affect.testing.values import (
    make_estimate,
    make_header,
    make_lost_estimate,
)

__all__ = [
    "CentreLocator",
    "EventClock",
    "FakeModel",
    "FakeRunner",
    "ScriptedMicrophone",
    "ScriptedSource",
    "camera_script",
    "device_lost",
    "make_chunk",
    "make_estimate",
    "make_frame",
    "make_header",
    "make_lost_estimate",
    "make_manifest",
]
