"""Start another interpreter that finds this very edge_affect."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import edge_affect
from edge_affect.runners import TELEMETRY_VARIABLE


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Let a child find this very edge_affect, and keep ONNX Runtime to itself."""
    home = str(Path(edge_affect.__file__).parent.parent)
    path = [home, *filter(None, [environment.get("PYTHONPATH")])]
    return {
        TELEMETRY_VARIABLE: "1",
        **environment,
        "PYTHONPATH": os.pathsep.join(path),
    }
