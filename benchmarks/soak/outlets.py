"""What a scripted device is plugged into: it is opened as a real one would be."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

from edge_affect.clock import NS_PER_MS, Clock
from edge_affect.errors import SourceError
from edge_affect.sources.base import Closing, SourceInfo
from edge_affect.sources.reconnect import Reconnecting
from edge_affect.types import AudioChunk, Frame

POLL_NS = 100 * NS_PER_MS
"""A reader looks at least so often, whether anything came or not."""
Item = TypeVar("Item", bound=Frame | AudioChunk)


class Outlet(Generic[Item]):
    """A device that comes and goes, behind the code that opens it again."""

    def __init__(self, clock: Clock, take: Callable[[Item], None]) -> None:
        """Be plugged in, and open.

        Args:
            clock: The run's time.
            take: Takes every item that reaches the stream.
        """
        self.plugged = True
        self.opened = 0
        """Times that the device was opened."""
        self._take = take
        self._inbox: deque[Item] = deque()
        self._passed = 0
        self._source: Reconnecting[Item] = Reconnecting(
            lambda: _Opened(self), clock, present=lambda: self.plugged
        )
        self._source.__enter__()

    def deliver(self, item: Item) -> None:
        """Let the device give ``item``; nobody takes it while nothing is open."""
        self._inbox.append(item)
        self.poll()

    def poll(self) -> None:
        """Let the reader look."""
        for _ in range(len(self._inbox) + 1):  # one more finds out that it is gone
            item = self._source.read(0)
            if item is not None:
                self._take(item)

    def open(self) -> int:
        """Open the device, without what it gave before; return the count it goes on at.

        A device counts from 0 and the stream goes on from what it has: so an item has
        the same number in the script and in the stream.
        """
        if not self.plugged:
            raise SourceError("scripted device: there is none")
        self.opened += 1
        self._inbox.clear()
        return self._passed

    def read(self) -> Item | None:
        """Return what the open device gives."""
        if not self.plugged:
            self._inbox.clear()
            raise SourceError("scripted device: was unplugged")
        if not self._inbox:
            return None
        item = self._inbox.popleft()
        self._passed = max(self._passed, item.index + 1)
        return item


class _Opened(Closing, Generic[Item]):
    """One opening of the device."""

    def __init__(self, outlet: Outlet[Item]) -> None:
        self._outlet = outlet
        self._base = 0
        self._closed = False

    @property
    def info(self) -> SourceInfo:
        """A live device."""
        return SourceInfo("scripted device", live=True)

    @property
    def ended(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def __enter__(self) -> _Opened[Item]:
        self._base = self._outlet.open()
        return self

    def read(self, timeout_ns: int) -> Item | None:
        """Return what there is; a script's time does not pass by waiting."""
        del timeout_ns
        item = self._outlet.read()
        return None if item is None else replace(item, index=item.index - self._base)

    def close(self) -> None:
        """Be closed."""
        self._closed = True
