"""Run every graph of a bundle, to see that the runtime works."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_affect.clock import NS_PER_MS, SystemClock
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.runners.base import Runner
from edge_affect.runners.select import make_runner


def time_graphs(bundle: Bundle | None = None) -> dict[str, Any]:
    """Return what runs a bundle, and how long a step of each of its graphs takes.

    Args:
        bundle: None for the shipped one.

    Raises:
        EdgeAffectError: The bundle or the runner does not work.
    """
    bundle = bundle or load_bundle()
    # TensorRT would build its engines first, for minutes: that is `edge-affect build`.
    runner, choice = make_runner("onnxruntime", bundle)
    times = {graph: _step_ms(runner, graph) for graph in runner.signatures}
    runner.close()
    return {
        "bundle": f"{bundle.manifest.name} {bundle.manifest.version}",
        "digest": bundle.digest,
        "backend": runner.backend,
        "provider": runner.provider,
        "target": choice.target,
        "reason": choice.reason,
        "step_ms": times,
    }


def _step_ms(runner: Runner, graph: str) -> float:
    """Time a second step on zeros; the first one also warms up."""
    clock = SystemClock()
    shapes = runner.signatures[graph].inputs
    inputs = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    state = runner.new_state()
    runner.step(state, graph, inputs)
    start_ns = clock.now_ns()
    runner.step(state, graph, inputs)
    return (clock.now_ns() - start_ns) / NS_PER_MS
