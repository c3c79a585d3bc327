"""Bounded hand-overs between threads: latest-wins slot, sample ring, bounded queue."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from typing import Generic, TypeVar

from edge_affect.clock import Clock
from edge_affect.types import AudioChunk

T = TypeVar("T")


class LatestSlot(Generic[T]):
    """Holds one item; a newer one takes its place and the loss is counted.

    Slots and queues that one thread waits for together share a ``condition``.
    """

    def __init__(self, condition: threading.Condition | None = None) -> None:
        self.condition = condition or threading.Condition()
        self._item: T | None = None
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Items that were replaced before they were taken."""
        return self._dropped

    def put(self, item: T) -> bool:
        """Leave ``item``; return whether an older one was lost by it."""
        with self.condition:
            lost = self._item is not None
            self._dropped += lost
            self._item = item
            self.condition.notify_all()
        return lost

    def take(self) -> T | None:
        """Return the item and empty the slot; None when it is empty."""
        with self.condition:
            item, self._item = self._item, None
        return item

    @property
    def filled(self) -> bool:
        """Whether an item waits."""
        return self._item is not None


class BoundedQueue(Generic[T]):
    """First in, first out; when full the oldest item goes and is counted."""

    def __init__(
        self, capacity: int, condition: threading.Condition | None = None
    ) -> None:
        self.condition = condition or threading.Condition()
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def dropped(self) -> int:
        """Items that were pushed out before they were taken."""
        return self._dropped

    def put(self, item: T) -> bool:
        """Append ``item``; return whether the oldest was lost by it."""
        with self.condition:
            lost = len(self._items) >= self._capacity
            if lost:
                self._items.popleft()
                self._dropped += 1
            self._items.append(item)
            self.condition.notify_all()
        return lost

    def take(self) -> T | None:
        """Return the oldest item; None when there is none."""
        with self.condition:
            return self._items.popleft() if self._items else None

    def wait_and_take(self, clock: Clock, until_ns: int) -> T | None:
        """Return the oldest item, waiting for one until ``until_ns``."""
        with self.condition:
            while not self._items and clock.now_ns() < until_ns:
                clock.wait(self.condition, until_ns)
            return self._items.popleft() if self._items else None


class SampleRing:
    """Sound waiting for the voice path; when full the oldest goes and a gap is marked.

    Samples are never joined across a gap: the chunk after one says ``gap_before``.
    """

    def __init__(
        self, capacity_samples: int, condition: threading.Condition | None = None
    ) -> None:
        self.condition = condition or threading.Condition()
        self._chunks: deque[AudioChunk] = deque()
        self._capacity = capacity_samples
        self._held = 0
        self._dropped = 0
        self._lost: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._chunks)

    @property
    def dropped_samples(self) -> int:
        """Samples that were pushed out before they were taken."""
        return self._dropped

    @property
    def filled(self) -> bool:
        """Whether sound waits."""
        return bool(self._chunks)

    def put(self, chunk: AudioChunk) -> None:
        """Append ``chunk``."""
        with self.condition:
            self._chunks.append(chunk)
            self._held += len(chunk.samples)
            while self._held > self._capacity and len(self._chunks) > 1:
                self._lose_oldest()
            self.condition.notify_all()

    def _lose_oldest(self) -> None:
        lost = self._chunks.popleft()
        self._held -= len(lost.samples)
        self._dropped += len(lost.samples)
        self._chunks[0] = replace(self._chunks[0], gap_before=True)
        if self._lost and self._lost[-1][1] == lost.index - 1:
            self._lost[-1] = (self._lost[-1][0], lost.index)
        else:
            self._lost.append((lost.index, lost.index))

    def take_lost(self) -> tuple[tuple[int, int], ...]:
        """Return the chunks that were pushed out since this was asked last.

        Each run is the index of its first chunk and that of its last.
        """
        with self.condition:
            lost, self._lost = tuple(self._lost), []
        return lost

    def take(self) -> AudioChunk | None:
        """Return the oldest chunk; None when there is none."""
        with self.condition:
            if not self._chunks:
                return None
            chunk = self._chunks.popleft()
            self._held -= len(chunk.samples)
        return chunk
