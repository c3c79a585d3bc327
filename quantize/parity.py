"""Compare an exported graph with its torch module, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from edge_affect.errors import DataError
from quantize.graphs import Graph, next_state_name
from quantize.quantizers import INT8_TARGETS

STEPS = 200
"""Steps compared: random inputs, and for a graph with state one stream of them."""
FLOAT_TOLERANCE = 1e-3
"""Largest difference of a float graph's outputs (of order 1 to 20): two float32
implementations that sum in another order differ by 1e-5 here, a wrong layer by 1e-1."""
HALF_TOLERANCE = 0.1
"""The same for float16, whose 11 bits leave 5e-4 of each value, layer after layer."""
MEAN_SHARE = 0.01
"""Largest mean difference of an int8 graph's output, as a share of its range. A value
between two steps may be rounded either way, so single ones differ by a step."""
CLASSES = ("expression", "emotion")
"""Outputs whose largest value is what counts."""
LEVELS = 255
"""Steps of an output's range that a margin is measured in."""
SURE_STEPS = 2
"""Margin between the two largest logits, in steps, from which the class must agree."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far apart the two are."""

    steps: int
    """Steps compared."""
    largest: float
    """Largest absolute difference of any output or state."""
    where: str
    """Name of the output that differs most."""
    mean_share: float
    """Largest over the outputs: mean difference, as a share of the output's range."""
    flipped: int
    """Steps whose likeliest class differs although torch was sure of it."""


def compare(
    graph: Graph, path: Path, steps: int = STEPS, seed: int = 0, *, plain: bool = True
) -> Parity:
    """Run ``steps`` steps through both and return how far they are apart.

    Each side carries its own state, so that a drift would add up.

    Args:
        graph: The torch module and what it takes.
        path: Its exported file.
        steps: How many.
        seed: Of the inputs.
        plain: Whether ONNX Runtime runs the graph as it is written, without its
            optimisations, some of which round elsewhere.

    Raises:
        DataError: ONNX Runtime cannot load or run the file.
    """
    pairs = list(_steps(graph, path, steps, seed, plain=plain))
    largest, where, share, flipped = 0.0, "", 0.0, 0
    for name in graph.output_names:
        ours = np.stack([one[name] for one, _ in pairs])
        theirs = np.stack([other[name] for _, other in pairs])
        difference = np.abs(ours - theirs)
        if not float(difference.max()) <= largest:
            largest, where = float(difference.max()), name
        span = max(float(ours.max() - ours.min()), 1e-9)
        share = max(share, float(difference.mean()) / span)
        if name in CLASSES:
            flipped += _flips(ours, theirs)
    return Parity(steps, largest, where, share, flipped)


def _flips(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> int:
    step = float(ours.max() - ours.min()) / LEVELS
    ordered = np.sort(ours, axis=-1)
    sure = ordered[..., -1] - ordered[..., -2] > SURE_STEPS * step
    differs = ours.argmax(axis=-1) != theirs.argmax(axis=-1)
    return int((sure & differs).sum())


_Values = dict[str, NDArray[np.float32]]


def _steps(
    graph: Graph, path: Path, steps: int, seed: int, *, plain: bool
) -> Iterator[tuple[_Values, _Values]]:
    """Yield what torch and what the file say at each step, by output's name."""
    random = torch.Generator().manual_seed(seed)
    session = _open(path, plain=plain)
    ours = dict(graph.state)
    theirs = {name: value.numpy() for name, value in graph.state.items()}
    for _ in range(steps):
        drawn = graph.draw(random)
        with torch.no_grad():
            results = graph.module(*drawn.values(), *ours.values())
        named = dict(zip(graph.output_names, results, strict=True))
        feed = {name: value.numpy() for name, value in drawn.items()} | theirs
        got = dict(
            zip(graph.output_names, session.run(graph.output_names, feed), strict=True)
        )
        yield {name: value.numpy() for name, value in named.items()}, got
        ours = {name: named[next_state_name(name)] for name in ours}
        theirs = {name: got[next_state_name(name)] for name in theirs}


def check_parity(
    graph: Graph, path: Path, target: str = "cpu-fp32", steps: int = STEPS
) -> Parity:
    """Compare, and refuse a graph that is not its module.

    Raises:
        DataError: They differ by more than the target's tolerance.
    """
    parity = compare(graph, path, steps)
    if target in INT8_TARGETS:
        if parity.mean_share > MEAN_SHARE or parity.flipped:
            raise DataError(
                f"{path}: differs from torch by {parity.mean_share:.2%} of an output's "
                f"range on average and in {parity.flipped} sure classes, expected at "
                f"most {MEAN_SHARE:.0%} and none; do not ship it"
            )
        return parity
    tolerance = HALF_TOLERANCE if target == "trt-fp16" else FLOAT_TOLERANCE
    if not parity.largest <= tolerance:
        raise DataError(
            f"{path}: {parity.where} differs from torch by {parity.largest:.2g}, "
            f"expected at most {tolerance:g}; do not ship it"
        )
    return parity


def _open(path: Path, *, plain: bool) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if plain:
        level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.graph_optimization_level = level
    try:
        return onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's own errors share no narrower base
        raise DataError(f"{path}: ONNX Runtime refuses it ({error})") from error
