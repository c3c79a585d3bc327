"""What every runner promises, and the checks that all of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import NonFiniteError, RunnerError

Tensors = Mapping[str, NDArray[np.float32]]
Stepped = tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]
"""Outputs of a step, and the next state by its ``state_…`` names."""
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


@dataclass(frozen=True, slots=True)
class Link:
    """An output of one graph that is an input of a later one."""

    source: str
    """Graph that gives the tensor."""
    output: str
    """Its output."""
    sink: str
    """Graph that takes it; comes after ``source``."""
    input: str
    """Its input."""


class GraphSet(Protocol):
    """What a runner needs of a bundle."""

    @property
    def digest(self) -> str:
        """SHA-256 that names the bundle, hex."""

    @property
    def default_target(self) -> str:
        """Target that runs where nothing faster was measured."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Targets that every graph was made for."""

    @property
    def links(self) -> tuple[Link, ...]:
        """Links between its graphs."""

    def graphs_for(self, target: str) -> list[GraphFile]:
        """Return every graph as made for ``target``; raises BundleError."""


@dataclass(slots=True)
class StreamState:
    """All recurrent state of one stream; opaque to everyone but its runner."""

    tensors: dict[str, dict[str, NDArray[np.float32]]] = field(default_factory=dict)
    """Graph → state input name → value, where the runner keeps it on the host."""


class Runner(ABC):
    """Runs a group of graphs; shared by streams, each with its own ``StreamState``.

    The base checks names, shapes, dtypes and finiteness; a subclass works.
    """

    def __init__(
        self, signatures: dict[str, Signature], links: Sequence[Link] = ()
    ) -> None:
        """Take what the graphs are.

        Args:
            signatures: Graph → its tensors, in the order in which graphs are stepped.
            links: Which outputs ``step_linked`` hands from graph to graph.

        Raises:
            RunnerError: A link fits no graph, name or shape.
        """
        for link in links:
            _check_link(link, signatures)
        self._signatures = signatures
        self._links = tuple(links)

    @property
    @abstractmethod
    def backend(self) -> str:
        """Name of the backend: ``onnxruntime`` or ``tensorrt``."""

    @property
    @abstractmethod
    def provider(self) -> str:
        """The provider that really runs the graphs."""

    @property
    def launches_links(self) -> bool:
        """Whether linked graphs stepped together take one launch in place of many."""
        return False

    @property
    def links(self) -> tuple[Link, ...]:
        """Which outputs ``step_linked`` hands from graph to graph."""
        return self._links

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

    def export_state(
        self, state: StreamState, which: str
    ) -> dict[str, NDArray[np.float32]]:
        """Return a copy of what graph ``which`` remembers, by its ``state_…`` names."""
        return {name: value.copy() for name, value in state.tensors[which].items()}

    def interrupt(self, state: StreamState) -> None:  # noqa: B027 - a GPU goes on
        """Make the graph that runs on ``state`` now fail, where the backend can.

        From any thread; other streams of the runner go on.
        """

    def keep_warm(self, state: StreamState) -> None:  # noqa: B027 - a host has no sleep
        """Run what ``state`` has on a device once, so that its next step is no slower.

        No state changes. For a stream that has not stepped for a while; where nothing
        falls asleep there is nothing to do.
        """

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
        signature = self._signature(which)
        wanted = tuple(signature.outputs) if outputs is None else outputs
        unknown = [name for name in wanted if name not in signature.outputs]
        _check(which, "input", inputs, signature.inputs)
        if unknown:
            raise RunnerError(
                f"{which}: has no output {unknown[0]!r}; "
                f"expected some of {', '.join(signature.outputs)}"
            )
        results = self._run(state, {which: inputs})[which]
        return {name: results[name] for name in wanted}

    def step_linked(
        self, state: StreamState, inputs: Mapping[str, Tensors]
    ) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Run several graphs in one go, and commit all of their next states or none.

        The results are those of stepping each graph by itself, to the bit.

        Args:
            state: The stream's state; replaced only when every output is finite.
            inputs: Graph → every input tensor of it but its state and but what a link
                brings from another graph among these.

        Returns:
            Graph → its outputs, newly made.

        Raises:
            RunnerError: A name, shape or dtype does not fit, or a graph failed.
            NonFiniteError: An input or output holds NaN or infinity; ``state`` is as
                it was.
        """
        for graph, given in inputs.items():
            linked = {link.input for link in self._links_to(graph, inputs)}
            shapes = self._signature(graph).inputs
            expected = {n: shape for n, shape in shapes.items() if n not in linked}
            _check(graph, "input", given, expected)
        return self._run(state, {g: inputs[g] for g in self._signatures if g in inputs})

    def _signature(self, which: str) -> Signature:
        signature = self._signatures.get(which)
        if signature is None:
            raise RunnerError(
                f"graph: got {which!r}, expected one of {', '.join(self._signatures)}"
            )
        return signature

    def _links_to(self, sink: str, among: Mapping[str, Tensors]) -> list[Link]:
        return [k for k in self._links if k.sink == sink and k.source in among]

    def _run(
        self, state: StreamState, inputs: Mapping[str, Tensors]
    ) -> dict[str, dict[str, NDArray[np.float32]]]:
        steps = self._steps(state, inputs)
        for graph, (results, next_state) in steps.items():
            for name, value in (*results.items(), *next_state.items()):
                if not np.isfinite(value).all():
                    raise NonFiniteError(
                        f"{graph}: output {name!r} is not finite; the state was kept"
                    )
        for graph, (_, next_state) in steps.items():
            self._commit(state, graph, next_state)
        return {graph: results for graph, (results, _) in steps.items()}

    def _steps(
        self, state: StreamState, inputs: Mapping[str, Tensors]
    ) -> dict[str, Stepped]:
        """Step each graph in turn, its links filled; one that can do better overrides.

        Args:
            state: The stream's state; not to be changed yet.
            inputs: As ``step_linked`` has them, checked and in the graphs' order.
        """
        done: dict[str, Stepped] = {}
        for graph, given in inputs.items():
            links = self._links_to(graph, inputs)
            linked = {link.input: done[link.source][0][link.output] for link in links}
            done[graph] = self._step(state, graph, {**given, **linked})
        return done

    @abstractmethod
    def _step(self, state: StreamState, which: str, inputs: Tensors) -> Stepped:
        """Return the outputs, and the next state by its ``state_…`` names."""

    def _commit(
        self, state: StreamState, which: str, next_state: dict[str, NDArray[np.float32]]
    ) -> None:
        state.tensors[which] = next_state

    @abstractmethod
    def close(self) -> None:
        """Release the graphs; idempotent."""


def next_name(state: str) -> str:
    """Return the output that follows the state input ``state``."""
    return NEXT_STATE_PREFIX + state.removeprefix(STATE_PREFIX)


def signature_of(
    graph: str,
    inputs: Mapping[str, tuple[int, ...]],
    outputs: Mapping[str, tuple[int, ...]],
) -> Signature:
    """Return a graph's signature: what is state by its name is set apart.

    Raises:
        RunnerError: A ``state_…`` input and its ``next_state_…`` output differ, or one
            of them is missing.
    """
    state = {n: shape for n, shape in inputs.items() if n.startswith(STATE_PREFIX)}
    following = {n: s for n, s in outputs.items() if n.startswith(NEXT_STATE_PREFIX)}
    expected = {next_name(name): shape for name, shape in state.items()}
    for name in sorted(expected.keys() | following.keys()):
        if expected.get(name) != following.get(name):
            raise RunnerError(
                f"{graph}: output {name!r}: got {following.get(name, 'none')}, "
                f"expected {expected.get(name, 'none')} as its state input has"
            )
    return Signature(
        {name: shape for name, shape in inputs.items() if name not in state},
        {name: shape for name, shape in outputs.items() if name not in following},
        state,
    )


def _check_link(link: Link, signatures: Mapping[str, Signature]) -> None:
    names = list(signatures)
    told = f"{link.source}.{link.output} -> {link.sink}.{link.input}"
    if not {link.source, link.sink} <= set(names):
        raise RunnerError(f"link {told}: expected graphs among {', '.join(names)}")
    if names.index(link.source) >= names.index(link.sink):
        raise RunnerError(f"link {told}: expected an earlier graph before the arrow")
    given = signatures[link.source].outputs.get(link.output)
    taken = signatures[link.sink].inputs.get(link.input)
    if given is None or given != taken:
        raise RunnerError(
            f"link {told}: got the shapes {given or 'none'} and {taken or 'none'}, "
            "expected an output and an input of one shape"
        )


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
