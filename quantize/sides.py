"""The two sides of a comparison: a graph's torch module and a file, each with a state.

Both take a step's inputs by name and carry their own state on, so that whatever drifts
apart adds up as it would on a device.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from edge_affect.errors import DataError
from quantize.graphs import Graph, next_state_name

Values = Mapping[str, NDArray[np.float32]]
"""Tensors of one step by their names in the graph."""


class Side(Protocol):
    """One of the two."""

    state: Values
    """State by its input names; replaced, never changed, by ``step``."""

    def step(self, inputs: Values) -> Values:
        """Take a step on every input but the state; return every output."""


class ModuleSide:
    """A graph's torch module."""

    def __init__(self, graph: Graph) -> None:
        """Begin with the state of a stream that has seen nothing."""
        self._graph = graph
        self.state: Values = {name: t.numpy() for name, t in graph.state.items()}

    def step(self, inputs: Values) -> Values:
        """Take a step on every input but the state; return every output."""
        given = [torch.from_numpy(inputs[name]) for name in self._graph.inputs]
        given += [torch.from_numpy(self.state[name]) for name in self._graph.state]
        with torch.no_grad():
            results = self._graph.module(*given)
        named = {
            name: value.numpy()
            for name, value in zip(self._graph.output_names, results, strict=True)
        }
        self.state = {name: named[next_state_name(name)] for name in self.state}
        return named


class FileSide:
    """A graph's file, run by ONNX Runtime on one thread."""

    def __init__(self, graph: Graph, path: Path, *, plain: bool) -> None:
        """Open the file, with the state of a stream that has seen nothing.

        Args:
            graph: What it is a file of.
            path: The file.
            plain: Whether it runs as it is written, without ONNX Runtime's
                optimisations, some of which round elsewhere.

        Raises:
            DataError: ONNX Runtime cannot load it, or it is another graph's.
        """
        self._names = graph.output_names
        self._session = _open(path, plain=plain)
        self.state: Values = {name: t.numpy() for name, t in graph.state.items()}
        _check_tensors(graph, path, self._session)

    def step(self, inputs: Values) -> Values:
        """Take a step on every input but the state; return every output."""
        results = self._session.run(self._names, {**inputs, **self.state})
        named = dict(zip(self._names, results, strict=True))
        self.state = {name: named[next_state_name(name)] for name in self.state}
        return named


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
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # onnxruntime's own errors share no narrower base
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: ONNX Runtime refuses it ({reason})") from error


def _check_tensors(
    graph: Graph, path: Path, session: onnxruntime.InferenceSession
) -> None:
    drawn = graph.draw(torch.Generator().manual_seed(0)) | graph.state
    expected = {name: list(value.shape) for name, value in drawn.items()}
    got = {value.name: value.shape for value in session.get_inputs()}
    if got != expected:
        raise DataError(
            f"{path}: takes {_told(got)}, but the {graph.name} graph of this "
            f"checkpoint takes {_told(expected)}; name the file that was exported of it"
        )
    lacking = {*graph.output_names} - {value.name for value in session.get_outputs()}
    if lacking:
        raise DataError(
            f"{path}: lacks the outputs {', '.join(sorted(lacking))} of the "
            f"{graph.name} graph; name the file that was exported of it, and the "
            "--heads it was exported with"
        )


def _told(shapes: Mapping[str, list[int]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())
