"""Predictions on paper: what bounds them, and that they say what they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.records import Record, Result, load_result, save_result
from benchmarks.roofline import (
    ASSUMPTIONS,
    BOARDS,
    LAUNCHINGS,
    PRECISIONS,
    UNPROVEN,
    Board,
    Launching,
    Precision,
    predict,
    predictions,
    read_measured,
)
from benchmarks.workload import Workload
from edge_affect.errors import DataError

TINY = Path(__file__).resolve().parents[2] / "data" / "tiny_bundle"
BOARD = Board("made up", 1.0, 0.5, 1.0, "1 TOPS, 1 GB/s")
INT8 = Precision("trt-int8", 1, 0.5)
FP16 = Precision("trt-fp16", 2, 0.5)
FREE = Launching("free", 0.0, 0.0)
DEAR = Launching("dear", 5.0, 10.0)


def test_predict_takes_the_longer_of_arithmetic_and_memory() -> None:
    """2 operations a multiply-add at half of the peak; a byte or two a value."""
    arithmetic = predict(Workload(10**9, 10, 10, 1, 1), BOARD, INT8, FREE)
    assert arithmetic.low_ms == arithmetic.high_ms == pytest.approx(4.0)
    assert arithmetic.bound == "arithmetic"
    memory = predict(Workload(10, 10**6, 10**6, 1, 1), BOARD, INT8, FREE)
    assert memory.low_ms == pytest.approx(2.0)
    assert memory.bound == "memory"
    twice = predict(Workload(10, 10**6, 10**6, 1, 1), BOARD, FP16, FREE)
    assert twice.low_ms == pytest.approx(4.0)


def test_predict_adds_the_launches_as_a_range() -> None:
    """Few kernels launched quickly to many launched slowly."""
    told = predict(Workload(10, 10, 10, 10, 40), BOARD, INT8, DEAR)
    assert told.low_ms == pytest.approx(0.050, abs=1e-3)
    assert told.high_ms == pytest.approx(0.400, abs=1e-3)
    assert told.bound == "launches"


def test_predictions_hold_every_board_way_graph_and_precision() -> None:
    """One record each, its value within its range, and none called measured."""
    loads = {"face": Workload(10**8, 10**6, 10**6, 16, 44)}
    records = predictions(loads)
    assert len(records) == len(BOARDS) * len(LAUNCHINGS) * len(PRECISIONS)
    for record in records:
        assert (record.set, record.metric) == ("predicted", "predicted_ms")
        assert record.low is not None
        assert record.high is not None
        assert record.low <= record.value <= record.high


def test_main_roofline_says_that_it_is_unproven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Assumptions are printed and written, and nothing passes for a measurement."""
    out = tmp_path / "roofline.json"
    assert main(["roofline", "--bundle", str(TINY), "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"On paper, {UNPROVEN}")
    for text in (*ASSUMPTIONS, *(board.name for board in BOARDS)):
        assert text in printed
    result = load_result(out)
    assert result.run["proof"] == UNPROVEN
    assert result.run["assumptions"] == list(ASSUMPTIONS)
    assert set(result.run["workloads"]) == {"face", "voice", "affect"}
    assert str(tmp_path) not in out.read_text(encoding="utf-8")


def test_main_roofline_needs_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json it only prints."""
    assert main(["roofline", "--bundle", str(TINY)]) == 0
    assert "no GPU's result was given" in capsys.readouterr().out


def test_main_roofline_shows_what_was_measured_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A GPU's medians keep their GPU's name; other figures of the file stay out."""
    path = tmp_path / "gpu.json"
    records = (
        Record("p50_ms", 0.123, stage="face", target="trt-int8", n=1000),
        Record("p99_ms", 9.0, stage="face", target="trt-int8"),
        Record("p50_ms", 8.0, stage="face", target="cpu-fp32"),
    )
    save_result(path, Result({"gpu": "some GPU"}, {"command": "x"}, records))
    out = tmp_path / "roofline.json"
    arguments = ["--bundle", str(TINY), "--measured", str(path), "--json", str(out)]
    assert main(["roofline", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "some GPU: face trt-int8 0.123 ms" in printed
    assert "no GPU's result" not in printed
    (kept,) = (r for r in load_result(out).records if r.set == "measured")
    assert (kept.split, kept.value, kept.n) == ("some GPU", 0.123, 1000)


def test_read_measured_refuses_a_file_without_engines(tmp_path: Path) -> None:
    """A processor's times do not stand beside predictions for GPUs."""
    path = tmp_path / "cpu.json"
    record = Record("p50_ms", 8.0, stage="face", target="cpu-fp32")
    save_result(path, Result({}, {}, (record,)))
    with pytest.raises(DataError, match=r"cpu\.json: holds no p50_ms"):
        read_measured([path])
    path.write_text(json.dumps({"machine": {}}))
    with pytest.raises(DataError, match="expected an object"):
        read_measured([path])
