"""Frame accounts: captured = processed + dropped by reason + waiting, exactly."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

SOURCE = "source"
"""Reason of a drop: lost before it reached us, seen by a jump of the source's count."""
REPEATED = "repeated"
"""Reason of a drop: the source delivered the same count, or an older one, again."""
BUSY = "busy"
"""Reason of a drop: a newer frame came before this one could be stepped."""
CLOSED = "closed"
"""Reason of a drop: it still waited when the stream was closed."""
_UNDER_WAY = 3
"""Frames that can be neither processed nor dropped: the one in hand, the one that
waits, and the one that it is just taking the place of."""


class FrameAccounts:
    """Counts every frame once; shared by the reading and the stepping thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drops: Counter[str] = Counter()
        self._view: Mapping[str, int] = MappingProxyType({})
        self._next_index = 0
        self._captured = 0
        self._processed = 0

    @property
    def captured(self) -> int:
        """Frames that the source counted, those it lost included."""
        return self._captured

    @property
    def processed(self) -> int:
        """Frames that reached a cell."""
        return self._processed

    @property
    def dropped(self) -> Mapping[str, int]:
        """Frames dropped so far, by reason; a new mapping after every change."""
        return self._view

    @property
    def waiting(self) -> int:
        """Frames that were captured and neither processed nor dropped yet."""
        return self._captured - self._processed - sum(self._view.values())

    def arrive(self, index: int) -> bool:
        """Count a frame that reached us; return False when it is a repeated one."""
        with self._lock:
            self._captured += 1
            if index < self._next_index:
                self._drop(REPEATED, 1)
                return False
            lost = index - self._next_index
            self._captured += lost
            self._next_index = index + 1
            if lost:
                self._drop(SOURCE, lost)
            return True

    def check(self) -> None:
        """Hold the books against each other.

        Raises:
            AssertionError: A frame is neither processed nor dropped, nor one of the few
                that can be under way.
        """
        with self._lock:
            waiting = self.waiting
        if not 0 <= waiting <= _UNDER_WAY:
            raise AssertionError(
                f"frames: {self._captured} captured, {self._processed} processed, "
                f"{dict(self._view)} dropped: {waiting} are not accounted for"
            )

    def drop(self, reason: str, count: int = 1) -> None:
        """Count frames that will not be processed."""
        with self._lock:
            if count:
                self._drop(reason, count)

    def process(self) -> None:
        """Count a frame that reached its cell."""
        with self._lock:
            self._processed += 1

    def _drop(self, reason: str, count: int) -> None:
        self._drops[reason] += count
        self._view = MappingProxyType(dict(self._drops))
