"""The command ``python -m quantize``: one line for whatever is wrong."""

from __future__ import annotations

import csv
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("brevitas")

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tests.quantize.command import (
    Checkpoints,
    material,
    network,
    quantized,
    refused,
    run,
)
from training.engine.checkpoint import load_checkpoint, save_checkpoint

pytestmark = pytest.mark.torch
Sound = NDArray[np.float64] | None


@pytest.mark.parametrize(
    "arguments",
    [
        ("ptq", "--out", "q"),
        ("export", "--out", "o"),
        ("drift", "--file", "f", "--out", "d"),
    ],
)
def test_a_missing_checkpoint_is_told_with_how_to_make_one(
    arguments: Sequence[str],
    made_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whichever command asks for it; nothing is written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGE_AFFECT_DATA", str(made_root))
    command, *more = arguments
    assert run(command, "voice", "--checkpoint", "none", *more) == 1
    assert "python -m training train voice" in refused(capsys)
    assert not list(tmp_path.iterdir())


def test_a_wrong_scheme_is_told_with_those_there_are(
    checkpoints: Checkpoints,
    made_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Wrong usage; nothing is read before it is told."""
    out = tmp_path / "q"
    given = [*network("voice", checkpoints), "--data", tmp_path / "none"]
    assert run("ptq", *given, "--scheme", "INT8", "--out", out) == 2
    assert "scheme: got 'INT8', expected one of W8A8_PER_CHANNEL" in refused(capsys)
    assert not out.exists()


def _speech_root(root: Path, sound: Sound) -> Path:
    """Write an EmoDB of one training speaker, or of nobody."""
    soundfile = pytest.importorskip("soundfile")
    folder = root / "emodb"
    folder.mkdir(parents=True)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("file", "speaker", "text", "emotion", "split"))
        split = "valid" if sound is None else "train"
        table.writerow(("a.wav", "09", "a01", "anger", split))
    if sound is not None:
        soundfile.write(folder / "a.wav", sound, 16_000, subtype="FLOAT")
    return root


@pytest.mark.parametrize("command", ["ptq", "qat", "sensitivity", "drift"])
@pytest.mark.parametrize(
    "case",
    [
        (None, "calibration: got no items, expected at least one batch"),
        (np.full(16_000, np.nan), "calibration: batch 0 holds NaN or infinite values"),
    ],
)
def test_calibration_on_nothing_or_nan_is_refused(
    command: str,
    case: tuple[Sound, str],
    checkpoints: Checkpoints,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A range of nothing would be nonsense, and quietly so."""
    sound, said = case
    root = _speech_root(tmp_path / "data", sound)
    out = tmp_path / "out"
    given = [*network("voice", checkpoints), "--data", root, "--out", out]
    given += ["--file", tmp_path / "f.onnx"] if command == "drift" else []
    assert run(command, *given) == 1
    assert said in refused(capsys)
    assert not out.exists()


@pytest.mark.parametrize("command", ["ptq", "qat", "sensitivity", "drift", "export"])
def test_a_folder_that_cannot_be_is_told_before_any_work(
    command: str,
    checkpoints: Checkpoints,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file stands where the folder should be; it stays as it was."""
    (tmp_path / "taken").write_text("a file")
    given = [*network("voice", checkpoints), "--out", tmp_path / "taken" / "out"]
    if command != "export":
        given += ["--data", tmp_path / "none"]
    given += ["--file", tmp_path / "f.onnx"] if command == "drift" else []
    assert run(command, *given) == 1
    assert "cannot be written" in refused(capsys)
    assert (tmp_path / "taken").read_text() == "a file"


def test_a_folder_is_no_file_to_write(
    checkpoints: Checkpoints,
    made_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file's name is asked for."""
    given = [*network("voice", checkpoints), "--data", made_root]
    assert run("ptq", *given, "--out", tmp_path) == 1
    assert "is a folder, expected a file's name" in refused(capsys)


def _full_disk() -> None:
    """Let no file of this process grow beyond a kilobyte, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


@pytest.mark.parametrize("command", ["ptq", "export"])
def test_a_full_disk_leaves_nothing_half_written(
    command: str, checkpoints: Checkpoints, made_root: Path, tmp_path: Path
) -> None:
    """The line names the file; no part of it stays.

    In a process of its own: the limit would hold for what the tests write, too.
    """
    out = tmp_path / "out"
    given = [*network("voice", checkpoints)]
    given += ["--out", out / "q"] if command == "ptq" else ["--out", out]
    given += ["--data", made_root] if command == "ptq" else []
    ended = subprocess.run(
        [sys.executable, "-m", "quantize", command, *(str(word) for word in given)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=_full_disk,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("quantize: ")
    assert "cannot be written" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(out.iterdir())


def test_a_wrong_or_missing_quantized_file_is_told(
    checkpoints: Checkpoints,
    made_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """None, another graph's, another checkpoint's, and what is none at all."""
    kept = tmp_path / "voice.q"
    quantized("voice", checkpoints, made_root, kept)
    capsys.readouterr()
    out = tmp_path / "out"
    export = ["--target", "cpu-int8", "--out", out]
    voice = network("voice", checkpoints)
    assert run("export", *voice, *export) == 2
    assert "got no --quantized, expected a file made by" in refused(capsys)
    face = network("face", checkpoints)
    assert run("export", *face, *export, "--quantized", kept) == 2
    assert "holds the voice network, expected face" in refused(capsys)
    assert run("export", *voice, *export, "--quantized", checkpoints["voice"]) == 1
    assert "make one with: python -m quantize ptq" in refused(capsys)
    other = replace(load_checkpoint(checkpoints["voice"], "voice"), epoch=2)
    save_checkpoint(checkpoints["voice"], other)
    assert run("export", *voice, *export, "--quantized", kept) == 1
    assert "is not the checkpoint that was quantized" in refused(capsys)
    assert not out.exists()


def test_another_graphs_file_is_told_with_what_was_expected(
    checkpoints: Checkpoints,
    made_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the inputs; a file without emotion heads, by the outputs it lacks."""
    voice = network("voice", checkpoints)
    assert run("export", *voice, "--heads", "signals", "--out", tmp_path) == 0
    capsys.readouterr()
    file = tmp_path / "voice.cpu-fp32.onnx"
    assert run("parity", *network("face", checkpoints), "--file", file) == 1
    assert "but the face graph of this checkpoint takes image" in refused(capsys)
    assert run("parity", *voice, "--file", file) == 1
    assert "lacks the outputs emotion of the voice graph" in refused(capsys)
    given = [*network("affect", checkpoints), "--file", file]
    given += [*material("affect", checkpoints, made_root), "--out", tmp_path / "d"]
    assert run("drift", *given) == 1
    assert "takes mel" in refused(capsys)
    assert not (tmp_path / "d").exists()
    assert run("parity", *voice, "--file", tmp_path / "none.onnx") == 1
    assert "none.onnx: cannot be read" in refused(capsys)


def test_a_quantized_file_is_of_no_use_to_a_float_target(
    checkpoints: Checkpoints, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --target the export is float: it is told, not done."""
    given = [*network("voice", checkpoints), "--quantized", tmp_path / "q"]
    assert run("export", *given, "--out", tmp_path / "out") == 2
    assert "of no use for --target cpu-fp32" in refused(capsys)
    assert not (tmp_path / "out").exists()


def test_check_names_the_batch_norm_that_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The node's name and what was expected."""
    names = ["x", "scale", "bias", "mean", "variance"]
    node = helper.make_node("BatchNormalization", names, ["y"], name="stem/norm")
    shapes = [[1, 2, 3, 3], *([[2]] * 4)]
    graph = helper.make_graph(
        [node],
        "g",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in zip(names, shapes, strict=True)
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 3, 3])],
    )
    opsets = [helper.make_opsetid("", 17)]
    file = tmp_path / "g.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(file))
    assert run("check", file, "--target", "cpu-int8") == 1
    said = refused(capsys)
    assert "stem/norm" in said
    assert "a BatchNorm is left, expected it merged" in said


def test_affect_without_the_networks_it_takes_is_wrong_usage(
    checkpoints: Checkpoints,
    made_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both are asked for."""
    given = [*network("affect", checkpoints), "--data", made_root]
    assert run("ptq", *given, "--out", tmp_path / "q") == 2
    assert "got no --face or no --voice" in refused(capsys)


def test_no_data_root_is_wrong_usage(
    checkpoints: Checkpoints,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The option and the variable are named."""
    monkeypatch.delenv("EDGE_AFFECT_DATA", raising=False)
    given = network("voice", checkpoints)
    assert run("ptq", *given, "--out", tmp_path / "q") == 2
    assert "or EDGE_AFFECT_DATA set" in refused(capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "nose", "--out", "y"),
        ("drift", "face", "--file", "f", "--out", "y"),
        ("parity", "voice", "--file", "f", "--steps", "0"),
        ("export", "voice", "--out", "y", "--heads", "some"),
    ],
)
def test_unknown_words_and_numbers_are_wrong_usage(arguments: Sequence[str]) -> None:
    """They end with 2, as argparse does."""
    command, graph, *more = arguments
    with pytest.raises(SystemExit) as ended:
        run(command, graph, "--checkpoint", "x", *more)
    assert ended.value.code == 2
