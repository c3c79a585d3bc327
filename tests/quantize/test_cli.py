"""The command ``python -m quantize``: the whole way from checkpoints to graphs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("brevitas")

import onnx

from tests.quantize.command import (
    Checkpoints,
    material,
    network,
    quantized,
    run,
    told_by,
)

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("graph", ["voice", "affect", "face", "locator"])
def test_a_checkpoint_becomes_an_int8_graph_that_is_proven(
    graph: str,
    checkpoints: Checkpoints,
    made_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ptq, export, parity and check in turn, each with one JSON line."""
    kept = tmp_path / f"{graph}.q"
    names = quantized(graph, checkpoints, made_root, kept)
    assert told_by(capsys)["scheme"] == "W8A8_PER_CHANNEL"
    assert run("export", *names, "--out", tmp_path / "out") == 0
    told = told_by(capsys)
    file = tmp_path / "out" / f"{graph}.cpu-int8.onnx"
    assert told["file"] == str(file)
    assert told["bytes"] == file.stat().st_size
    assert told["flipped"] == 0
    assert run("parity", *names, "--file", file, "--steps", 30) == 0
    assert told_by(capsys)["steps"] == 30
    assert run("check", file, "--target", "cpu-int8") == 0
    assert told_by(capsys)["keeps"] is True
    assert [path.name for path in (tmp_path / "out").iterdir()] == [file.name]


@pytest.mark.parametrize("graph", ["voice", "affect"])
def test_drift_writes_figures_and_prints_a_table(
    graph: str,
    checkpoints: Checkpoints,
    made_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every output and state, by blocks; what both files are."""
    names = quantized(graph, checkpoints, made_root, tmp_path / "q")
    assert run("export", *names, "--out", tmp_path) == 0
    capsys.readouterr()
    file, out = tmp_path / f"{graph}.cpu-int8.onnx", tmp_path / "figures" / "drift.json"
    given = [*network(graph, checkpoints), *material(graph, checkpoints, made_root)]
    assert run("drift", *given, "--file", file, "--out", out, "--steps", 1001) == 0
    printed = capsys.readouterr().out
    assert f"### {graph}: mean difference by 1000 of 1001 steps" in printed
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert len(figures["tensors"]["next_state_memory"]["mean_shares"]) == 2
    assert figures["silence"] == 500
    assert len(figures["file"]) == len(figures["checkpoint"]) == 64
    assert [path.name for path in out.parent.iterdir()] == ["drift.json"]


def test_qat_and_signals_and_mixed_widths_go_the_same_way(
    checkpoints: Checkpoints,
    made_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Training from PTQ, 4-bit weights, and a graph without its emotion heads."""
    given = [*network("voice", checkpoints), "--data", made_root]
    kept = tmp_path / "voice.q"
    more = ["--scheme", "W4A8", "--steps", 2]
    assert run("qat", *given, "--out", kept, *more) == 0
    assert told_by(capsys)["scheme"] == "W4A8"
    names = [*network("voice", checkpoints), "--quantized", kept]
    names += ["--target", "trt-int8", "--heads", "signals"]
    assert run("export", *names, "--out", tmp_path) == 0
    file = tmp_path / "voice.trt-int8.onnx"
    told = {value.name for value in onnx.load(str(file)).graph.output}
    assert "emotion" not in told
    assert "speech" in told
    assert run("parity", *names, "--file", file, "--steps", 5) == 0


def test_sensitivity_writes_figures_and_a_plot(
    checkpoints: Checkpoints,
    made_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A bar for every layer and width; its mixed scheme is one to quantize by."""
    given = [*network("voice", checkpoints), "--data", made_root]
    out, plot = tmp_path / "costs.json", tmp_path / "docs" / "voice.svg"
    assert run("sensitivity", *given, "--out", out, "--plot", plot) == 0
    assert capsys.readouterr().out.startswith("### voice\n")
    figures = json.loads(out.read_text(encoding="utf-8"))
    picture = plot.read_text(encoding="utf-8")
    assert len(figures["costs"]) == 7
    for text in ("8 bits", "4 bits", *(cost["layer"] for cost in figures["costs"])):
        assert f">{text}</text>" in picture
    assert {name for cost in figures["costs"] for name in cost["losses"]} == {"uar"}
    assert run("sensitivity", *given, "--out", out, "--plot", plot) == 0
    assert plot.read_text(encoding="utf-8") == picture
    capsys.readouterr()
    mixed = ["--scheme", out, "--out", tmp_path / "voice.q"]
    assert run("ptq", *given, *mixed) == 0
    assert told_by(capsys)["scheme"] == "MIXED"
