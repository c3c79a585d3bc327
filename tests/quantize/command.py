"""What the tests of ``python -m quantize`` call it with, and read of what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quantize.cli import main

Checkpoints = dict[str, Path]


def run(*arguments: object) -> int:
    """Run the command; return its exit code."""
    return main([str(argument) for argument in arguments])


def network(graph: str, checkpoints: Checkpoints) -> list[object]:
    """Return what names a network to every command."""
    return [graph, "--checkpoint", checkpoints[graph]]


def material(graph: str, checkpoints: Checkpoints, root: Path) -> list[object]:
    """Return what names the training material."""
    taken: list[object] = ["--data", root]
    if graph == "affect":
        taken += ["--face", checkpoints["face"], "--voice", checkpoints["voice"]]
    return taken


def quantized(
    graph: str, checkpoints: Checkpoints, root: Path, out: Path
) -> list[object]:
    """Quantize a checkpoint; return what names the result to export and parity."""
    named = network(graph, checkpoints)
    taken = material(graph, checkpoints, root)
    assert run("ptq", *named, *taken, "--out", out) == 0
    return [*named, "--quantized", out, "--target", "cpu-int8"]


def told_by(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """Return the JSON of the last line that was printed."""
    told: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return told


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line that was told."""
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("quantize: ")
    return captured.err
