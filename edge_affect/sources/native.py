"""Call C libraries that may hang or write on the terminal."""

from __future__ import annotations

import concurrent.futures
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

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


class GivenUp(Exception):  # noqa: N818 - no error: somebody asked for it
    """Nobody shall wait for the call any longer."""


class Call(Generic[T]):
    """One call in a daemon thread of its own, which may be left there."""

    def __init__(self, name: str) -> None:
        """Name the thread."""
        self._name = name
        self._result: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._thread: threading.Thread | None = None

    @property
    def runs(self) -> bool:
        """Whether the work still runs, waited for or not."""
        return self._thread is not None and self._thread.is_alive()

    def within(self, limit_s: float, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, or give up on it.

        Args:
            limit_s: Longest wait, s.
            work: On a time-out it is left behind, so it must release by itself what it
                opens too late.

        Raises:
            TimeoutError: ``work`` did not return within ``limit_s``.
            GivenUp: ``give_up`` was called, before or meanwhile.
        """

        def run() -> None:
            # Where it was given up, nobody waits for the result.
            with suppress(concurrent.futures.InvalidStateError):
                try:
                    self._result.set_result(work())
                except BaseException as error:  # noqa: BLE001 - raised by the caller
                    self._result.set_exception(error)

        if not self._result.done():
            self._thread = threading.Thread(target=run, name=self._name, daemon=True)
            self._thread.start()
        try:
            return self._result.result(limit_s)
        except concurrent.futures.TimeoutError:
            told = f"{self._name}: no answer within {limit_s:g} s"
            raise TimeoutError(told) from None

    def give_up(self) -> None:
        """Wake whoever waits; from any thread. A call that is done is left alone."""
        with suppress(concurrent.futures.InvalidStateError):
            self._result.set_exception(GivenUp())
