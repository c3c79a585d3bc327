"""Which threads a test left behind, whatever tests before it left."""

from __future__ import annotations

import threading

PREFIX = "edge_affect"


class Threads:
    """Threads of this library that were started since this was made."""

    def __init__(self) -> None:
        self._before = set(threading.enumerate())

    def left(self) -> list[str]:
        """Return the names of those that run."""
        now = set(threading.enumerate()) - self._before
        return sorted(t.name for t in now if t.name.startswith(PREFIX))
