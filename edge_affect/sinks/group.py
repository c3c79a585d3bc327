"""A stream's sinks together: one that fails or hangs is left out, the others go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from edge_affect.events import Event
from edge_affect.sinks.base import RunHeader, Sink, end_record, tell_event
from edge_affect.sinks.queued import QueuedSink
from edge_affect.types import Estimate

_LOG = logging.getLogger(__name__)


class SinkGroup:
    """Opens, feeds and closes sinks; a consumer's fault never stops the stream."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = list(sinks)
        self._queued: list[QueuedSink] = []
        self.failures: list[str] = []
        """One line for each sink that was left out, or that was too slow."""

    def go_live(self) -> None:
        """Give each sink a thread of its own, but for those called ``in_loop``.

        Whoever writes then never waits. Called by the thread that opens the stream,
        before ``open``.
        """
        queued = [sink for sink in self._sinks if not getattr(sink, "in_loop", False)]
        self._sinks = [sink for sink in self._sinks if sink not in queued]
        self._queued = [QueuedSink(sink, self._failed) for sink in queued]

    def open(self, header: RunHeader) -> None:
        """Start every sink's record."""
        self._each(lambda sink: sink.open(header))
        for queued in self._queued:
            queued.open(header)

    def write(self, estimate: Estimate) -> None:
        """Give every sink one estimate."""
        self._each(lambda sink: sink.write(estimate))
        for queued in self._queued:
            queued.put(estimate)

    def tell(self, event: Event) -> None:
        """Give every sink that takes events one."""
        self._each(lambda sink: tell_event(sink, event))
        for queued in self._queued:
            queued.put(event)

    def close(
        self,
        fault: BaseException | None = None,
        left_s: Callable[[], float] = lambda: 2.0,
    ) -> None:
        """Finish every sink's record, or abort it; idempotent.

        Args:
            fault: What ended the run, when it did not end well.
            left_s: Tells how long to wait for the threads of a live stream, seconds.
        """
        told: str | None = None
        if fault is not None:
            told = " ".join(str(fault).split()) or type(fault).__name__
            told = f"the run ended in a fault: {told}"
        for queued in self._queued:
            queued.end(told)
        self._each(lambda sink: end_record(sink, told))
        for queued in self._queued:
            if not queued.join(left_s()):
                self._tell(f"{queued.name} did not finish and was left behind")
            if queued.lost:
                self._tell(f"{queued.name} lost {queued.lost} estimates: it is slower")
        self._sinks.clear()
        self._queued.clear()

    def _each(self, call: Callable[[Sink], None]) -> None:
        for sink in tuple(self._sinks):
            self._try(sink, call)

    def _try(self, sink: Sink, call: Callable[[Sink], None]) -> None:
        try:
            call(sink)
        except Exception as error:  # noqa: BLE001 - a consumer's code
            self._sinks.remove(sink)
            self._failed(sink, error)

    def _failed(self, sink: Sink, error: Exception) -> None:
        self._tell(f"{type(sink).__name__} was left out: {error}")
        try:
            end_record(sink, str(error))
        except Exception as again:  # noqa: BLE001 - it failed already
            _LOG.debug("%s did not close: %s", type(sink).__name__, again)

    def _tell(self, line: str) -> None:
        self.failures.append(line)
        _LOG.warning("%s", line)
