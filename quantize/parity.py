"""Compare an exported graph with its torch module, step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from edge_affect.errors import DataError
from quantize.differences import ClassFlips, Difference
from quantize.graphs import Graph
from quantize.quantizers import INT8_TARGETS
from quantize.sides import FileSide, ModuleSide

STEPS = 200
"""Steps compared: random inputs, and for a graph with state one stream of them."""
HALF_TOLERANCE = 0.1
"""Largest difference of a float16 graph: its 11 bits leave 5e-4 of each value, layer
after layer."""
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
        DataError: ONNX Runtime cannot load the file, or it is another graph's.
    """
    random = torch.Generator().manual_seed(seed)
    sides = ModuleSide(graph), FileSide(graph, path, plain=plain)
    apart = {name: Difference() for name in graph.output_names}
    flips = {name: ClassFlips() for name in graph.output_names if name in CLASSES}
    for _ in tqdm(range(steps), desc="parity", leave=False, disable=None):
        drawn = {name: value.numpy() for name, value in graph.draw(random).items()}
        ours, theirs = (side.step(drawn) for side in sides)
        for name, difference in apart.items():
            difference.add(ours[name], theirs[name])
        for name, flipped in flips.items():
            flipped.add(ours[name], theirs[name])
    return _summed(steps, apart, flips)


def _summed(
    steps: int, apart: dict[str, Difference], flips: dict[str, ClassFlips]
) -> Parity:
    shares = [difference.mean / difference.span for difference in apart.values()]
    # A NaN counts as farther apart than any number: it must not hide behind one.
    where = max(apart, key=lambda name: _farness(apart[name].largest))
    flipped = sum(
        flip.over(SURE_STEPS * apart[name].span / LEVELS)
        for name, flip in flips.items()
    )
    return Parity(
        steps, apart[where].largest, where, max(shares, key=_farness), flipped
    )


def _farness(value: float) -> float:
    return math.inf if math.isnan(value) else value


def check_parity(
    graph: Graph, path: Path, target: str = "cpu-fp32", steps: int = STEPS
) -> Parity:
    """Compare, and refuse a graph that is not its module.

    Raises:
        DataError: They differ by more than the target's tolerance.
    """
    parity = compare(graph, path, steps)
    if target in INT8_TARGETS:
        if not parity.mean_share <= MEAN_SHARE or parity.flipped:
            raise DataError(
                f"{path}: differs from torch by {parity.mean_share:.2%} of an output's "
                f"range on average and in {parity.flipped} sure classes, expected at "
                f"most {MEAN_SHARE:.0%} and none; do not ship it"
            )
        return parity
    tolerance = HALF_TOLERANCE if target == "trt-fp16" else graph.tolerance
    if not parity.largest <= tolerance:
        raise DataError(
            f"{path}: {parity.where} differs from torch by {parity.largest:.2g}, "
            f"expected at most {tolerance:g}; do not ship it"
        )
    return parity
