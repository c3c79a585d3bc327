"""A stream's sinks together: one that fails is left out, the others go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from edge_affect.sinks.base import AbortableSink, RunHeader, Sink
from edge_affect.types import Estimate

_LOG = logging.getLogger(__name__)


class SinkGroup:
    """Opens, feeds and closes sinks; a consumer's fault never stops the stream."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = list(sinks)
        self.failures: list[str] = []
        """One line for each sink that was left out."""

    def open(self, header: RunHeader) -> None:
        """Start every sink's record."""
        self._each(lambda sink: sink.open(header))

    def write(self, estimate: Estimate) -> None:
        """Give every sink one estimate."""
        self._each(lambda sink: sink.write(estimate))

    def close(self, fault: BaseException | None = None) -> None:
        """Finish every sink's record, or abort it; idempotent.

        Args:
            fault: What ended the run, when it did not end well.
        """
        if fault is None:
            self._each(lambda sink: sink.close())
        else:
            told = " ".join(str(fault).split()) or type(fault).__name__
            self._each(lambda sink: _abort(sink, f"the run ended in a fault: {told}"))
        self._sinks.clear()

    def _each(self, call: Callable[[Sink], None]) -> None:
        for sink in tuple(self._sinks):
            self._try(sink, call)

    def _try(self, sink: Sink, call: Callable[[Sink], None]) -> None:
        try:
            call(sink)
        except Exception as error:  # noqa: BLE001 - a consumer's code
            self._leave_out(sink, error)

    def _leave_out(self, sink: Sink, error: Exception) -> None:
        self._sinks.remove(sink)
        line = f"{type(sink).__name__} was left out: {error}"
        self.failures.append(line)
        _LOG.warning("%s", line)
        try:
            _abort(sink, str(error))
        except Exception as again:  # noqa: BLE001 - it failed already
            _LOG.debug("%s did not close: %s", type(sink).__name__, again)


def _abort(sink: Sink, reason: str) -> None:
    if isinstance(sink, AbortableSink):
        sink.abort(reason)
    else:
        sink.close()
