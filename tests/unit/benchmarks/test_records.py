from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.records import Record, Result, load_result, save_result
from benchmarks.table import render
from edge_affect.errors import DataError

RECORD = Record(
    "accuracy", 0.8, "ferplus", "valid", "expression", low=0.7, high=0.9, n=9
)
RESULT = Result({"cpu": "x"}, {"command": "y"}, (RECORD, Record("bytes", 5)))


def test_result_survives_its_file(tmp_path: Path) -> None:
    """What was saved is what is loaded; keys that do not apply are left out."""
    path = tmp_path / "new" / "r.json"
    save_result(path, RESULT)
    assert load_result(path) == RESULT
    plain = json.loads(path.read_text(encoding="utf-8"))
    assert list(plain) == ["machine", "run", "records"]
    assert plain["records"][1] == {"metric": "bytes", "value": 5}
    assert [entry.name for entry in path.parent.iterdir()] == ["r.json"]


def test_save_result_leaves_the_old_file_on_failure(tmp_path: Path) -> None:
    """A folder in the way is one error, and nothing is left behind."""
    (tmp_path / "r.json").mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        save_result(tmp_path / "r.json", RESULT)
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize(
    "values",
    [
        {"metric": "goodness", "value": 1.0},
        {"metric": "accuracy", "value": float("nan")},
        {"metric": "accuracy", "value": "0.8"},
        {"metric": "accuracy", "value": True},
        {"metric": "accuracy", "value": 1.0, "low": float("inf")},
        {"metric": "accuracy", "value": 1.0, "head": "mood"},
        {"metric": "accuracy", "value": 1.0, "set": 5},
        {"metric": "accuracy", "value": 1.0, "n": 1.5},
    ],
)
def test_record_refuses_what_is_no_figure(values: dict[str, Any]) -> None:
    """Unknown metrics and heads, and values that are no numbers, are refused."""
    with pytest.raises(DataError, match="record: got"):
        Record(**values)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"machine": {}, "run": {}, "records": {}}',
        '{"machine": {}, "run": {}, "records": [5]}',
        '{"machine": {}, "run": {}, "records": [{"metric": "accuracy"}]}',
        '{"machine": {}, "run": {}, "records": [{"mood": "accuracy"}]}',
        '{"machine": {}, "run": {}, "records": [{"metric": "x", "value": 1}]}',
        "[" * 100_000,
    ],
)
def test_load_result_refuses_other_files(tmp_path: Path, content: str) -> None:
    """Something else than a result file is one DataError."""
    path = tmp_path / "r.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError):
        load_result(path)
    with pytest.raises(DataError, match="not a readable result file"):
        load_result(tmp_path / "missing.json")


def test_render_aligns_figures_with_their_intervals() -> None:
    """The table has a heading, one line a record, and a dash without interval."""
    lines = render(RESULT.records).splitlines()
    assert lines[0].split()[:3] == ["set", "split", "head"]
    assert "0.800  0.700 – 0.900  9" in lines[1]
    assert "5.000  –" in lines[2]
