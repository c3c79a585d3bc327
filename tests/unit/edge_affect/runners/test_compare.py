from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_affect.clock import NS_PER_MS, SimClock
from edge_affect.runners.base import (
    GraphFile,
    Signature,
    Stepped,
    StreamState,
    Tensors,
)
from edge_affect.runners.compare import (
    SAME_GRAPH,
    Comparison,
    GivenStep,
    GraphComparison,
    OutputError,
    Tolerance,
    compare,
)
from edge_affect.runners.onnxruntime import OnnxRunner
from edge_affect.testing.model import FakeRunner

DATA = Path(__file__).resolve().parents[3] / "data"
COUNTER = GraphFile("counter", (DATA / "graphs" / "counter.onnx").read_bytes())
EXACT = Tolerance(0.0, 1.0)


class Off(FakeRunner):
    """The fake runner with one output of one graph off, and a known speed."""

    def __init__(self, clock: SimClock, step_ms: int, name: str, by: float) -> None:
        super().__init__()
        self._clock = clock
        self._step_ns = step_ms * NS_PER_MS
        self._name = name
        self._by = np.float32(by)

    def _step(self, state: StreamState, which: str, inputs: Tensors) -> Stepped:
        self._clock.advance_to(self._clock.now_ns() + self._step_ns)
        results, next_state = super()._step(state, which, inputs)
        if which == "affect":
            results[self._name] = results[self._name] + self._by
        return results, next_state


def _compared(name: str = "valence", by: float = 0.0) -> tuple[list[str], float]:
    clock = SimClock()
    comparison = compare(Off(clock, 7, name, 0.0), Off(clock, 2, name, by), clock)
    assert [g.graph for g in comparison.graphs] == ["face", "voice", "affect"]
    assert {graph.reference_ms for graph in comparison.graphs} == {7.0}
    return comparison.faults(SAME_GRAPH), comparison.other_ms


def test_compare_finds_no_difference_where_there_is_none() -> None:
    """The same runner twice differs nowhere; the time of a step is of all graphs."""
    assert _compared() == ([], 6.0)


@pytest.mark.parametrize("by", [0.0099, -0.0099])
def test_compare_lets_a_hundredth_pass(by: float) -> None:
    """A mean difference of up to 0.01 is rounding."""
    assert _compared(by=by)[0] == []


@pytest.mark.parametrize("by", [0.011, -0.011])
def test_compare_names_an_output_that_is_off(by: float) -> None:
    """More than that is told with the graph, the output and the bound."""
    (fault,) = _compared(by=by)[0]
    assert fault == "affect valence: mean difference 0.0110, expected at most 0.0100"


def test_compare_counts_the_top_class_of_classes() -> None:
    """What the logits are does not matter while the largest is the same."""
    assert _compared("expression", 5.0)[0] == []

    class Other(Off):
        def _step(self, state: StreamState, which: str, inputs: Tensors) -> Stepped:
            results, next_state = super()._step(state, which, inputs)
            if which == "affect":
                results["expression"] = -results["expression"]
            return results, next_state

    clock = SimClock()
    comparison = compare(FakeRunner(), Other(clock, 1, "valence", 0.0), clock)
    (fault,) = comparison.faults(SAME_GRAPH)
    assert fault.startswith(
        "affect expression: the same top class in 0.0% of the steps"
    )


def test_compare_lets_not_a_number_never_pass() -> None:
    """A comparison with NaN is false: it is a fault."""
    error = OutputError("valence", float("nan"), float("nan"), 1.0, None)
    assert not error.within(Tolerance(1e9, 0.0))


def test_compare_carries_states_on() -> None:
    """Recurrent graphs see their own past: a state that is off adds up."""

    class Forgetful(OnnxRunner):
        def _commit(self, *args: object) -> None:
            pass

    comparison = compare(OnnxRunner([COUNTER]), Forgetful([COUNTER]), SimClock())
    assert comparison.faults(SAME_GRAPH)
    same = compare(OnnxRunner([COUNTER]), OnnxRunner([COUNTER]), SimClock())
    assert same.faults(EXACT) == []


def test_compare_gives_the_same_inputs_every_time() -> None:
    """The inputs are seeded: what was compared can be compared again."""
    seen: list[list[float]] = [[], []]

    class Noting(FakeRunner):
        def __init__(self, place: int) -> None:
            super().__init__()
            self._place = place

        def _step(self, state: StreamState, which: str, inputs: Tensors) -> Stepped:
            seen[self._place] += [float(value.sum()) for value in inputs.values()]
            assert signature_fits(self.signatures[which], inputs)
            return super()._step(state, which, inputs)

    for place in range(2):
        compare(Noting(place), FakeRunner(), SimClock())
    assert seen[0] == seen[1]
    assert len(set(seen[0])) > 20


def test_compare_steps_what_was_recorded_in_its_order() -> None:
    """Both runners get every recorded step; a graph without one is left out."""
    seen: list[list[tuple[str, float]]] = [[], []]

    class Noting(FakeRunner):
        def __init__(self, place: int) -> None:
            super().__init__()
            self._place = place

        def _step(self, state: StreamState, which: str, inputs: Tensors) -> Stepped:
            seen[self._place].append((which, float(next(iter(inputs.values())).max())))
            return super()._step(state, which, inputs)

    runners = Noting(0), Noting(1)
    shapes = {graph: s.inputs for graph, s in runners[0].signatures.items()}
    order = [("voice", 1.0), ("face", 2.0), ("face", 3.0), ("voice", 4.0)]
    recorded = [
        GivenStep(
            graph, {n: np.full(v, level, np.float32) for n, v in shapes[graph].items()}
        )
        for graph, level in order
    ]
    comparison = compare(*runners, SimClock(), recorded)
    assert seen == [order, order]
    assert [graph.graph for graph in comparison.graphs] == ["face", "voice"]


def test_compare_finds_what_is_wrong_together_alone() -> None:
    """A launch that hands the wrong tensor on passes every graph by itself."""

    class Crossed(FakeRunner):
        def step_linked(
            self, state: StreamState, inputs: Mapping[str, Tensors]
        ) -> dict[str, dict[str, NDArray[np.float32]]]:
            out = super().step_linked(state, inputs)
            out["affect"]["valence"] = out["affect"]["valence"] + 1
            return out

    comparison = compare(FakeRunner(), Crossed(), SimClock())
    (fault,) = comparison.faults(SAME_GRAPH)
    assert fault.startswith("face + affect affect valence: mean difference 1.0000")
    assert compare(FakeRunner(), FakeRunner(), SimClock()).faults(SAME_GRAPH) == []


def test_compare_takes_the_time_of_a_stream_s_launch() -> None:
    """What goes together is timed together, and the rest by itself."""
    one = (GraphComparison(name, (), 1.0, 2.0) for name in ("face", "voice", "affect"))
    linked = GraphComparison("face + affect", (), 1.0, 3.0)
    assert Comparison(tuple(one), linked).other_ms == 5.0


def signature_fits(signature: Signature, inputs: Tensors) -> bool:
    """Tell whether inputs lie where the graphs' inputs do."""
    low = min(float(value.min()) for value in inputs.values())
    high = max(float(value.max()) for value in inputs.values())
    picture = "image" in signature.inputs
    return (low >= 0 and 100 < high <= 255) if picture else -10 < low <= high < 10
