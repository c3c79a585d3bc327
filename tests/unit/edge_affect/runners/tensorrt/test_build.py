from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from edge_affect.clock import SystemClock
from edge_affect.errors import RunnerError
from edge_affect.runners.tensorrt import child
from edge_affect.runners.tensorrt.builder import (
    WORKSPACE_BYTES,
    Build,
    build_engine,
    recipe_for,
)
from edge_affect.runners.tensorrt.child import build_in_child
from tests.fakes.nvidia.install import install
from tests.fakes.nvidia.tensorrt_api import BUILD_VARIABLE, VERSIONS, head_of

GRAPHS = Path(__file__).resolve().parents[4] / "data" / "graphs"
COUNTER = (GRAPHS / "counter.onnx").read_bytes()
STRONG = {"8.6": False, "10.3": True, "10.13": True, "11.4": True}
"""Whether a version can type a graph strongly."""


def _build(target: str = "trt-int8", timing: bytes = b"", limit_s: float = 30) -> Build:
    seconds: list[float] = []
    return build_in_child(
        COUNTER,
        target,
        timing,
        clock=SystemClock(),
        waiting=seconds.append,
        limit_s=limit_s,
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("target", "flag"), [("trt-int8", "INT8"), ("trt-fp16", "FP16")]
)
def test_build_asks_for_what_the_version_knows(
    monkeypatch: pytest.MonkeyPatch, version: str, target: str, flag: str
) -> None:
    """Types are the graph's own, or a flag allows them where they cannot be."""
    tensorrt = install(monkeypatch, version).tensorrt
    head = head_of(build_engine(tensorrt, COUNTER, target, b"").engine)
    assert head["flags"] == ([] if STRONG[version] else [flag])
    assert (head["workspace"], head["streams"]) == (WORKSPACE_BYTES, 0)
    text = recipe_for(tensorrt, target).text
    assert text.startswith("strong" if STRONG[version] else f"weak {flag}")


@pytest.mark.parametrize("version", VERSIONS)
def test_build_in_child_gives_an_engine_and_what_was_timed(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """The engine comes back whole; the next build is given what this one timed."""
    install(monkeypatch, version)
    first = _build()
    assert head_of(first.engine)["timing"] == ""
    assert first.timing == b"timed "
    second = _build(timing=first.timing)
    assert head_of(second.engine)["timing"] == "timed "
    assert second.timing == b"timed timed "


def test_build_begins_anew_where_the_timing_cache_is_foreign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TensorRT refuses one of another device: the build goes on without it."""
    tensorrt = install(monkeypatch, "10.3").tensorrt
    made = build_engine(tensorrt, COUNTER, "trt-int8", b"foreign")
    assert head_of(made.engine)["timing"] == ""


def test_build_refuses_a_target_that_is_not_tensorrts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A graph for ONNX Runtime breaks TensorRT's rules."""
    tensorrt = install(monkeypatch, "10.3").tensorrt
    with pytest.raises(RunnerError, match="got 'cpu-int8', expected one of trt-int8"):
        recipe_for(tensorrt, "cpu-int8")


def test_build_tells_what_the_parser_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that cannot be read is one line with TensorRT's reason."""
    install(monkeypatch, "10.3")
    with pytest.raises(RunnerError, match=r"cannot read the graph \(Model") as e:
        build_in_child(
            b"no graph",
            "trt-int8",
            b"",
            clock=SystemClock(),
            waiting=lambda seconds: None,
        )
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("none", r"built no engine \(Could not find any implementation\)"),
        ("unloadable", "does not take the engine"),
        ("crash", "ended by signal 11"),
    ],
)
def test_build_that_fails_ends_the_child_alone(
    monkeypatch: pytest.MonkeyPatch, wrong: str, reason: str
) -> None:
    """None, an engine that does not load and a crash are one line each."""
    install(monkeypatch, "10.13")
    monkeypatch.setenv(BUILD_VARIABLE, wrong)
    with pytest.raises(RunnerError, match=reason) as caught:
        _build()
    assert "\n" not in str(caught.value)


def test_build_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past its limit the child is killed, and nothing of it is left."""
    install(monkeypatch, "10.13")
    monkeypatch.setenv(BUILD_VARIABLE, "hang")
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    class Noted(real):  # type: ignore[misc, valid-type]  # known at run time alone
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    with pytest.raises(RunnerError, match=r"took longer than 0\.5 s"):
        _build(limit_s=0.5)
    (process,) = started
    assert process.returncode == -9
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_build_tells_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the child works, seconds are told, more each time."""
    install(monkeypatch, "10.13")
    monkeypatch.setenv(BUILD_VARIABLE, "hang")
    seconds: list[float] = []
    with pytest.raises(RunnerError, match="took longer"):
        build_in_child(
            COUNTER,
            "trt-int8",
            b"",
            clock=SystemClock(),
            waiting=seconds.append,
            limit_s=1,
        )
    assert seconds
    assert seconds == sorted(seconds)


def test_build_is_ended_when_the_user_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C leaves no child behind."""
    install(monkeypatch, "10.13")
    monkeypatch.setenv(BUILD_VARIABLE, "hang")

    def stop(seconds: float) -> NoReturn:
        raise KeyboardInterrupt

    killed: list[int] = []
    real = os.killpg

    def noted(pid: int, number: int) -> None:
        killed.append(number)
        real(pid, number)

    monkeypatch.setattr(os, "killpg", noted)
    with pytest.raises(KeyboardInterrupt):
        build_in_child(
            COUNTER, "trt-int8", b"", clock=SystemClock(), waiting=stop, limit_s=60
        )
    assert killed == [9]


def test_build_tells_of_a_child_without_tensorrt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the child cannot import is told in a line."""
    install(monkeypatch, "10.3")
    monkeypatch.setenv("PYTHONPATH", "")
    with pytest.raises(RunnerError, match=r"ModuleNotFoundError: .*tensorrt"):
        _build()


def test_build_tells_what_a_child_said_that_never_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An interpreter that fails has its last words told."""
    monkeypatch.setattr(child, "_CODE", "raise SystemExit('no room')")
    with pytest.raises(RunnerError, match=r"ended with exit code 1 \(no room\)"):
        _build()


def test_build_refuses_a_version_that_knows_neither_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A TensorRT without strong types and without the flag cannot build the target."""
    tensorrt = install(monkeypatch, "8.6").tensorrt
    monkeypatch.setattr(tensorrt, "BuilderFlag", object())
    with pytest.raises(RunnerError, match="nor has the builder flag INT8"):
        build_engine(tensorrt, COUNTER, "trt-int8", b"")


def test_build_tells_what_went_wrong_in_this_process_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the child does, step by step: a graph that is none, and no engine."""
    tensorrt = install(monkeypatch, "10.3").tensorrt
    with pytest.raises(RunnerError, match="cannot read the graph"):
        build_engine(tensorrt, b"no graph", "trt-int8", b"")
    monkeypatch.setenv(BUILD_VARIABLE, "none")
    with pytest.raises(RunnerError, match="built no engine"):
        build_engine(tensorrt, COUNTER, "trt-int8", b"")


@pytest.mark.parametrize(
    ("version", "graph", "reason"),
    [
        ("10.3", COUNTER, ""),
        ("10.3", b"no graph", "cannot read the graph"),
        ("none", COUNTER, "ModuleNotFoundError: "),
    ],
)
def test_child_answers_in_one_message(
    monkeypatch: pytest.MonkeyPatch, version: str, graph: bytes, reason: str
) -> None:
    """An engine, or one line on why there is none."""
    if version == "none":
        monkeypatch.setitem(sys.modules, "tensorrt", None)
    else:
        install(monkeypatch, version)
    monkeypatch.setattr(signal, "alarm", lambda seconds: 0)
    head = {"target": "trt-int8", "limit_s": 30}
    job = child._packed(head, {"graph": graph, "timing": b""})
    out = io.BytesIO()
    child._answer(job, out)
    answer, parts = child._unpacked(out.getvalue())
    assert reason in answer.get("error", "")
    assert ("engine" in parts) is not bool(reason)
    with pytest.raises(ValueError, match="cut short"):
        child._unpacked(out.getvalue() + b"more")
