"""Call C libraries that may hang or write on the terminal."""

from __future__ import annotations

import concurrent.futures
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

_STDERR_FD = 2
_LOCK = threading.Lock()
_SAVED: list[int] = []
"""Copy of the real standard error for each caller that silences it now."""


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Discard what anything in the process writes to standard error meanwhile.

    PortAudio and FFmpeg's demuxers print there whatever they are told. Callers may
    nest and overlap; the last one to leave restores it.
    """
    with _LOCK:
        _SAVED.append(os.dup(_STDERR_FD))
        if len(_SAVED) == 1:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, _STDERR_FD)
            os.close(nowhere)
    try:
        yield
    finally:
        with _LOCK:
            if len(_SAVED) == 1:
                os.dup2(_SAVED[0], _STDERR_FD)
            # The first copy is the real one; later ones are of the null device.
            os.close(_SAVED.pop())


def call_within(limit_s: float, name: str, work: Callable[[], T]) -> T:
    """Return what ``work`` returns, or give up on it.

    Args:
        limit_s: Longest wait, s.
        name: Name of the thread that works.
        work: Runs in a daemon thread of its own; on a time-out it is left there, so
            it must release by itself what it opens too late.

    Raises:
        TimeoutError: ``work`` did not return within ``limit_s``.
    """
    result: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            result.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        return result.result(limit_s)
    except concurrent.futures.TimeoutError:
        raise TimeoutError(f"{name}: no answer within {limit_s:g} s") from None
