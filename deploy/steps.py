"""Run commands one after the other, each once: a chain that goes on after a kill."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.files import write_text
from edge_affect.errors import EdgeAffectError

_TOLD_LINES = 5
"""Last lines of a log that are shown when a step fails."""

Tell = Callable[[str], None]


class StepError(EdgeAffectError):
    """A step of the chain failed."""


@dataclass(frozen=True, slots=True)
class Step:
    """One process of the chain."""

    name: str
    """Names its log and its stamp."""
    arguments: tuple[str, ...]
    """What follows ``python -m``."""
    answer: Path | None = None
    """File that receives what it prints; None where it writes its own files."""
    after: tuple[str, ...] = ()
    """Steps whose results it reads: it runs again once one of them did."""


def run_steps(steps: Sequence[Step], work: Path, tell: Tell) -> None:
    """Run the steps that are not done, in order.

    A step is done when it ended well with these arguments, and so did what it is
    after. Logs and stamps lie in ``work/logs`` and ``work/done``.

    Args:
        steps: In an order in which each can run.
        work: Folder of the chain; commands find their own files in it.
        tell: Receives a line for each step.

    Raises:
        StepError: A step failed; those before it stay done.
    """
    keys: dict[str, str] = {}
    for number, step in enumerate(steps, 1):
        keys[step.name] = _key(step, keys)
        stamp = work / "done" / f"{step.name}.json"
        where = f"[{number}/{len(steps)}] {step.name}"
        if _is_done(stamp, keys[step.name]):
            tell(f"{where}: done before")
            continue
        tell(f"{where}: python -m {' '.join(step.arguments)}")
        _run(step, work / "logs" / f"{step.name}.log")
        stamp.parent.mkdir(parents=True, exist_ok=True)
        write_text(stamp, json.dumps({"key": keys[step.name]}) + "\n")


def _key(step: Step, keys: dict[str, str]) -> str:
    told = [*step.arguments, str(step.answer), *(keys[name] for name in step.after)]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()


def _is_done(stamp: Path, key: str) -> bool:
    try:
        return bool(json.loads(stamp.read_text(encoding="utf-8"))["key"] == key)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _run(step: Step, log: Path) -> None:
    command = [sys.executable, "-m", *step.arguments]
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as errors:
            ended = subprocess.run(  # noqa: S603 - our own commands
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                text=True,
                check=False,
            )
    except OSError as error:
        raise StepError(f"{step.name}: cannot run ({error.strerror})") from error
    if ended.returncode != 0:
        last = log.read_text(encoding="utf-8").splitlines()[-_TOLD_LINES:]
        raise StepError(
            f"{step.name}: ended with {ended.returncode}: "
            f"{' | '.join(last) or 'without a word'}; all of it is in {log}; the same "
            "command goes on from here"
        )
    if step.answer is not None:
        step.answer.parent.mkdir(parents=True, exist_ok=True)
        write_text(step.answer, ended.stdout)
