"""Compare an exported graph with its torch module, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnxruntime
import torch

from edge_affect.errors import DataError
from quantize.graphs import Graph, next_state_name

STEPS = 200
"""Steps compared: random inputs, and for a graph with state one stream of them."""
FLOAT_TOLERANCE = 1e-3
"""Largest difference of a float graph's outputs (of order 1 to 20): two float32
implementations that sum in another order differ by 1e-5 here, a wrong layer by 1e-1."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far apart the two are."""

    steps: int
    """Steps compared."""
    largest: float
    """Largest absolute difference of any output or state."""
    where: str
    """Name of the output that differs most."""


def compare(graph: Graph, path: Path, steps: int = STEPS, seed: int = 0) -> Parity:
    """Run ``steps`` steps through both and return the largest difference.

    Each side carries its own state, so that a drift would add up.

    Raises:
        DataError: ONNX Runtime cannot load or run the file.
    """
    random = torch.Generator().manual_seed(seed)
    session = _open(path)
    ours = dict(graph.state)
    theirs = {name: value.numpy() for name, value in graph.state.items()}
    largest, where = 0.0, ""
    for _ in range(steps):
        drawn = graph.draw(random)
        with torch.no_grad():
            results = graph.module(*drawn.values(), *ours.values())
        named = dict(zip(graph.output_names, results, strict=True))
        feed = {name: value.numpy() for name, value in drawn.items()} | theirs
        got = dict(
            zip(graph.output_names, session.run(graph.output_names, feed), strict=True)
        )
        for name, value in named.items():
            difference = float((value - torch.from_numpy(got[name])).abs().max())
            if not difference <= largest:
                largest, where = difference, name
        ours = {name: named[next_state_name(name)] for name in ours}
        theirs = {name: got[next_state_name(name)] for name in theirs}
    return Parity(steps, largest, where)


def check_parity(graph: Graph, path: Path) -> Parity:
    """Compare, and refuse a float graph that is not its module.

    Raises:
        DataError: They differ by more than ``FLOAT_TOLERANCE``.
    """
    parity = compare(graph, path)
    if not parity.largest <= FLOAT_TOLERANCE:
        raise DataError(
            f"{path}: {parity.where} differs from torch by {parity.largest:.2g}, "
            f"expected at most {FLOAT_TOLERANCE:g}; do not ship it"
        )
    return parity


def _open(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's own errors share no narrower base
        raise DataError(f"{path}: ONNX Runtime refuses it ({error})") from error
