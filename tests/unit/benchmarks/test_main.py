from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.records import load_result
from benchmarks.subject import open_subject
from training.data.ferplus import NO_EXPRESSION, VOTE_NAMES

TINY = Path(__file__).resolve().parents[2] / "data" / "tiny_bundle"


def test_main_measures_a_bundle_and_writes_its_result(
    write_set: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bundle on a made set: a table, and a file with machine, run and records."""
    assert callable(write_set)
    rows = [
        {
            "image": f"{i}.png",
            **{n: 8 * (n == "fear") for n in (*VOTE_NAMES, *NO_EXPRESSION)},
        }
        for i in range(6)
    ]
    pictures = [np.full((48, 48, 3), 40 * i, np.uint8) for i in range(6)]
    data = write_set("ferplus/valid", rows, pictures)
    out = tmp_path / "r.json"
    arguments = ["--data", str(data), "--json", str(out), "--bundle", str(TINY)]
    assert main(["accuracy", *arguments]) == 0
    result = load_result(out)
    of_ferplus = {record.metric for record in result.records if record.set == "ferplus"}
    assert of_ferplus >= {"accuracy", "macro_f1", "ece", "nll"}
    subject = open_subject(TINY)
    assert result.run["bundle"]["digest"] == subject.bundle.digest
    assert result.run["bundle"]["graphs"] == subject.graph_digests
    assert result.run["target"] == "cpu-fp32"
    assert str(tmp_path) not in out.read_text(encoding="utf-8")
    captured = capsys.readouterr()
    printed = [line.split()[:6] for line in captured.out.splitlines()]
    assert [
        "ferplus",
        "valid",
        "expression",
        "face",
        "ours-tiny",
        "cpu-fp32",
    ] in printed
    assert captured.err == ""


def test_main_says_what_is_wrong_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A root without data is one line and exit code 1; nothing is written."""
    out = tmp_path / "r.json"
    arguments = ["--data", str(tmp_path), "--json", str(out), "--bundle", str(TINY)]
    assert main(["accuracy", *arguments]) == 1
    err = capsys.readouterr().err
    assert err.startswith("benchmarks: ")
    assert err.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_main_refuses_wrong_usage(limit: str) -> None:
    """A limit below one is exit code 2."""
    with pytest.raises(SystemExit) as caught:
        main(["accuracy", "--data", "x", "--json", "y", "--limit", limit])
    assert caught.value.code == 2
