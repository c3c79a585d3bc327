"""Build engines in a process of its own: a crash or a hang there ends nothing else."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

from edge_affect.clock import NS_PER_S, Clock
from edge_affect.errors import EdgeAffectError, RunnerError
from edge_affect.runners.interpreter import child_environment
from edge_affect.runners.tensorrt.builder import Build, build_engine
from edge_affect.runners.tensorrt.calls import TensorRT

LIMIT_S = 900.0
"""Longest that one engine may take to build."""
_LOOK_S = 0.25
"""Time from one look at the child to the next."""
_CODE = "from edge_affect.runners.tensorrt.child import main; main()"

Waiting = Callable[[float], None]
"""Told, while a build goes on, for how many seconds it has."""


def build_in_child(  # noqa: PLR0913 - each is one thing that the child needs
    graph: bytes,
    target: str,
    timing: bytes,
    *,
    clock: Clock,
    waiting: Waiting,
    limit_s: float = LIMIT_S,
) -> Build:
    """Build an engine in another process.

    Args:
        graph: ONNX whose digest was checked.
        target: ``trt-int8`` or ``trt-fp16``.
        timing: What an earlier build left; empty for none.
        clock: Time.
        waiting: Told how long it takes.
        limit_s: When the process is ended, s.

    Raises:
        RunnerError: The build failed, crashed or took too long; one phrase.
    """
    head = {"target": target, "limit_s": limit_s}
    job = _packed(head, {"graph": graph, "timing": timing})
    with subprocess.Popen(  # noqa: S603 - our own interpreter, our own code
        [sys.executable, "-c", _CODE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(os.environ),
        cwd=Path(sys.prefix),
        start_new_session=True,
    ) as child:
        try:
            answer, noise = _wait(child, job, clock, waiting, limit_s)
        finally:
            # The whole session: what the child started must not outlive it either.
            with contextlib.suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)
    return _read(answer, noise, child.returncode)


def _wait(
    child: subprocess.Popen[bytes],
    job: bytes,
    clock: Clock,
    waiting: Waiting,
    limit_s: float,
) -> tuple[bytes, bytes]:
    start_ns = clock.now_ns()
    given: bytes | None = job
    while True:
        try:
            return child.communicate(given, timeout=_LOOK_S)
        except subprocess.TimeoutExpired:
            given = None  # communicate goes on with what it was given first
        seconds = (clock.now_ns() - start_ns) / NS_PER_S
        if seconds > limit_s:
            raise RunnerError(f"the build took longer than {limit_s:g} s")
        waiting(seconds)


def _read(answer: bytes, noise: bytes, code: int) -> Build:
    try:
        head, parts = _unpacked(answer)
    except ValueError:
        lines = noise.decode("utf-8", "replace").split("\n")
        said = [" ".join(line.split())[:200] for line in lines if line.strip()]
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        last = f" ({said[-1]})" if said else ""
        raise RunnerError(f"the process that builds it ended {how}{last}") from None
    if "error" in head:
        raise RunnerError(str(head["error"]))
    return Build(parts["engine"], parts["timing"])


def main() -> None:
    """Build what the standard input asks for; write it to the standard output."""
    job = sys.stdin.buffer.read()
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # whatever prints must not get among the bytes
        _answer(job, out)
    # Native libraries like to crash while they are taken down.
    os._exit(0)


def _answer(job: bytes, out: IO[bytes]) -> None:
    head, parts = _unpacked(job)
    # Should the parent be killed, nobody else would end a build that hangs.
    signal.alarm(int(head["limit_s"]) + 60)
    try:
        tensorrt = cast("TensorRT", importlib.import_module("tensorrt"))
        made = build_engine(tensorrt, parts["graph"], head["target"], parts["timing"])
        out.write(_packed({}, {"engine": made.engine, "timing": made.timing}))
    except EdgeAffectError as error:
        out.write(_packed({"error": str(error)}, {}))
    except Exception as error:  # noqa: BLE001 - the parent tells of it
        line = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        out.write(_packed({"error": line}, {}))


def _packed(head: dict[str, Any], parts: dict[str, bytes]) -> bytes:
    """Return a line of JSON and the parts, whose lengths it tells."""
    sizes = {name: len(part) for name, part in parts.items()}
    line = json.dumps({**head, "sizes": sizes}).encode()
    return b"\n".join([line, b"".join(parts.values())])


def _unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    line, _, rest = content.partition(b"\n")
    head = json.loads(line)
    if sum(head["sizes"].values()) != len(rest):
        raise ValueError("cut short")
    parts, start = {}, 0
    for name, size in head.pop("sizes").items():
        parts[name] = rest[start : start + size]
        start += size
    return head, parts
