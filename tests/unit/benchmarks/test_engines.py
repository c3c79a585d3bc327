"""Engines built, compared and timed, on the fake GPU: it times nothing real."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from benchmarks import engines
from benchmarks.__main__ import main
from benchmarks.engines import CAPTURED, ONE_BY_ONE, measure_engines
from benchmarks.progress import Progress
from benchmarks.records import Record, load_result
from benchmarks.roofline import read_measured
from edge_affect.commands.terminal import Terminal
from edge_affect.errors import RunnerError
from edge_affect.model.bundle import load_bundle
from edge_affect.runners.tensorrt.prepare import TENSORRT_TARGETS
from tests.fakes.bundles import bundle_with
from tests.fakes.nvidia.gpu import GPU
from tests.fakes.nvidia.install import install


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a bundle for TensorRT; few steps and short pauses are taken."""
    for name, value in {
        "BACK_TO_BACK": 200,
        "PACED": 3,
        "PACED_HZ": 1_000,
        "IDLE": 1,
        "IDLE_S": 0.01,
        "WARM_UP": 1,
    }.items():
        monkeypatch.setattr(engines, name, value)
    return bundle_with(tmp_path / "bundle", TENSORRT_TARGETS)


def _found(records: tuple[Record, ...], metric: str, stage: str) -> Record:
    [found] = [r for r in records if r.metric == metric and stage in (r.stage or "")]
    return found


def test_engines_are_built_compared_and_timed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each target: builds, agreement, both ways to launch; the GPU is left empty."""
    libraries = install(monkeypatch, "10.3")
    bundle = load_bundle(folder, allow_unsigned=True)
    progress = Progress(Terminal(io.StringIO(), {}))
    trials = measure_engines(bundle, libraries, tmp_path / "cache", progress)
    assert tuple(trials) == TENSORRT_TARGETS
    for target, trial in trials.items():
        assert "with CUDA graphs" in trial.provider
        assert {record.target for record in trial.records} == {target}
        for graph in bundle.graphs:
            assert _found(trial.records, "bytes", f"engine of {graph}").value > 0
            assert _found(trial.records, "build_s", f"engine of {graph}").value > 0
        same = [r.value for r in trial.records if r.metric == "same_class"]
        assert same == [1.0] * len(same)
        assert same
        for how in (CAPTURED, ONE_BY_ONE):
            stage = f"frame step, {how}, back to back"
            median = _found(trial.records, "p50_ms", stage)
            assert median.n == engines.BACK_TO_BACK
            assert median.value <= _found(trial.records, "p99_ms", stage).value
    assert GPU.allocations == 0


def test_result_names_the_gpu_and_feeds_the_roofline(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command's file holds GPU, driver and TensorRT; its medians can be shown."""
    install(monkeypatch, "10.3")
    out = tmp_path / "engines.json"
    assert main(["engines", "--bundle", str(folder), "--json", str(out)]) == 0
    result = load_result(out)
    assert result.run["gpu"]["name"] == GPU.name
    assert result.run["tensorrt"].startswith("10.3")
    shown = read_measured([out])
    assert {record.split for record in shown} == {GPU.name}
    assert any("frame step" in (record.stage or "") for record in shown)


def test_without_a_gpu_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No result file, exit code 1."""

    def none() -> None:
        raise RunnerError("no NVIDIA driver was found")

    monkeypatch.setattr("benchmarks.__main__.open_libraries", none)
    out = tmp_path / "engines.json"
    assert main(["engines", "--json", str(out)]) == 1
    assert "no NVIDIA driver" in capsys.readouterr().err
    assert not out.exists()
