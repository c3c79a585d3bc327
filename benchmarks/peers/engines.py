"""Run a peer's network by ONNX Runtime or by OpenCV, on one thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_affect.clock import NS_PER_MS, SystemClock

ONNX_RUNTIME, OPENCV = "onnxruntime", "opencv"
ENGINES = (ONNX_RUNTIME, OPENCV)
"""What a user would run a network by."""
TRIALS = 30
"""Times that each engine runs when the faster one is chosen."""

Array = NDArray[np.float32]
Network = Callable[[Array], list[Array]]
"""Takes the one input; returns the outputs in the order that they were asked for."""


def open_network(content: bytes, engine: str, outputs: tuple[str, ...]) -> Network:
    """Return what runs a graph.

    Args:
        content: The ONNX file.
        engine: One of ``ENGINES``.
        outputs: Names of what it returns.
    """
    return (_by_opencv if engine == OPENCV else _by_onnxruntime)(content, outputs)


def _by_onnxruntime(content: bytes, outputs: tuple[str, ...]) -> Network:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # old files list every weight as an input
    session = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return lambda given: list(session.run(list(outputs), {name: given}))


def _by_opencv(content: bytes, outputs: tuple[str, ...]) -> Network:
    net = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))

    def run(given: Array) -> list[Array]:
        net.setInput(given)
        # Its buffers are used again by the next call, which no caller waits for.
        return [np.asarray(out, np.float32) for out in net.forward(list(outputs))]

    return run


def median_ms(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Time calls in turns; return the median of each, ms."""
    clock = SystemClock()
    taken: dict[str, list[int]] = {name: [] for name in calls}
    for turn in range(TRIALS + 2):  # the first two warm up
        for name in calls if turn % 2 else reversed(list(calls)):
            start_ns = clock.now_ns()
            calls[name]()
            taken[name].append(clock.now_ns() - start_ns)
    return {name: float(np.median(ns[2:])) / NS_PER_MS for name, ns in taken.items()}
