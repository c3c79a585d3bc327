from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest

from edge_affect.errors import BundleError, RunnerError, UsageError
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.runners.select import make_runner

TINY = Path(__file__).resolve().parents[3] / "data" / "tiny_bundle"


@pytest.fixture
def bundle() -> Bundle:
    """Return the tiny bundle."""
    return load_bundle(TINY, allow_unsigned=True)


@pytest.mark.parametrize("backend", ["auto", "onnxruntime"])
def test_make_runner_runs_the_default_target(bundle: Bundle, backend: str) -> None:
    """Without a target the manifest's default runs, on ONNX Runtime."""
    runner, target = make_runner(backend, bundle)
    assert (runner.backend, target) == ("onnxruntime", "cpu-fp32")
    assert set(runner.signatures) == {"face", "voice", "affect"}


def test_make_runner_runs_the_target_asked_for(bundle: Bundle) -> None:
    """A target by name is the one that runs; one the bundle lacks is refused."""
    assert make_runner("auto", bundle, "cpu-fp32", threads=2)[1] == "cpu-fp32"
    with pytest.raises(BundleError, match="for the target 'cpu-int8'"):
        make_runner("auto", bundle, "cpu-int8")


def test_make_runner_refuses_unknown_names(bundle: Bundle) -> None:
    """Backends and targets that do not exist are wrong usage."""
    with pytest.raises(UsageError, match="backend: got 'cuda', expected one of auto"):
        make_runner("cuda", bundle)
    with pytest.raises(UsageError, match="target: got 'gpu', expected one of cpu-fp32"):
        make_runner("auto", bundle, "gpu")


@pytest.mark.parametrize(
    ("installed", "reason"),
    [(False, "no TensorRT runtime was found"), (True, "has no TensorRT runner")],
)
def test_make_runner_says_what_tensorrt_lacks(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, *, installed: bool, reason: str
) -> None:
    """The backend tensorrt is one line on what is missing, never a fall-back."""
    spec = importlib.machinery.ModuleSpec("tensorrt", None) if installed else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(RunnerError, match=f"backend 'tensorrt': .*{reason}") as caught:
        make_runner("tensorrt", bundle)
    assert "\n" not in str(caught.value)
