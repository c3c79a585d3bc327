"""A sink in a thread of its own, behind a bounded queue: a slow one delays nobody."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from edge_affect.events import Event
from edge_affect.sinks.base import RunHeader, Sink, end_record, tell_event
from edge_affect.types import Estimate

_LOG = logging.getLogger(__name__)

CAPACITY = 1_800
"""Estimates that wait, a minute of them; then the oldest goes. No event does."""


class QueuedSink:
    """Hands estimates over to a sink's own thread; ``put`` never waits."""

    def __init__(self, sink: Sink, failed: Callable[[Sink, Exception], None]) -> None:
        """Start the thread, which waits for ``open``.

        It takes its priority and cores from the thread that calls this: let that not
        be the stepping one, which may run in real time.

        Args:
            sink: Takes the estimates; called by the new thread alone.
            failed: Called, by that thread, when a call of the sink's failed; it is
                left out from then on.
        """
        self._sink = sink
        self._failed = failed
        self._changed = threading.Condition()
        self._items: deque[Estimate | Event] = deque()
        self._estimates = self._lost = 0
        self._told_loss = self._ending = self._over = False
        self._fault: str | None = None
        self._header: RunHeader | None = None
        self._thread = threading.Thread(
            target=self._run,
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
        """Estimates that the sink was too slow for."""
        return self._lost

    def open(self, header: RunHeader) -> None:
        """Let the thread begin the record; at once."""
        with self._changed:
            self._header = header
            self._changed.notify_all()

    def put(self, item: Estimate | Event) -> None:
        """Leave one estimate or event for the sink."""
        if self._over:
            return
        with self._changed:
            self._items.append(item)
            self._estimates += isinstance(item, Estimate)
            if self._estimates > CAPACITY:
                oldest = next(i for i in self._items if isinstance(i, Estimate))
                self._items.remove(oldest)
                self._estimates -= 1
                self._lost += 1
            self._changed.notify_all()
        if self._lost and not self._told_loss:
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

    def _run(self) -> None:
        try:
            with self._changed:
                while self._header is None and not self._ending:
                    self._changed.wait()
            if self._header is not None:
                self._sink.open(self._header)
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
            while not (self._items or self._ending):
                self._changed.wait()
            if not self._items:
                return None
            item = self._items.popleft()
            self._estimates -= isinstance(item, Estimate)
            return item
