"""Play a finite source as though it were live."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import final

from edge_affect.clock import Clock
from edge_affect.errors import StreamStateError, UsageError
from edge_affect.sources.base import Closing, Source, SourceInfo
from edge_affect.types import AudioChunk, Frame


@final
class ReplaySource(Closing):
    """Delivers each item when the clock reaches its arrival, shifted onto the clock.

    Items keep their order, their indices and their distances in time, whenever the
    reader asks: a live run over a replay sees what an offline run sees. At another
    speed than 1 the distances shrink or grow, those between chunks of sound too.
    """

    def __init__(self, source: Source, clock: Clock, speed: float = 1.0) -> None:
        """Wrap ``source``; ``with`` opens it.

        Args:
            source: What is played, not open yet.
            clock: Paces and stamps the items.
            speed: Seconds of the source in a second of the clock.

        Raises:
            UsageError: ``speed`` is not a number above 0.
        """
        if not 0 < speed < float("inf"):
            raise UsageError(f"speed: got {speed}, expected a number above 0")
        self._source = source
        self._clock = clock
        self._speed = speed
        self._changed = threading.Condition()
        self._pending: Frame | AudioChunk | None = None
        self._first_ns: int | None = None
        self._start_ns = 0
        self._entered = self._closed = False

    @property
    def info(self) -> SourceInfo:
        """What is known of the source, as a live one."""
        return replace(self._source.info, live=True)

    @property
    def ended(self) -> bool:
        """Whether every item was delivered."""
        return self._closed or (self._pending is None and self._source.ended)

    def __enter__(self) -> ReplaySource:
        """Open the source; the first read starts the play.

        Raises:
            SourceError: The source cannot be opened.
            StreamStateError: It was opened before.
        """
        if self._entered:
            raise StreamStateError(f"{self.info.name}: was opened before; make another")
        self._entered = True
        self._source.__enter__()
        return self

    def read(self, timeout_ns: int) -> Frame | AudioChunk | None:
        """Return the next item once it is due, or None after the time-out.

        Raises:
            SourceError: The source is damaged.
            StreamStateError: It is not open yet.
        """
        if not self._entered:
            raise StreamStateError(f"{self.info.name}: read it inside 'with'")
        until_ns = self._clock.now_ns() + timeout_ns
        if self._pending is None and not self._closed:
            item = self._source.read(timeout_ns)
            self._pending = None if item is None else self._shifted(item)
        item = self._pending
        if item is None or not self._wait(min(item.t_arrival_ns, until_ns)):
            return None
        if self._clock.now_ns() < item.t_arrival_ns:
            return None
        self._pending = None
        return item

    def _shifted(self, item: Frame | AudioChunk) -> Frame | AudioChunk:
        if self._first_ns is None:
            self._first_ns = item.t_arrival_ns
            self._start_ns = self._clock.now_ns()
        return replace(
            item,
            t_capture_ns=self._on_clock(item.t_capture_ns, self._first_ns),
            t_arrival_ns=self._on_clock(item.t_arrival_ns, self._first_ns),
        )

    def _on_clock(self, t_ns: int, first_ns: int) -> int:
        since_ns = t_ns - first_ns
        if self._speed != 1:  # floats would round the rest
            since_ns = round(since_ns / self._speed)
        return self._start_ns + since_ns

    def _wait(self, until_ns: int) -> bool:
        """Wait until ``until_ns``; return False when it was closed meanwhile."""
        with self._changed:
            while not self._closed and self._clock.now_ns() < until_ns:
                self._clock.wait(self._changed, until_ns)
            return not self._closed

    def close(self) -> None:
        """Close the source; from any thread, idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._source.close()
