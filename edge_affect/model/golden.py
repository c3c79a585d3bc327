"""Golden inputs: replay what a bundle's graphs gave where it was packed."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import BundleError
from edge_affect.model.archive import open_archive
from edge_affect.model.bundle import Bundle
from edge_affect.model.entries import MAX_FILE_BYTES
from edge_affect.runners.base import Runner

GOLDEN_FILE = "golden.npz"
"""Name under which the recording is packed."""
INPUT, OUTPUT = "in", "out"

Recording = Mapping[str, NDArray[np.float32]]
"""Name of a tensor → ``(steps, *shape)`` float32, one after the other."""

_MEMBER = re.compile(rf"([a-z]+)\.({INPUT}|{OUTPUT})\.([a-z0-9_]+)\.npy")
_DTYPES = (np.dtype("<f4"), np.dtype("u1"))


@dataclass(frozen=True, slots=True)
class GoldenGraph:
    """What one graph was given, step by step, and what it gave."""

    inputs: Recording
    """Every input but the state, which begins with zeros."""
    outputs: Recording
    """Every output but the next state."""


def check_golden(bundle: Bundle, runner: Runner, target: str) -> Mapping[str, float]:
    """Run the golden inputs of ``bundle`` and hold the outputs against the golden ones.

    Args:
        bundle: What was packed.
        runner: Runs its graphs for ``target``.
        target: Whose tolerance holds.

    Returns:
        Largest error of each graph, as a share of the output's largest value or of 1.

    Raises:
        BundleError: It has no golden inputs, or an output is further off than the
            tolerance.
        RunnerError: A graph cannot be run, or gives NaN.
    """
    entry = bundle.manifest.golden
    if entry is None or target not in entry.tolerances:
        raise BundleError(
            f"{bundle.title}: has no golden inputs for {target}, so nobody can tell "
            "whether it computes right here; pack it again"
        )
    worst: dict[str, float] = {}
    for name, graph in load_golden(bundle.files[entry.entry.file]).items():
        for output, got in play(runner, name, graph.inputs).items():
            expected = graph.outputs.get(output)
            error = math.inf if expected is None else golden_error(got, expected)
            if not error <= entry.tolerances[target]:
                raise BundleError(
                    f"golden inputs: {name}.{output}: got an error of {error:.3g}, "
                    f"expected <= {entry.tolerances[target]:.3g} of {bundle.title} for "
                    f"{target}; it does not compute here what it did where it was made"
                )
            worst[name] = max(worst.get(name, 0.0), error)
    missing = runner.signatures.keys() - worst.keys()
    if missing:
        raise BundleError(f"golden inputs: hold nothing for {', '.join(missing)}")
    return MappingProxyType(worst)


def play(runner: Runner, graph: str, inputs: Recording) -> Recording:
    """Step ``graph`` through recorded inputs from a fresh state; return its outputs.

    Raises:
        RunnerError: The inputs are not the graph's, or it cannot be run.
    """
    state = runner.new_state()
    steps = min((len(values) for values in inputs.values()), default=0)
    given = [
        runner.step(state, graph, {name: inputs[name][step] for name in inputs})
        for step in range(steps)
    ]
    names = given[0] if given else ()
    return {name: np.stack([out[name] for out in given]) for name in names}


def load_golden(content: bytes) -> Mapping[str, GoldenGraph]:
    """Read a recording: an uncompressed or deflated ``.npz`` of plain arrays.

    Raises:
        BundleError: It is something else.
    """
    found: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    with open_archive(io.BytesIO(content), GOLDEN_FILE) as archive:
        for member in archive.names:
            match = _MEMBER.fullmatch(member)
            if not match:
                raise BundleError(f"{GOLDEN_FILE}: {member} is no GRAPH.in|out.TENSOR")
            graph, side, tensor = match.groups()
            inputs, outputs = found.setdefault(graph, ({}, {}))
            values = _array(archive.read(member, MAX_FILE_BYTES), member)
            (inputs if side == INPUT else outputs)[tensor] = values
    return {
        graph: GoldenGraph(inputs, outputs)
        for graph, (inputs, outputs) in found.items()
    }


def golden_error(got: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the largest error as a share of the largest expected value, or of 1."""
    if got.shape != expected.shape:
        return math.inf
    scale = max(1.0, float(np.abs(expected).max()))
    return float(np.abs(got - expected).max()) / scale


def _array(content: bytes, member: str) -> NDArray[np.float32]:
    """Read numpy's format by its header alone: no pickle, no size believed."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
        values = np.frombuffer(content, dtype, offset=file.tell()).reshape(shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise BundleError(f"{member}: is no array ({error!s:.100})") from error
    if version != (1, 0) or is_fortran or dtype not in _DTYPES or not shape:
        raise BundleError(
            f"{member}: got {dtype} {shape}, expected steps of float32 or uint8"
        )
    return values.astype(np.float32)
