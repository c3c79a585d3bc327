from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from edge_affect.errors import BundleError, RunnerError, UsageError
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.runners.choices import (
    Choice,
    choice_file,
    choice_key,
    save_choice,
)
from edge_affect.runners.select import make_runner, rivals
from tests.fakes.bundles import TENSORRT, bundle_with, two_target_bundle
from tests.fakes.nvidia.gpu import GPU
from tests.fakes.nvidia.install import install
from tests.fakes.nvidia.tensorrt_api import BUILD_VARIABLE

TINY = Path(__file__).resolve().parents[3] / "data" / "tiny_bundle"


@pytest.fixture
def bundle() -> Bundle:
    """Return the tiny bundle."""
    return load_bundle(TINY, allow_unsigned=True)


@pytest.fixture
def two_targets(tmp_path: Path) -> Bundle:
    """Return a bundle whose default is cpu-fp32, with graphs for cpu-int8 too."""
    return load_bundle(two_target_bundle(tmp_path / "two"), allow_unsigned=True)


@pytest.mark.parametrize("backend", ["auto", "onnxruntime"])
def test_make_runner_runs_the_default_target(bundle: Bundle, backend: str) -> None:
    """Without a target the manifest's default runs, on ONNX Runtime."""
    runner, choice = make_runner(backend, bundle)
    assert (runner.backend, choice.target) == ("onnxruntime", "cpu-fp32")
    assert choice.reason == "the bundle's default"
    assert set(runner.signatures) == {"face", "voice", "affect"}


def test_make_runner_runs_the_target_asked_for(bundle: Bundle) -> None:
    """A target by name is the one that runs; one the bundle lacks is refused."""
    _, choice = make_runner("auto", bundle, "cpu-fp32", threads=2)
    assert choice == Choice("cpu-fp32", "asked for")
    with pytest.raises(BundleError, match="for the target 'cpu-int8'"):
        make_runner("auto", bundle, "cpu-int8")


def test_make_runner_prefers_what_was_measured_to_the_default(
    two_targets: Bundle,
) -> None:
    """A name goes over the measurement, the measurement over the bundle's default."""
    assert rivals(two_targets) == ("cpu-fp32", "cpu-int8")
    assert make_runner("auto", two_targets)[1].target == "cpu-fp32"
    measured = Choice("cpu-int8", "measured here: twice as fast")
    save_choice(choice_key(two_targets.digest), measured)
    assert make_runner("auto", two_targets)[1] == measured
    named = make_runner("auto", two_targets, "cpu-fp32")[1]
    assert named == Choice("cpu-fp32", "asked for")


def test_make_runner_believes_no_measurement_of_another_bundle(
    bundle: Bundle, two_targets: Bundle
) -> None:
    """Another digest's choice is not looked at, nor any where there is no choice."""
    measured = Choice("cpu-int8", "measured here")
    save_choice(choice_key("0" * 64), measured)
    save_choice(choice_key(bundle.digest), measured)
    for one in (bundle, two_targets):
        choice = make_runner("auto", one)[1]
        assert choice == Choice("cpu-fp32", "the bundle's default")


def test_make_runner_runs_the_default_when_the_measurement_is_damaged(
    two_targets: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning says what to do, and the default runs."""
    file = save_choice(choice_key(two_targets.digest), Choice("cpu-int8", "measured"))
    assert file == choice_file(choice_key(two_targets.digest))
    file.write_bytes(file.read_bytes()[:-9])
    assert make_runner("auto", two_targets)[1].target == "cpu-fp32"
    (record,) = caplog.records
    assert "edge-affect doctor --measure" in record.getMessage()


def test_make_runner_refuses_unknown_names(bundle: Bundle) -> None:
    """Backends and targets that do not exist are wrong usage."""
    with pytest.raises(UsageError, match="backend: got 'cuda', expected one of auto"):
        make_runner("cuda", bundle)
    with pytest.raises(UsageError, match="target: got 'gpu', expected one of cpu-fp32"):
        make_runner("auto", bundle, "gpu")


@pytest.fixture
def for_tensorrt(tmp_path: Path) -> Bundle:
    """Return a bundle with graphs for both of TensorRT's targets."""
    folder = bundle_with(tmp_path / "trt", TENSORRT)
    return load_bundle(folder, allow_unsigned=True)


def _hide(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Let nobody import a package, nor a real one that may be installed here."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])


@pytest.mark.parametrize("backend", ["auto", "tensorrt"])
def test_make_runner_runs_tensorrt_where_everything_is_there(
    monkeypatch: pytest.MonkeyPatch,
    for_tensorrt: Bundle,
    caplog: pytest.LogCaptureFixture,
    backend: str,
) -> None:
    """With GPU, packages and graphs there, engines are built once, with one line."""
    install(monkeypatch, "10.13")
    for builds in (True, False):
        caplog.clear()
        with caplog.at_level("INFO", "edge_affect.progress"):
            runner, choice = make_runner(backend, for_tensorrt)
        assert (runner.backend, choice.target in TENSORRT) == ("tensorrt", True)
        said = [record.getMessage() for record in caplog.records]
        assert len(said) == 7 * builds  # of each engine one line, after the first
        assert not said or "can take minutes; ahead of time" in said[0]
        assert not [r for r in caplog.records if r.levelname == "WARNING"]
        runner.close()


@pytest.mark.parametrize("absent", ["GPU", "tensorrt", "pycuda"])
def test_make_runner_says_what_tensorrt_lacks(
    monkeypatch: pytest.MonkeyPatch, for_tensorrt: Bundle, absent: str
) -> None:
    """The backend tensorrt is one line on what is missing, never a fall-back."""
    install(monkeypatch, "10.3")
    reason = {
        "GPU": "no NVIDIA driver was found",
        "tensorrt": "no Python package 'tensorrt' was found",
        "pycuda": "no Python package 'pycuda' was found",
    }
    if absent == "GPU":
        GPU.present = False
    else:
        _hide(monkeypatch, absent)
    expected = f"^backend 'tensorrt': {reason[absent]}.*; use the backend 'onnxruntime'"
    with pytest.raises(RunnerError, match=expected) as caught:
        make_runner("tensorrt", for_tensorrt)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1


def test_make_runner_says_that_the_bundle_has_nothing_for_tensorrt(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    """A bundle for the CPU alone is another reason."""
    install(monkeypatch, "10.3")
    with pytest.raises(RunnerError, match="the bundle has no graphs for trt-int8"):
        make_runner("tensorrt", bundle)
    with pytest.raises(RunnerError, match="'cpu-fp32' is made for ONNX Runtime"):
        make_runner("tensorrt", bundle, "cpu-fp32")


@pytest.mark.parametrize(
    ("absent", "reason"),
    [
        ("GPU", "the bundle's default"),
        ("tensorrt", "default; there is a GPU, but no Python package 'tensorrt'"),
        ("pycuda", "default; there is a GPU, but no Python package 'pycuda'"),
    ],
)
def test_make_runner_auto_runs_onnx_runtime_where_something_is_missing(
    monkeypatch: pytest.MonkeyPatch,
    for_tensorrt: Bundle,
    caplog: pytest.LogCaptureFixture,
    absent: str,
    reason: str,
) -> None:
    """Quietly: most machines have no GPU; one that has says what is missing."""
    install(monkeypatch, "10.3")
    if absent == "GPU":
        GPU.present = False
    else:
        _hide(monkeypatch, absent)
    runner, choice = make_runner("auto", for_tensorrt)
    assert (runner.backend, choice.target) == ("onnxruntime", "cpu-fp32")
    assert reason in choice.reason
    assert not caplog.records


@pytest.mark.parametrize("wrong", ["none", "crash", "wrong"])
def test_make_runner_auto_warns_once_where_building_fails(
    monkeypatch: pytest.MonkeyPatch,
    for_tensorrt: Bundle,
    caplog: pytest.LogCaptureFixture,
    wrong: str,
) -> None:
    """ONNX Runtime runs then, and one warning says why."""
    install(monkeypatch, "11.4")
    monkeypatch.setenv(BUILD_VARIABLE, wrong)
    runner, choice = make_runner("auto", for_tensorrt)
    assert (runner.backend, choice.target) == ("onnxruntime", "cpu-fp32")
    assert "TensorRT could not run it" in choice.reason
    said = [
        r.getMessage() for r in caplog.records if "first start" not in r.getMessage()
    ]
    assert len(said) == 1
    assert said[0].startswith(
        "TensorRT cannot run this bundle, ONNX Runtime does: trt-"
    )


def test_make_runner_auto_warns_of_a_cache_that_is_not_safe(
    monkeypatch: pytest.MonkeyPatch,
    for_tensorrt: Bundle,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A folder that others may write to is not used."""
    install(monkeypatch, "10.3")
    folder = Path(os.environ["XDG_CACHE_HOME"]) / "edge_affect" / "engines"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert make_runner("auto", for_tensorrt)[0].backend == "onnxruntime"
    assert "got the mode 0777, expected 0700" in caplog.text
    with pytest.raises(RunnerError, match="got the mode 0777"):
        make_runner("tensorrt", for_tensorrt)


def test_make_runner_runs_a_cpu_target_that_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, for_tensorrt: Bundle
) -> None:
    """A target by name decides: a replay of a CPU's record runs on the CPU."""
    install(monkeypatch, "10.3")
    runner, choice = make_runner("auto", for_tensorrt, "cpu-fp32")
    assert (runner.backend, choice) == ("onnxruntime", Choice("cpu-fp32", "asked for"))
    runner, choice = make_runner("onnxruntime", for_tensorrt)
    assert (runner.backend, choice.target) == ("onnxruntime", "cpu-fp32")
    runner, choice = make_runner("auto", for_tensorrt, "trt-fp16")
    assert (runner.backend, choice) == ("tensorrt", Choice("trt-fp16", "asked for"))
