"""A sink in a thread of its own, behind a bounded queue: a slow one delays nobody."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from edge_affect.events import Event
from edge_affect.realtime.slots import BoundedQueue
from edge_affect.sinks.base import RunHeader, Sink, end_record, tell_event
from edge_affect.types import Estimate

_LOG = logging.getLogger(__name__)

CAPACITY = 1_800
"""Estimates and events that wait, a minute of them; then the oldest goes."""


class QueuedSink:
    """Hands estimates over to a sink's own thread; ``put`` never waits."""

    def __init__(
        self, sink: Sink, header: RunHeader, failed: Callable[[Sink, Exception], None]
    ) -> None:
        """Begin the record, in the new thread.

        Args:
            sink: Takes the estimates; called by that thread alone.
            header: What the record begins with.
            failed: Called, by that thread, when a call of the sink's failed; it is
                left out from then on.
        """
        self._sink = sink
        self._failed = failed
        self._queue: BoundedQueue[Estimate | Event] = BoundedQueue(CAPACITY)
        self._changed = self._queue.condition
        self._told_loss = self._ending = self._over = False
        self._fault: str | None = None
        self._thread = threading.Thread(
            target=self._run,
            args=(header,),
            name=f"edge_affect-sink-{type(sink).__name__}",
            daemon=True,
        )
        self._thread.start()

    @property
    def name(self) -> str:
        """The sink's class."""
        return type(self._sink).__name__

    @property
    def lost(self) -> int:
        """Estimates and events that the sink was too slow for."""
        return self._queue.dropped

    def put(self, item: Estimate | Event) -> None:
        """Leave one estimate or event for the sink."""
        if self._over:
            return
        if self._queue.put(item) and not self._told_loss:
            self._told_loss = True
            _LOG.warning("%s is slower than the stream: estimates are lost", self.name)

    def end(self, fault: str | None) -> None:
        """Let the thread write what waits, finish the record and end; at once.

        Args:
            fault: What ended the run, one line; None: it ended well.
        """
        with self._changed:
            self._fault = fault
            self._ending = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread, unless it is this one; return whether it has ended."""
        if self._thread is threading.current_thread():
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self, header: RunHeader) -> None:
        try:
            self._sink.open(header)
            while (item := self._next()) is not None:
                if isinstance(item, Event):
                    tell_event(self._sink, item)
                else:
                    self._sink.write(item)
            end_record(self._sink, self._fault)
        except Exception as error:  # noqa: BLE001 - a consumer's code
            self._failed(self._sink, error)
        finally:
            self._over = True

    def _next(self) -> Estimate | Event | None:
        with self._changed:
            while not (len(self._queue) or self._ending):
                self._changed.wait()
            return self._queue.take()
