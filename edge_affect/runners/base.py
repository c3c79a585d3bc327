"""What every runner promises, and the checks that all of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import NonFiniteError, RunnerError

Tensors = Mapping[str, NDArray[np.float32]]
STATE_PREFIX = "state_"
NEXT_STATE_PREFIX = "next_state_"


@dataclass(frozen=True, slots=True)
class GraphFile:
    """One verified graph of a bundle, as bytes."""

    name: str
    """Role of the graph: locator, face, voice or affect."""
    content: bytes
    """The ONNX file; its digest was checked."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Names and shapes of a graph's tensors, float32 throughout."""

    inputs: dict[str, tuple[int, ...]]
    """Every input but the state."""
    outputs: dict[str, tuple[int, ...]]
    """Every output but the next state."""
    state: dict[str, tuple[int, ...]]
    """State tensors by their input names, ``state_…``."""


@dataclass(slots=True)
class StreamState:
    """All recurrent state of one stream; opaque to everyone but its runner."""

    tensors: dict[str, dict[str, NDArray[np.float32]]] = field(default_factory=dict)
    """Graph → state input name → value, where the runner keeps it on the host."""


class Runner(ABC):
    """Runs a group of graphs; shared by streams, each with its own ``StreamState``.

    The base checks names, shapes, dtypes and finiteness; a subclass works.
    """

    def __init__(self, signatures: dict[str, Signature]) -> None:
        self._signatures = signatures

    @property
    @abstractmethod
    def backend(self) -> str:
        """Name of the backend: ``onnxruntime`` or ``tensorrt``."""

    @property
    @abstractmethod
    def provider(self) -> str:
        """The provider that really runs the graphs."""

    @property
    def signatures(self) -> dict[str, Signature]:
        """Signature of each graph."""
        return self._signatures

    def new_state(self) -> StreamState:
        """Return the state of a stream that has seen nothing: zeros."""
        state = StreamState()
        for graph in self._signatures:
            self.reset(state, graph)
        return state

    def reset(self, state: StreamState, which: str) -> None:
        """Make graph ``which`` forget what it saw in ``state``."""
        state.tensors[which] = {
            name: np.zeros(shape, np.float32)
            for name, shape in self._signatures[which].state.items()
        }

    def step(
        self,
        state: StreamState,
        which: str,
        inputs: Tensors,
        outputs: tuple[str, ...] | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        """Run graph ``which`` once and commit its next state.

        Args:
            state: The stream's state; replaced only when every output is finite.
            which: Name of the graph.
            inputs: Every input tensor of the graph but its state.
            outputs: Names wanted; None for all.

        Returns:
            The outputs asked for, newly made.

        Raises:
            RunnerError: A name, shape or dtype does not fit, or the graph failed.
            NonFiniteError: An input or output holds NaN or infinity; ``state`` is as
                it was.
        """
        signature = self._signatures.get(which)
        if signature is None:
            raise RunnerError(
                f"graph: got {which!r}, expected one of {', '.join(self._signatures)}"
            )
        _check(which, "input", inputs, signature.inputs)
        wanted = tuple(signature.outputs) if outputs is None else outputs
        unknown = [name for name in wanted if name not in signature.outputs]
        if unknown:
            raise RunnerError(
                f"{which}: has no output {unknown[0]!r}; "
                f"expected some of {', '.join(signature.outputs)}"
            )
        results, next_state = self._step(state, which, inputs)
        for name, value in (*results.items(), *next_state.items()):
            if not np.isfinite(value).all():
                raise NonFiniteError(
                    f"{which}: output {name!r} is not finite; the state was kept"
                )
        self._commit(state, which, next_state)
        return {name: results[name] for name in wanted}

    @abstractmethod
    def _step(
        self, state: StreamState, which: str, inputs: Tensors
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
        """Return the outputs, and the next state by its ``state_…`` names."""

    def _commit(
        self, state: StreamState, which: str, next_state: dict[str, NDArray[np.float32]]
    ) -> None:
        state.tensors[which] = next_state

    @abstractmethod
    def close(self) -> None:
        """Release the graphs; idempotent."""


def _check(
    which: str, kind: str, given: Tensors, expected: dict[str, tuple[int, ...]]
) -> None:
    if given.keys() != expected.keys():
        raise RunnerError(
            f"{which}: got the {kind}s {', '.join(sorted(given))}, "
            f"expected {', '.join(sorted(expected))}"
        )
    for name, value in given.items():
        shape = expected[name]
        if value.shape != shape or value.dtype != np.float32:
            raise RunnerError(
                f"{which}: {kind} {name!r}: got {value.dtype} {value.shape}, "
                f"expected float32 {shape}"
            )
        if not np.isfinite(value).all():
            raise NonFiniteError(f"{which}: {kind} {name!r} is not finite")
