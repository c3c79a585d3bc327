from __future__ import annotations

import shutil
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from edge_affect.errors import BundleError, RunnerError
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.runners.compare import (
    Comparison,
    GivenStep,
    GraphComparison,
    OutputError,
)
from edge_affect.runners.engine_cache import EngineCache, open_engine_cache
from edge_affect.runners.onnxruntime import OnnxRunner
from edge_affect.runners.seal import Seal
from edge_affect.runners.tensorrt import engines
from edge_affect.runners.tensorrt.builder import Build, build_engine
from edge_affect.runners.tensorrt.libraries import Libraries, open_libraries
from edge_affect.runners.tensorrt.prepare import Prepared, prepare
from tests.fakes.bundles import TENSORRT, bundle_with
from tests.fakes.nvidia.gpu import GPU
from tests.fakes.nvidia.install import install
from tests.fakes.nvidia.tensorrt_api import BUILD_VARIABLE

GRAPHS = ("face", "voice", "affect")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Libraries:
    """Return TensorRT 8.6 on the fake GPU: the version whose flags tell targets."""
    return install(monkeypatch, "8.6")


@pytest.fixture
def build_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build in this process, which starts sooner than another one."""

    def build(graph: bytes, target: str, timing: bytes, **_: object) -> Build:
        return build_engine(open_libraries().tensorrt, graph, target, timing)

    monkeypatch.setattr(engines, "build_in_child", build)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """Return a bundle with both of TensorRT's targets."""
    folder = bundle_with(tmp_path / "bundle", TENSORRT)
    return load_bundle(folder, allow_unsigned=True)


@pytest.fixture
def one_target(tmp_path: Path) -> Bundle:
    """Return a bundle with one of them: half as much to build."""
    folder = bundle_with(tmp_path / "one", ("trt-int8",))
    return load_bundle(folder, allow_unsigned=True)


def _built(prepared: Prepared) -> set[tuple[str, str]]:
    return {(n.graph, n.target) for n in prepared.engines if n.build_s is not None}


def _engines() -> int:
    return len(list(open_engine_cache().folder.glob("*.engine")))


@pytest.mark.usefixtures("build_here")
def test_prepare_builds_both_targets_and_keeps_one(
    found: Libraries, bundle: Bundle
) -> None:
    """Both are compared with ONNX Runtime; what is not run leaves the disk."""
    prepared = prepare(bundle, found)
    assert _built(prepared) == {(g, t) for g in GRAPHS for t in TENSORRT}
    assert [trial.target for trial in prepared.trials] == list(TENSORRT)
    assert all(trial.fault is None for trial in prepared.trials)
    for trial in prepared.trials:
        assert trial.comparison is not None
        assert {graph.graph for graph in trial.comparison.graphs} == set(GRAPHS)
    taken = {t.target: t.comparison.other_ms for t in prepared.trials if t.comparison}
    assert prepared.choice.target == min(taken, key=taken.__getitem__)
    assert "the fastest that agrees with ONNX Runtime here" in prepared.choice.reason
    assert prepared.sealed == "checksum"
    assert _engines() == 3 + 2  # the timing cache and the choice
    prepared.runner.close()
    assert GPU.allocations == 0


@pytest.mark.usefixtures("build_here")
def test_prepare_reuses_what_it_built(found: Libraries, bundle: Bundle) -> None:
    """The next start builds and compares nothing, and runs the same target."""
    first = prepare(bundle, found)
    again = prepare(bundle, found)
    assert again.choice == first.choice
    assert again.trials == ()
    assert not _built(again)
    assert {note.target for note in again.engines} == {first.choice.target}


@pytest.mark.usefixtures("build_here")
@pytest.mark.parametrize("change", ["driver", "gpu", "tensorrt", "graph"])
def test_prepare_builds_anew_where_the_device_or_the_graph_is_another(
    monkeypatch: pytest.MonkeyPatch,
    found: Libraries,
    one_target: Bundle,
    tmp_path: Path,
    change: str,
) -> None:
    """A stale or foreign engine is not even looked for."""
    prepare(one_target, found)
    if change == "tensorrt":
        found = install(monkeypatch, "10.3")
    elif change == "gpu":
        GPU.name = "Thor (fake)"
        found = open_libraries()
    elif change == "driver":
        monkeypatch.setattr("tests.fakes.nvidia.install.CUDA_VERSION", 12_080)
        found = open_libraries()
    else:
        folder = bundle_with(tmp_path / "other", ("cpu-int8", "trt-int8"))
        one_target = load_bundle(folder, allow_unsigned=True)
    assert len(_built(prepare(one_target, found))) == 3


@pytest.mark.usefixtures("build_here")
@pytest.mark.parametrize("damage", ["truncated", "tampered", "foreign", "unsealed"])
def test_prepare_rebuilds_an_engine_that_is_not_ours(
    found: Libraries,
    one_target: Bundle,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    """It is never given to TensorRT: one line, and a new one is built."""
    cache = EngineCache(tmp_path / "engines", Seal(b"k" * 32))
    prepare(one_target, found, cache=cache)
    largest = max(cache.folder.iterdir(), key=lambda path: path.stat().st_size)
    content = largest.read_bytes()
    other = EngineCache(tmp_path / "others", Seal(b"o" * 32))
    if damage in ("foreign", "unsealed"):
        if damage == "unsealed":
            other = EngineCache(tmp_path / "plain", Seal())
        prepare(one_target, found, cache=other)
        shutil.copy(other.folder / largest.name, largest)
    else:
        cut = content[:-100]
        largest.write_bytes(cut if damage == "truncated" else cut + b"x" * 100)
    caplog.clear()
    again = prepare(one_target, found, cache=cache)
    assert len(_built(again)) == 1
    assert [r for r in caplog.records if "it is built anew" in r.getMessage()]
    assert not _built(prepare(one_target, found, cache=cache))


@pytest.mark.usefixtures("build_here")
def test_prepare_rebuilds_an_engine_that_tensorrt_refuses(
    found: Libraries,
    one_target: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """None from TensorRT on a file that is whole: all of the target are built again."""
    first = prepare(one_target, found)
    cache = open_engine_cache()
    real = EngineCache.load
    spoiled: list[int] = []

    def load(self: EngineCache, key: object) -> bytes | None:
        kept = real(self, key)  # type: ignore[arg-type]
        if kept is not None and kept.startswith(b"fake plan") and not spoiled:
            spoiled.append(1)
            return kept.replace(b"8.6.1", b"8.6.0", 1)
        return kept

    monkeypatch.setattr(EngineCache, "load", load)
    again = prepare(one_target, found, cache=cache)
    assert again.choice == first.choice
    assert again.runner.provider.startswith("TensorRT 8.6.1")
    assert "are built anew" in caplog.text


@pytest.mark.usefixtures("build_here")
def test_prepare_keeps_the_target_that_builds(
    found: Libraries,
    bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where one target cannot be built the other runs, and a line says why."""
    monkeypatch.setenv(BUILD_VARIABLE, "INT8")
    prepared = prepare(bundle, found)
    assert prepared.choice.target == "trt-fp16"
    assert prepared.trials[0].fault is not None
    assert "face trt-int8: TensorRT built no engine" in prepared.trials[0].fault
    assert "it does not run" in caplog.text


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("none", "trt-int8: face trt-int8: TensorRT built no engine"),
        ("crash", "ended by signal 11.*trt-fp16: face trt-fp16: .*signal 11"),
        ("wrong", "is not what ONNX Runtime computes: face embedding: mean difference"),
    ],
)
def test_prepare_refuses_what_no_target_can_do(
    found: Libraries,
    bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
    reason: str,
) -> None:
    """With no target left, all reasons are in one line; wrong numbers never run."""
    monkeypatch.setenv(BUILD_VARIABLE, wrong)
    with pytest.raises(RunnerError, match=reason) as caught:
        prepare(bundle, found)
    assert "\n" not in str(caught.value)
    assert GPU.allocations == 0


def test_prepare_gives_up_on_a_build_that_hangs(
    found: Libraries, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit holds for each engine."""
    monkeypatch.setenv(BUILD_VARIABLE, "hang")
    with pytest.raises(RunnerError, match=r"face trt-int8: the build took longer than"):
        prepare(bundle, found, target="trt-int8", limit_s=0.3)


@pytest.mark.usefixtures("build_here")
def test_prepare_runs_the_target_asked_for(found: Libraries, bundle: Bundle) -> None:
    """Nothing is compared then; another target's engines are not built."""
    prepared = prepare(bundle, found, target="trt-fp16")
    assert (prepared.choice.target, prepared.choice.reason) == ("trt-fp16", "asked for")
    assert _built(prepared) == {(graph, "trt-fp16") for graph in GRAPHS}
    with pytest.raises(RunnerError, match="'cpu-fp32' is made for ONNX Runtime"):
        prepare(bundle, found, target="cpu-fp32")


def test_prepare_says_what_the_bundle_lacks(found: Libraries, tmp_path: Path) -> None:
    """A bundle for the CPU alone cannot run by TensorRT."""
    folder = bundle_with(tmp_path / "cpu", ())
    bundle = load_bundle(folder, allow_unsigned=True)
    with pytest.raises(RunnerError, match="no graphs for trt-int8 or trt-fp16, only"):
        prepare(bundle, found)
    with pytest.raises(BundleError, match="for the target 'trt-int8'"):
        prepare(bundle, found, target="trt-int8")


def test_prepare_tells_how_it_goes(found: Libraries, bundle: Bundle) -> None:
    """Each engine is announced before it is built."""
    lines: list[str] = []
    prepare(bundle, found, target="trt-int8", tell=lines.append)
    announced = [line for line in lines if line.endswith(": building")]
    assert announced == [f"{graph} trt-int8: building" for graph in GRAPHS]


@pytest.mark.usefixtures("build_here")
def test_prepare_drops_a_target_that_does_not_run(
    found: Libraries, one_target: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that loads and then fails is a reason like any other."""

    def fail(*_: object) -> NoReturn:
        raise RunnerError("face: the GPU failed (CudaError: out of memory)")

    monkeypatch.setattr("edge_affect.runners.tensorrt.prepare.compare", fail)
    with pytest.raises(RunnerError, match=r"^trt-int8: face: the GPU failed"):
        prepare(one_target, found)
    assert GPU.allocations == 0


def test_a_build_that_failed_is_not_begun_again_at_every_start(
    found: Libraries, one_target: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only who builds ahead of the start tries again; the reason is told meanwhile."""
    begun: list[str] = []

    def fail(graph: bytes, target: str, timing: bytes, **_: object) -> NoReturn:
        begun.append(target)
        raise RunnerError("layer 7 is not supported")

    monkeypatch.setattr(engines, "build_in_child", fail)
    with pytest.raises(RunnerError, match="layer 7"):
        prepare(one_target, found)
    for _ in range(3):
        with pytest.raises(
            RunnerError, match=r"before \(layer 7 .* `edge-affect build`"
        ):
            prepare(one_target, found)
    assert len(begun) == 1
    with pytest.raises(RunnerError, match="layer 7"):
        prepare(one_target, found, again=True)
    assert len(begun) == 2


@pytest.mark.usefixtures("build_here")
def test_a_build_that_was_killed_is_not_begun_again_at_every_start(
    found: Libraries, one_target: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that takes too long to start is killed, and starts again."""

    def killed(graph: bytes, target: str, timing: bytes, **_: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(engines, "build_in_child", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare(one_target, found)
    with pytest.raises(RunnerError, match="the build was not finished"):
        prepare(one_target, found)
    prepared = prepare(one_target, found, again=True)
    assert len(_built(prepared)) == len(GRAPHS)
    prepared.runner.close()
    prepare(one_target, found).runner.close()


@pytest.mark.usefixtures("build_here")
@pytest.mark.parametrize("target", [None, "trt-int8"])
def test_engines_that_are_built_anew_run_only_when_they_agree(
    found: Libraries,
    one_target: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    target: str | None,
) -> None:
    """A choice that was made before, or by the user, says nothing of new engines."""
    prepare(one_target, found).runner.close()
    for engine in open_engine_cache().folder.glob("*.engine"):
        if engine.stat().st_size > 2_000:  # the choice and the timing cache are small
            engine.unlink()
    off = OutputError("valence", 1.0, 1.0, 1.0, None)
    wrong = Comparison((GraphComparison("face", (off,), 1.0, 1.0),))
    module = "edge_affect.runners.tensorrt.prepare.compare"
    monkeypatch.setattr(module, lambda *_: wrong)
    for _ in range(2):
        with pytest.raises(RunnerError, match=r"face valence: mean difference 1\.0000"):
            prepare(one_target, found, target=target)


@pytest.mark.usefixtures("build_here")
def test_prepare_compares_over_what_was_recorded(
    found: Libraries, one_target: Bundle
) -> None:
    """Steps of a stream say more of a quantized graph than noise does."""
    asked: list[str] = []

    def record(target: str) -> list[GivenStep]:
        asked.append(target)
        runner = OnnxRunner(one_target.graphs_for(target))
        zeros = {
            graph: {n: np.zeros(shape, np.float32) for n, shape in s.inputs.items()}
            for graph, s in runner.signatures.items()
        }
        runner.close()
        return [GivenStep(graph, given) for graph, given in zeros.items()] * 3

    prepared = prepare(one_target, found, record=record)
    assert asked == ["trt-int8"]
    [trial] = prepared.trials
    assert trial.fault is None
    assert trial.comparison is not None
    assert trial.comparison.linked is not None
    assert trial.comparison.linked.graph == "face + affect"
    prepared.runner.close()
