from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest

from edge_affect.cli import main
from edge_affect.commands.engines import build
from edge_affect.commands.terminal import Terminal
from edge_affect.runners.compare import Tolerance
from tests.fakes.bundles import TENSORRT, bundle_with
from tests.fakes.nvidia.gpu import GPU
from tests.fakes.nvidia.install import install
from tests.fakes.nvidia.tensorrt_api import BUILD_VARIABLE


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    """Return the folder of a bundle with graphs for one of TensorRT's targets."""
    return str(bundle_with(tmp_path / "bundle", ("trt-int8",)))


def _run(*arguments: str) -> int:
    return main([*arguments, "--allow-unsigned"])


def test_build_builds_once_and_says_what_runs(
    monkeypatch: pytest.MonkeyPatch, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first time every engine is built, the second time none is."""
    install(monkeypatch, "10.3")
    assert _run("build", bundle) == 0
    first = capsys.readouterr()
    assert "tiny 0.0.1 by TensorRT 10.3.0 on Orin (fake), with CUDA graphs" in first.out
    assert first.out.count("built in") == 3
    assert "runs: trt-int8 (the fastest that agrees" in first.out
    assert "sealed by a checksum alone: see docs/tensorrt.md" in first.out
    assert first.err.splitlines() == [
        f"{graph} trt-int8: building" for graph in ("face", "voice", "affect")
    ]
    assert _run("build", bundle) == 0
    second = capsys.readouterr()
    assert second.out.count("reused") == 3
    assert "built in" not in second.out
    assert second.err == ""
    assert GPU.allocations == 0


def test_build_draws_one_line_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, bundle: str
) -> None:
    """It is drawn again in place, and gone at the end."""
    install(monkeypatch, "10.3")
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as stream:
        terminal = Terminal(stream, {"TERM": "xterm"})
        build(Path(bundle), terminal, allow_unsigned=True)
    drawn = os.read(leader, 65_536).decode()
    os.close(leader)
    assert "face trt-int8: b" in drawn  # a terminal of no size has 20 columns
    assert "\x1b[1F" in drawn
    assert drawn.endswith("\x1b[?7h")


@pytest.mark.parametrize("command", ["build", "compare"])
def test_engine_commands_fail_in_one_line_where_nothing_builds(
    monkeypatch: pytest.MonkeyPatch,
    bundle: str,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    """A build that fails on a GPU is a failure, also for a comparison."""
    install(monkeypatch, "10.3")
    monkeypatch.setenv(BUILD_VARIABLE, "none")
    assert _run(command, bundle) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "face trt-int8: TensorRT built no engine (Could not find any" in lines[1]


def test_build_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a GPU it is one line, and exit code 1."""
    install(monkeypatch, "10.3")
    GPU.present = False
    assert _run("build", bundle) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("edge-affect: no engines were built: no NVIDIA driver")


def test_run_says_what_the_backend_tensorrt_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a GPU it is one line and exit code 1, and nothing is run instead."""
    install(monkeypatch, "10.3")
    GPU.present = False
    asked = ["--purpose", "research", "--backend", "tensorrt"]
    assert main(["run", "simulated", *asked]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "edge-affect: backend 'tensorrt': no NVIDIA driver was found"
    )


def test_run_by_tensorrt_says_what_really_runs(
    monkeypatch: pytest.MonkeyPatch, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first start says that it takes long; the run tells target and provider."""
    install(monkeypatch, "11.4")
    asked = ["--purpose", "research", "--backend", "tensorrt", "--max-seconds", "0.5"]
    assert _run("run", "simulated", "--bundle", bundle, *asked) == 0
    err = capsys.readouterr().err
    assert "edge-affect: first start on this device: TensorRT builds its engines" in err
    assert "edge-affect: voice trt-int8: building\n" in err
    assert "warning" not in err
    assert "trt-int8 (the fastest that agrees with ONNX Runtime here" in err
    assert "on TensorRT 11.4.0.106 on Orin (fake), with CUDA graphs" in err
    assert GPU.allocations == 0


def test_compare_runs_tensorrt_against_onnx_runtime(
    monkeypatch: pytest.MonkeyPatch, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Error and speed of every graph, and exit code 0 within tolerance."""
    install(monkeypatch, "11.4")
    assert _run("compare", bundle) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "tiny 0.0.1, trt-int8, 300 cells of a simulated drive; "
        "TensorRT 11.4.0.106 on Orin (fake)"
    )
    for name in ("face", "voice", "affect", "mean error", "ms", "100.0%"):
        assert name in out
    assert out.endswith("within tolerance\n")


def test_compare_fails_over_tolerance(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Targets that are far apart fail, and it says which output is."""
    folder = bundle_with(tmp_path / "bundle", ("cpu-int8",))
    exact = Tolerance(mean_error=0.0, top_class=1.0)
    monkeypatch.setattr("edge_affect.commands.engines.OTHER_TARGET", exact)
    assert _run("compare", str(folder)) == 1
    assert "over tolerance: face embedding: mean difference" in capsys.readouterr().out


def test_compare_holds_cpu_targets_against_each_other_without_tensorrt(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where TensorRT cannot run, what ONNX Runtime runs is compared."""
    folder = bundle_with(tmp_path / "bundle", ("cpu-int8",))
    # Random weights are often near a tie of two classes.
    loose = Tolerance(mean_error=0.05, top_class=0.9)
    monkeypatch.setattr("edge_affect.commands.engines.OTHER_TARGET", loose)
    assert _run("compare", str(folder)) == 0
    out = capsys.readouterr().out
    assert out.startswith("without TensorRT: the bundle has no graphs for TensorRT\n")
    assert "cpu-int8" in out
    assert "cpu-fp32" in out


def test_compare_says_that_there_is_nothing_to_compare(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One target and no TensorRT: one line, exit code 1."""
    install(monkeypatch, "10.3")
    GPU.present = False
    folder = bundle_with(tmp_path / "bundle", TENSORRT)
    assert _run("compare", str(folder)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "edge-affect: nothing to compare: no NVIDIA driver was found"
    )
    assert "no second target for ONNX Runtime beside cpu-fp32" in line


def test_engine_commands_tell_of_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    """Each has its own help."""
    for command in ("build", "compare"):
        with pytest.raises(SystemExit) as caught:
            main([command, "--help"])
        assert caught.value.code == 0
        assert "TensorRT" in capsys.readouterr().out
