"""Run the same inputs through two runners: how far apart they are, how fast each is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.clock import NS_PER_MS, Clock
from edge_affect.runners.base import Runner, Tensors

STEPS = 200
"""Seeded steps of each graph: one in them may fall into another class."""
CLASSES = frozenset({"expression", "emotion"})
"""Outputs that are logits of classes: what counts is which one is the largest."""
SURE = 0.02
"""How far the largest class must be ahead, in parts of the output's scale, to be told:
two runtimes round in other places, and what is all but equal falls either way."""
LINKED_STEPS = 50
"""Steps in which linked graphs go together, as they do in a stream."""
WARM_UP = 10
"""First steps that no time is taken of."""
TOGETHER = " + "
"""Between the names of graphs that are stepped together."""
_COARSE = 8
"""A noise picture has so many patches along a side: faces are no white noise either."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far two runners may be apart."""

    mean_error: float
    """Mean difference of an output, in parts of its ``scale``."""
    top_class: float
    """Share of the steps with a clear largest class in which it must be the same."""


SAME_GRAPH = Tolerance(0.01, 0.995)
"""The same file on two runtimes: they round in other places, and nothing else."""
OTHER_TARGET = Tolerance(0.05, 0.95)
"""Files of two targets: one of them was quantized. It finds a file that is broken;
accuracy is measured on real data."""


@dataclass(frozen=True, slots=True)
class GivenStep:
    """What a graph is given in one step."""

    graph: str
    """Its name."""
    inputs: Tensors
    """Every input but its state."""


@dataclass(frozen=True, slots=True)
class OutputError:
    """How far one output of one runner is from the other's, over all steps."""

    name: str
    """The output's."""
    mean: float
    """Mean absolute difference."""
    largest: float
    """Largest absolute difference."""
    scale: float
    """Root of the reference's mean square, but 1 at least."""
    top_class: float | None
    """Share of steps with the same largest class; None where there are no classes."""
    sure_class: float | None = None
    """The same of the steps in which the reference's largest class is ahead by more
    than ``SURE``; 1 where there is none."""

    def within(self, tolerance: Tolerance) -> bool:
        """Tell whether it is within a tolerance; NaN never is."""
        if self.sure_class is not None:
            return self.sure_class >= tolerance.top_class
        return self.mean <= tolerance.mean_error * self.scale


@dataclass(frozen=True, slots=True)
class GraphComparison:
    """One graph on two runners."""

    graph: str
    """Its name."""
    errors: tuple[OutputError, ...]
    """Of each output."""
    reference_ms: float
    """Median of a step on the reference, ms."""
    other_ms: float
    """Median of a step on the other runner, ms."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All graphs on two runners."""

    graphs: tuple[GraphComparison, ...]
    """In the order in which they are stepped."""
    linked: GraphComparison | None = None
    """Those that a stream steps together, stepped together; None without links."""

    @property
    def other_ms(self) -> float:
        """Time of one step of every graph on the other runner, as a stream does, ms."""
        if self.linked is None:
            return sum(graph.other_ms for graph in self.graphs)
        together = self.linked.graph.split(TOGETHER)
        alone = [graph for graph in self.graphs if graph.graph not in together]
        return self.linked.other_ms + sum(graph.other_ms for graph in alone)

    def faults(self, tolerance: Tolerance) -> list[str]:
        """Return a phrase for each output that is over the tolerance.

        What is wrong together only, where each graph alone is right, is the link's or
        the launch's.
        """
        alone = _faults(self.graphs, tolerance)
        return alone or _faults(
            () if self.linked is None else (self.linked,), tolerance
        )


def _faults(graphs: Sequence[GraphComparison], tolerance: Tolerance) -> list[str]:
    return [
        _told(graph.graph, error, tolerance)
        for graph in graphs
        for error in graph.errors
        if not error.within(tolerance)
    ]


def compare(
    reference: Runner,
    other: Runner,
    clock: Clock,
    recorded: Sequence[GivenStep] | None = None,
) -> Comparison:
    """Step two runners side by side over the same inputs, each with its own state.

    Where a graph takes another one's embedding it is the reference's, so that an error
    is told of the graph that makes it, and recurrent ones add up only in their own
    state.

    Args:
        reference: What is right.
        other: What is held against it.
        clock: Time.
        recorded: Steps one after the other; None: ``STEPS`` of every graph on seeded
            noise, for a device that has nothing else at hand.

    Raises:
        RunnerError: A graph cannot be stepped.
    """
    runners = (reference, other)
    states = [runner.new_state() for runner in runners]
    values: dict[tuple[str, str], list[list[NDArray[np.float32]]]] = {}
    times: dict[str, list[list[int]]] = {}
    embeddings: dict[str, NDArray[np.float32]] = {}
    steps = _seeded(reference, embeddings) if recorded is None else recorded
    given: dict[str, list[Tensors]] = {}
    for step in steps:
        given.setdefault(step.graph, []).append(step.inputs)
        taken = times.setdefault(step.graph, [[], []])
        for side, (runner, state) in enumerate(zip(runners, states, strict=True)):
            start_ns = clock.now_ns()
            out = runner.step(state, step.graph, step.inputs)
            taken[side].append(clock.now_ns() - start_ns)
            for name, value in out.items():
                values.setdefault((step.graph, name), [[], []])[side].append(value)
            if side == 0 and "embedding" in out:
                embeddings[step.graph] = out["embedding"]
    return Comparison(
        tuple(
            GraphComparison(
                graph,
                tuple(_error(n, *values[graph, n]) for n in signature.outputs),
                *(_median_ms(taken) for taken in times[graph]),
            )
            for graph, signature in reference.signatures.items()
            if graph in times
        ),
        _linked(runners, given, clock),
    )


def _linked(
    runners: tuple[Runner, Runner],
    given: Mapping[str, Sequence[Tensors]],
    clock: Clock,
) -> GraphComparison | None:
    """Step what links join together, as a stream does, each side from a new state."""
    links = runners[0].links
    filled = {(link.sink, link.input) for link in links}
    ends = {name for link in links for name in (link.source, link.sink)}
    names = [name for name in runners[0].signatures if name in ends and name in given]
    count = min((len(given[name]) for name in names), default=0)
    if not links or len(names) < len(ends):
        return None
    states = [runner.new_state() for runner in runners]
    values: dict[str, list[list[NDArray[np.float32]]]] = {}
    taken: list[list[int]] = [[], []]
    for number in range(max(0, count - LINKED_STEPS), count):
        inputs = {
            name: {
                k: v for k, v in given[name][number].items() if (name, k) not in filled
            }
            for name in names
        }
        for side, (runner, state) in enumerate(zip(runners, states, strict=True)):
            start_ns = clock.now_ns()
            out = runner.step_linked(state, inputs)
            taken[side].append(clock.now_ns() - start_ns)
            for graph, results in out.items():
                for name, value in results.items():
                    told = f"{graph} {name}"
                    values.setdefault(told, [[], []])[side].append(value)
    errors = tuple(_error(told, *both) for told, both in values.items())
    times = (_median_ms(one) for one in taken)
    return GraphComparison(TOGETHER.join(names), errors, *times)


def _median_ms(taken: list[int]) -> float:
    warm = taken[min(WARM_UP, len(taken) - 1) :]
    return float(np.median(warm)) / NS_PER_MS


def _seeded(
    runner: Runner, embeddings: Mapping[str, NDArray[np.float32]]
) -> Iterator[GivenStep]:
    """Yield steps of every graph in turn; ``embeddings`` holds what was given last."""
    random = np.random.default_rng(0)
    for _ in range(STEPS):
        for graph, signature in runner.signatures.items():
            yield GivenStep(graph, _inputs(signature.inputs, embeddings, random))


def _inputs(
    shapes: Mapping[str, tuple[int, ...]],
    embeddings: Mapping[str, NDArray[np.float32]],
    random: np.random.Generator,
) -> dict[str, NDArray[np.float32]]:
    """Return inputs of one step, of the kind that their names tell."""
    inputs = {}
    for name, shape in shapes.items():
        source, _, rest = name.rpartition("_")
        if rest == "embedding" and source in embeddings:
            value: NDArray[np.floating] = embeddings[source]
        elif rest == "valid":
            value = (random.random(shape) < 0.8).astype(np.float32)
        elif rest == "age":
            value = random.random(shape) * 0.2
        elif len(shape) == 4:
            value = _picture(shape, random)
        else:
            value = random.normal(size=shape)
        inputs[name] = value.astype(np.float32)
    return inputs


def _picture(
    shape: tuple[int, ...], random: np.random.Generator
) -> NDArray[np.floating]:
    """Return a picture in [0, 255]: patches, and a little noise."""
    *planes, height, width = shape
    patch = (-(-height // _COARSE), -(-width // _COARSE))
    coarse = random.random((*planes, _COARSE, _COARSE)) * 200
    patches = np.kron(coarse, np.ones(patch))[..., :height, :width]
    return patches + random.random(shape) * 55


def _error(
    told: str, right: list[NDArray[np.float32]], other: list[NDArray[np.float32]]
) -> OutputError:
    expected, got = np.stack(right).astype(np.float64), np.stack(other)
    away = np.abs(expected - got)
    scale = max(1.0, float(np.sqrt(np.mean(expected**2))))
    top_class = sure_class = None
    if told.rsplit(maxsplit=1)[-1] in CLASSES:
        same = expected.argmax(axis=-1) == got.argmax(axis=-1)
        second, first = np.sort(expected, axis=-1)[..., -2:].T
        sure = same[SURE * scale < (first - second).T]
        top_class = float(same.mean())
        sure_class = float(sure.mean()) if sure.size else 1.0
    means = float(away.mean()), float(away.max())
    return OutputError(told, *means, scale, top_class, sure_class)


def _told(graph: str, error: OutputError, tolerance: Tolerance) -> str:
    if error.sure_class is not None:
        return (
            f"{graph} {error.name}: the same top class in {error.sure_class:.1%} of "
            f"the steps in which it is clear, expected {tolerance.top_class:.1%}"
        )
    return (
        f"{graph} {error.name}: mean difference {error.mean:.4f}, expected at most "
        f"{tolerance.mean_error * error.scale:.4f}"
    )
