"""Run code in a fresh process, so that nothing of this one counts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from edge_affect.errors import DataError


def run_fresh(code: str, *arguments: str) -> str:
    """Return what a fresh process prints until it ends.

    Raises:
        DataError: It failed; the message has the last line of its traceback.
    """
    with start_fresh(code, *arguments) as process:
        return end_fresh(process)


def made_fresh(code: str, *arguments: str) -> bytes:
    """Return the bytes that a fresh process prints in hex: ours needs no library more.

    Raises:
        DataError: It failed; the message has the last line of its traceback.
    """
    return bytes.fromhex(run_fresh(code, *arguments))


def start_fresh(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a process with our interpreter and this checkout."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter, our own code
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )


def end_fresh(process: subprocess.Popen[str]) -> str:
    """Wait for a process; return what it has printed.

    Raises:
        DataError: It failed; the message has the last line of its traceback.
    """
    said, told = process.communicate()
    if process.returncode:
        lines = told.strip().splitlines()
        raise DataError(f"benchmarks: a process failed: {lines[-1] if lines else '?'}")
    return said
