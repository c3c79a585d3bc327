"""Two results of one command: what got worse, and what may not be held together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.records import Record, Result, save_result

MACHINE = {
    "cpu": "Fast 9",
    "cores": 2,
    "system": "Linux x86_64",
    "memory_bytes": 8_000_000_000,
    "governor": "performance",
}


def _result(path: Path, records: list[Record], **changes: object) -> str:
    machine: Mapping[str, object] = {**MACHINE, **changes}
    save_result(path, Result(machine, {"command": "latency"}, tuple(records)))
    return str(path)


def _late(value: float) -> Record:
    return Record("p95_ms", value, stage="arrival to estimate", target="cpu-int8")


def _held(tmp_path: Path, old: Record, new: Record) -> int:
    before = _result(tmp_path / "old.json", [old])
    return main(["regressions", before, _result(tmp_path / "new.json", [new])])


@pytest.mark.parametrize(
    ("old_ms", "new_ms", "code"),
    [
        (10.0, 12.0, 1),
        (10.0, 10.9, 0),  # less than a tenth
        (2.0, 2.4, 0),  # a fifth, but less than half a millisecond
        (2.0, 2.6, 1),
        (3.0, 2.0, 0),
    ],
)
def test_a_percentile_is_worse_by_a_tenth_and_half_a_millisecond(
    tmp_path: Path, old_ms: float, new_ms: float, code: int
) -> None:
    """Both must be exceeded."""
    assert _held(tmp_path, _late(old_ms), _late(new_ms)) == code


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (Record("accuracy", 0.80, set="ferplus", low=0.78, high=0.82), 0),
        (Record("accuracy", 0.78, set="ferplus", low=0.76, high=0.80), 1),
        (Record("accuracy", 0.806, set="ferplus"), 0),
        (Record("accuracy", 0.80, set="ferplus"), 1),
    ],
)
def test_accuracy_is_worse_when_its_interval_leaves_the_old_value_out(
    tmp_path: Path, new: Record, code: int
) -> None:
    """Without an interval half a point is allowed."""
    old = Record("accuracy", 0.81, set="ferplus", low=0.80, high=0.82)
    assert _held(tmp_path, old, new) == code


def test_misses_that_grow_are_worse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line says what of, before and now."""
    old, new = (
        Record("misses", value, split="8 streams", stage="stream")
        for value in (0.002, 0.02)
    )
    assert _held(tmp_path, old, new) == 1
    told = capsys.readouterr().out
    assert "worse: 8 streams stream misses: 0.002 -> 0.02" in told
    assert "1 figures held together, 1 worse" in told


@pytest.mark.parametrize(
    "change",
    [
        {"cpu": "Slow 1"},
        {"cores": 8},
        {"memory_bytes": 4_000_000_000},
        {"governor": "powersave"},
        {"power_mode": "MODE_15W"},
    ],
)
def test_results_of_two_machines_are_refused(
    tmp_path: Path, change: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    """Times of one say nothing of the other."""
    old = _result(tmp_path / "old.json", [_late(1)])
    new = _result(tmp_path / "new.json", [_late(1)], **change)
    assert main(["regressions", old, new]) > 0
    assert "two machines" in capsys.readouterr().err


def test_the_same_machine_may_tell_a_little_less_memory(tmp_path: Path) -> None:
    """Another kernel keeps more of it to itself."""
    old = _result(tmp_path / "old.json", [_late(1)])
    new = _result(tmp_path / "new.json", [_late(1)], memory_bytes=7_950_000_000)
    assert main(["regressions", old, new]) == 0


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (Record("mae", 6.2, set="clips", low=5.9, high=6.5), 0),
        (Record("mae", 6.4, set="clips", low=6.1, high=6.7), 1),
        (Record("mae", 6.1, set="clips"), 0),
        (Record("mae", 6.3, set="clips"), 1),
        (Record("mae", 2.0, set="clips"), 0),
    ],
)
def test_an_error_is_worse_when_its_interval_lies_above_the_old_value(
    tmp_path: Path, new: Record, code: int
) -> None:
    """Without an interval a fiftieth and half a point are allowed."""
    old = Record("mae", 6.0, set="clips", low=5.7, high=6.3)
    assert _held(tmp_path, old, new) == code


def test_a_figure_that_is_not_told_any_more_is_worse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What fails in silence would pass; what is new is no fault."""
    gone = Record("misses", 0.0, split="8 streams", stage="stream")
    old = _result(tmp_path / "old.json", [_late(1), gone])
    new = _result(tmp_path / "new.json", [_late(1), Record("p95_ms", 3, stage="b")])
    assert main(["regressions", old, new]) == 1
    told = capsys.readouterr().out
    assert "worse: 8 streams stream misses: 0 -> not told any more" in told
    assert "2 figures held together, 1 worse" in told


def test_a_peer_that_gets_worse_is_none_of_ours(tmp_path: Path) -> None:
    """Neither its times nor what ours leads it by are judged."""
    of = partial(Record, "p95_ms", stage="clip", model="their net")
    lead = Record("accuracy", 0.2, set="a", model="ours-s", against="their net")
    before = [_late(1), of(5.0), lead]
    after = [_late(1), of(50.0)]
    old = _result(tmp_path / "old.json", before)
    assert main(["regressions", old, _result(tmp_path / "new.json", after)]) == 0


def test_results_that_share_nothing_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A figure that is only in one of them is not passed over in silence."""
    other = Record("p95_ms", 1.0, stage="something else")
    assert _held(tmp_path, _late(1), other) > 0
    assert "share no figure" in capsys.readouterr().err
