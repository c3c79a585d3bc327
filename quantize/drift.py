"""Whether an int8 graph's state wanders off from the float network's in a long stream.

Both sides step through the same stream, each with its own state. What rounding does in
one step stays bounded; a state that takes it up and keeps it would show as a difference
that grows from block to block, and as one that silence does not undo.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from edge_affect.errors import DataError
from quantize.differences import Difference
from quantize.graphs import Graph, next_state_name
from quantize.sides import FileSide, ModuleSide, Side, Values
from quantize.streams import Material


@dataclass(frozen=True, slots=True)
class DriftConfig:
    """How long the stream is."""

    steps: int = 10_000
    """Steps of training material."""
    block: int = 1_000
    """Steps that are summed up together."""
    silence: int = 500
    """Steps of silence, or without any face and voice, that follow."""


@dataclass(frozen=True, slots=True)
class TensorDrift:
    """How far one output, or next state, lies from the float network's."""

    span: float
    """Range of the float network's values over all steps."""
    mean_shares: tuple[float, ...]
    """Of each block: mean difference, as a share of ``span``."""
    largest_shares: tuple[float, ...]
    """Of each block: largest difference, as a share of ``span``."""


@dataclass(frozen=True, slots=True)
class StateDecay:
    """What silence leaves of one state tensor."""

    apart_share: float
    """Largest difference from the float network's after the silence, as a share of the
    range that it had in the stream."""
    float_norm: float
    """Length of the float network's state after the silence."""
    int8_norm: float
    """Length of the file's."""
    float_left: float
    """Distance of the float network's state from that of a fresh one after the same
    silence, as a share of what it was before: 0 has forgotten, 1 nothing."""
    int8_left: float
    """The same of the file."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How an int8 graph went beside the float network."""

    steps: int
    block: int
    silence: int
    tensors: dict[str, TensorDrift]
    """Output, or next state → its differences."""
    decay: dict[str, StateDecay]
    """State input → what silence leaves of it."""


def measure_drift(
    graph: Graph, path: Path, material: Material, config: DriftConfig
) -> Drift:
    """Run the float network and a file side by side, then let both hear nothing.

    The file runs as it does on a device, optimised by ONNX Runtime.

    Args:
        graph: The float network.
        path: The file, usually ``cpu-int8``.
        material: What they are given.
        config: For how long.

    Raises:
        DataError: The file cannot be run, is another graph's, or gives NaN.
    """
    sides = ModuleSide(graph), FileSide(graph, path, plain=False)
    fresh = ModuleSide(graph), FileSide(graph, path, plain=False)
    total = config.steps + config.silence
    with tqdm(total=total, desc="drift", leave=False, disable=None) as bar:
        blocks = list(_blocks(graph, sides, material, config, bar.update))
        tensors = {name: _tensor([b[name] for b in blocks]) for name in blocks[0]}
        before = tuple(side.state for side in sides)
        for _ in range(config.silence):
            for side in (*sides, *fresh):
                side.step(material.nothing)
            bar.update()
    decay = {
        name: _decay(name, sides, fresh, before, tensors[next_state_name(name)].span)
        for name in graph.state
    }
    return Drift(config.steps, config.block, config.silence, tensors, decay)


def _blocks(
    graph: Graph,
    sides: tuple[Side, Side],
    material: Material,
    config: DriftConfig,
    passed: Callable[[], object],
) -> Iterator[dict[str, Difference]]:
    for start in range(0, config.steps, config.block):
        apart = {name: Difference() for name in graph.output_names}
        steps = min(config.block, config.steps - start)
        for given in itertools.islice(material.stream, steps):
            ours, theirs = (side.step(given) for side in sides)
            for name, difference in apart.items():
                difference.add(ours[name], theirs[name])
            passed()
        for name, difference in apart.items():
            if not np.isfinite(difference.largest):
                raise DataError(
                    f"drift: {name} became NaN or infinite within the first "
                    f"{start + steps} steps; do not ship this file"
                )
        yield apart


def _tensor(blocks: list[Difference]) -> TensorDrift:
    whole = Difference(min(b.low for b in blocks), max(b.high for b in blocks))
    return TensorDrift(
        whole.span,
        tuple(block.mean / whole.span for block in blocks),
        tuple(block.largest / whole.span for block in blocks),
    )


def _decay(
    name: str,
    sides: tuple[Side, Side],
    fresh: tuple[Side, Side],
    before: tuple[Values, ...],
    span: float,
) -> StateDecay:
    ours, theirs = (side.state[name] for side in sides)
    # A fresh state is zeros, so what it was before is its length.
    left = [
        float(np.linalg.norm(side.state[name] - new.state[name]))
        / max(float(np.linalg.norm(old[name])), 1e-9)
        for side, new, old in zip(sides, fresh, before, strict=True)
    ]
    norms = [float(np.linalg.norm(state)) for state in (ours, theirs)]
    return StateDecay(float(np.abs(ours - theirs).max()) / span, *norms, *left)


def drift_table(graph: str, drift: Drift) -> str:
    """Return the shares of the range, in per cent, as Markdown tables."""
    count = len(next(iter(drift.tensors.values())).mean_shares)
    rows = [["tensor", *(str(number + 1) for number in range(count)), "largest"]]
    for name, tensor in drift.tensors.items():
        means = [f"{100 * share:.3f}" for share in tensor.mean_shares]
        rows.append([name, *means, f"{100 * max(tensor.largest_shares):.2f}"])
    states = [["state", "apart", "float length", "length", "float left", "left"]]
    for name, one in drift.decay.items():
        lengths = [f"{one.float_norm:.4f}", f"{one.int8_norm:.4f}"]
        left = [f"{one.float_left:.1e}", f"{one.int8_left:.1e}"]
        states.append([name, f"{100 * one.apart_share:.3f}", *lengths, *left])
    return (
        f"### {graph}: mean difference by {drift.block} of {drift.steps} steps, % of "
        f"the range\n\n{_table(rows)}\nAfter {drift.silence} steps of nothing:\n\n"
        f"{_table(states)}\n"
    )


def _table(rows: list[list[str]]) -> str:
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in rows)
