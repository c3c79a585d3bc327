"""Record golden inputs and outputs of graphs, and how far each target may be off."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import TARGETS
from edge_affect.model.entries import GRAPH_NAMES
from edge_affect.model.golden import (
    INPUT,
    OUTPUT,
    Recording,
    golden_error,
    play,
)
from edge_affect.model.onnxscan import scan_graph
from edge_affect.runners.base import GraphFile, Runner
from edge_affect.runners.onnxruntime import OnnxRunner

REFERENCE = "cpu-fp32"
"""Target whose outputs are the golden ones, where a bundle has it."""
STEPS = 4
"""Steps of each graph: enough for a state to matter."""
MARGIN = 3.0
"""A target may be so many times further off than it was where it was packed: other
processors, and TensorRT, round otherwise."""
LEAST = {"cpu-fp32": 1e-3, "trt-fp16": 1e-2, "cpu-int8": 3e-2, "trt-int8": 3e-2}
"""Tolerance of each target at least; float differs by 1e-5 between processors."""
MOST = 0.5
"""Tolerance at most: beyond it anything would do."""

_SEED = 20
_BLOCK = 8
"""Side of the squares that a seeded picture is made of, pixels."""


def record_golden(
    files: Mapping[str, bytes],
) -> tuple[bytes, Mapping[str, float]]:
    """Run seeded inputs through every graph by ONNX Runtime.

    Args:
        files: ``GRAPH.TARGET.onnx`` → content.

    Returns:
        The recording as ``.npz``, and the tolerance of each target that every graph
        was made for.

    Raises:
        BundleError: A file is no plain graph.
        RunnerError: ONNX Runtime cannot run one.
    """
    for name, content in files.items():
        scan_graph(content, name)  # nothing unseen reaches a parser, here neither
    graphs = sorted({name.split(".")[0] for name in files}, key=GRAPH_NAMES.index)
    targets = [t for t in TARGETS if all(f"{g}.{t}.onnx" in files for g in graphs)]
    if not targets:
        return b"", {}
    reference = REFERENCE if REFERENCE in targets else targets[0]
    inputs: dict[str, Recording] = {}
    golden: dict[str, Recording] = {}
    runner = _runner(files, graphs, reference)
    for graph in graphs:
        inputs[graph] = _inputs(runner, graph, golden)
        golden[graph] = play(runner, graph, inputs[graph])
    runner.close()
    tolerances = {
        target: _tolerance(_runner(files, graphs, target), target, inputs, golden)
        for target in targets
    }
    return _packed(inputs, golden), tolerances


def _runner(files: Mapping[str, bytes], graphs: Sequence[str], target: str) -> Runner:
    return OnnxRunner([GraphFile(g, files[f"{g}.{target}.onnx"]) for g in graphs])


def _inputs(runner: Runner, graph: str, golden: Mapping[str, Recording]) -> Recording:
    """Return seeded inputs of the kinds that the graph is given on a device."""
    random = np.random.default_rng([_SEED, *graph.encode()])
    inputs = {}
    for name, shape in runner.signatures[graph].inputs.items():
        source = name.removesuffix("_embedding")
        if len(shape) == 4:
            inputs[name] = _pictures(random, shape)
        elif name.endswith("_valid"):
            inputs[name] = (np.arange(STEPS) != 1).astype(np.float32).reshape(-1, 1, 1)
        elif name.endswith("_age"):
            ages = random.uniform(0, 0.3, (STEPS, *shape))
            inputs[name] = ages.astype(np.float32)
        elif source != name and source in golden:
            inputs[name] = golden[source]["embedding"]
        else:
            inputs[name] = random.normal(size=(STEPS, *shape)).astype(np.float32)
    return inputs


def _pictures(
    random: np.random.Generator, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return ``(STEPS, *shape)`` pictures of grey squares, whole numbers in 0–255."""
    *front, height, width = shape
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    squares = random.integers(0, 256, (STEPS, *front, rows, columns))
    large = squares.repeat(_BLOCK, axis=-2).repeat(_BLOCK, axis=-1)
    return large[..., :height, :width].astype(np.float32)


def _tolerance(
    runner: Runner,
    target: str,
    inputs: Mapping[str, Recording],
    golden: Mapping[str, Recording],
) -> float:
    worst = 0.0
    for graph, given in inputs.items():
        for name, got in play(runner, graph, given).items():
            worst = max(worst, golden_error(got, golden[graph][name]))
    runner.close()
    return round(min(MOST, max(LEAST[target], MARGIN * worst)), 4)


def _packed(inputs: Mapping[str, Recording], outputs: Mapping[str, Recording]) -> bytes:
    arrays: dict[str, NDArray[np.float32] | NDArray[np.uint8]] = {}
    for graph, given in inputs.items():
        for name, values in given.items():
            is_picture = values.ndim == 5
            kept = values.astype(np.uint8) if is_picture else values
            arrays[f"{graph}.{INPUT}.{name}"] = kept
        for name, values in outputs[graph].items():
            arrays[f"{graph}.{OUTPUT}.{name}"] = values
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()
