"""Ctrl-C and SIGTERM as an orderly end: sinks are closed, then the command exits."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

INTERRUPTED = 130
"""Exit code after ctrl-C."""


class StopSignals:
    """Turns the first signal into a call of ``stop``; a second ctrl-C gives up at once.

    Outside the main thread, where Python takes no signals, it does nothing.
    """

    def __init__(self) -> None:
        self.exit_code = 0
        """130 once ctrl-C was pressed."""
        self._received = False
        self._stop: Callable[[], None] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        """Take the signals."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for number, before in self._before.items():
            signal.signal(number, before)

    def calls(self, stop: Callable[[], None]) -> None:
        """Set what a signal calls; before that, a signal ends the process."""
        self._stop = stop

    @property
    def received(self) -> bool:
        """Whether a signal came."""
        return self._received

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        is_interrupt = number == signal.SIGINT
        if self._stop is None or (self._received and is_interrupt):
            raise KeyboardInterrupt if is_interrupt else SystemExit(0)
        self._received = True
        self.exit_code = INTERRUPTED if is_interrupt else self.exit_code
        self._stop()
