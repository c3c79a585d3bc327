"""The command ``python -m quantize``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch

from quantize.cli import main
from training.engine.checkpoint import Checkpoint, save_checkpoint
from training.models.affect import AffectConfig, AffectNet

pytestmark = pytest.mark.torch


def test_export_writes_a_graph_and_tells_its_parity(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint becomes NAME.TARGET.onnx and one JSON line."""
    torch.manual_seed(0)
    net = AffectNet(AffectConfig(face=6, voice=5, width=8))
    config = {"net": {"face": 6, "voice": 5, "width": 8}}
    weights = net.state_dict()
    checkpoint = tmp_path / "best.safetensors"
    save_checkpoint(checkpoint, Checkpoint("affect", config, 1, weights, weights))
    arguments = ["export", "affect", "--checkpoint", str(checkpoint)]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert Path(told["file"]).name == "affect.cpu-fp32.onnx"
    assert told["bytes"] == Path(told["file"]).stat().st_size
    assert told["largest_difference"] < 1e-3


def test_export_refuses_a_missing_checkpoint_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 and how to make one."""
    arguments = ["export", "face", "--checkpoint", str(tmp_path / "none")]
    assert main([*arguments, "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "python -m training train face" in error


def test_export_refuses_an_unknown_graph() -> None:
    """Wrong usage ends with 2."""
    with pytest.raises(SystemExit) as ended:
        main(["export", "nose", "--checkpoint", "x", "--out", "y"])
    assert ended.value.code == 2
