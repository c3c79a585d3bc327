"""The speed check of every change, and that it fails for what it is there for."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest

pytest.importorskip("onnx")

from benchmarks import gate
from benchmarks.__main__ import main
from benchmarks.gate import BASELINE, MARGIN, TRIES, find_slower, measure_ratios
from benchmarks.progress import Progress
from benchmarks.records import Record, Result, load_result
from benchmarks.soak.load import busy_cores
from edge_affect.commands.terminal import Terminal
from edge_affect.errors import DataError
from edge_affect.model.affect import AffectGraphs
from edge_affect.sensing.locator import GraphLocator
from training.provenance import machine_info

SYSTEM = "Linux x86_64"
SHORT_S = 1.5
Measure = Callable[[], Mapping[str, float]]


def _baseline(**ratios: float) -> Result:
    records = tuple(
        Record("ratio", value, stage=name) for name, value in ratios.items()
    )
    return Result({"system": SYSTEM}, {}, records)


def test_small_graphs_have_a_wider_margin() -> None:
    """Caches that others empty cost them more."""
    told = {"voice / yardstick": 1.0, "face / yardstick": 1.0}
    grown = dict.fromkeys(told, 1.6)
    found = find_slower(_baseline(**told), SYSTEM, lambda: grown)
    assert [one.name for one in found] == ["face / yardstick"]
    grown = dict.fromkeys(told, 1.8)
    assert len(find_slower(_baseline(**told), SYSTEM, lambda: grown)) == 2


def _tries(*values: float) -> tuple[Measure, list[int]]:
    """Return what measures these values of ``a`` in turn, and a count of its calls."""
    calls: list[int] = []

    def measure() -> dict[str, float]:
        calls.append(1)
        return {"a": values[len(calls) - 1], "b": 1.0}

    return measure, calls


def test_a_ratio_within_the_margin_passes_at_the_first_try() -> None:
    """What is measured but not in the baseline is not judged."""
    measure, calls = _tries(2 * MARGIN - 0.01)
    assert find_slower(_baseline(a=2.0), SYSTEM, measure) == []
    assert len(calls) == 1


def test_noise_in_one_try_passes_and_a_slower_cell_does_not() -> None:
    """The lowest of all tries counts."""
    noisy, calls = _tries(9.0, 9.0, 2.1)
    assert find_slower(_baseline(a=2.0), SYSTEM, noisy) == []
    assert len(calls) == TRIES
    slow, _ = _tries(9.0, 4.0, 5.0)
    [found] = find_slower(_baseline(a=2.0), SYSTEM, slow)
    assert str(found) == "slower: a: 2 -> 4"


def test_a_baseline_of_another_system_or_of_nothing_is_refused() -> None:
    """Other processors do other work at other rates."""
    measure, _ = _tries(2.0, 2.0, 2.0)
    with pytest.raises(DataError, match="expected one of Linux aarch64"):
        find_slower(_baseline(a=2.0), "Linux aarch64", measure)
    with pytest.raises(DataError, match="shares no ratio"):
        find_slower(_baseline(c=2.0), SYSTEM, measure)


@pytest.fixture
def measure() -> Measure:
    """Return a short measurement of the shipped bundle; skip where it says nothing."""
    if sys.gettrace() is not None:
        pytest.skip("a tracer takes most of the time")
    if machine_info()["system"] != SYSTEM:
        pytest.skip(f"the committed baseline is of {SYSTEM}")
    return partial(measure_ratios, Progress(Terminal(io.StringIO(), {})), SHORT_S)


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Keep every core busy."""
    with busy_cores():
        yield


@pytest.mark.slow
def test_nothing_is_slower_than_the_committed_baseline(measure: Measure) -> None:
    """This is the speed check of CI."""
    slower = find_slower(load_result(BASELINE), SYSTEM, measure)
    assert not slower, "\n".join(map(str, slower))


@pytest.mark.slow
def test_busy_neighbours_make_nothing_slower(
    measure: Measure, busy_machine: None
) -> None:
    """With every core taken the ratios stay within the margin."""
    assert find_slower(load_result(BASELINE), SYSTEM, measure) == []


def _times(owner: type, name: str, count: int, patch: pytest.MonkeyPatch) -> None:
    """Let a method do its work so many times."""
    once = getattr(owner, name)

    def often(self: Any, *given: Any) -> Any:
        for _ in range(count - 1):
            once(self, *given)
        return once(self, *given)

    patch.setattr(owner, name, often)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("slow", "ratios"),
    [
        ((AffectGraphs, "voice", 4), {"voice / yardstick"}),
        ((AffectGraphs, "face", 2), {"face / yardstick"}),
        ((AffectGraphs, "face", 4), {"face / yardstick", "cell / yardstick"}),
        ((GraphLocator, "locate", 3), {"detecting cell / cell"}),
    ],
    ids=["voice", "face", "cell", "detection"],
)
def test_a_part_that_takes_twice_the_time_is_found(
    measure: Measure,
    monkeypatch: pytest.MonkeyPatch,
    slow: tuple[type, str, int],
    ratios: set[str],
) -> None:
    """Work that is done again is told by the ratios that hold it, and by no others.

    A small graph that runs again finds its weights in the cache: four times are two.
    """
    monkeypatch.setattr(gate, "TRIES", 1)
    _times(*slow, monkeypatch)
    found = {one.name for one in find_slower(load_result(BASELINE), SYSTEM, measure)}
    assert ratios <= found
    others = {f"{other} / yardstick" for other in ("face", "voice", "affect")}
    assert not found & (others - ratios)


def test_gate_says_what_is_slower_and_writes_baselines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    """Exit code 1 and a line for each ratio; a new baseline passes itself."""
    told = {"cell / yardstick": 3.0}
    monkeypatch.setattr("benchmarks.__main__.measure_ratios", lambda _: told)
    out = tmp_path / "gate.json"
    assert main(["gate", "--json", str(out)]) == 0
    monkeypatch.setattr("benchmarks.__main__.BASELINE", out)
    assert main(["gate"]) == 0
    assert "nothing is slower" in capsys.readouterr().out
    told["cell / yardstick"] = 6.0
    assert main(["gate"]) == 1
    assert "slower: cell / yardstick: 3 -> 6" in capsys.readouterr().out
