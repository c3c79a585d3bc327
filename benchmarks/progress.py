"""Show how far a run has come, on a terminal alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from edge_affect.commands.terminal import Terminal

T = TypeVar("T")
_BAR_CELLS = 30


class Progress:
    """Draws one bar below what was said."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def track(self, items: Iterable[T], total: int, label: str) -> Iterator[T]:
        """Yield ``items``, showing how many of ``total`` are done."""
        step = max(1, total // 100)
        for done, item in enumerate(items):
            if done % step == 0:
                self._draw(done, total, label)
            yield item
        self._clear()

    def counter(self, total: int, label: str) -> Callable[[int], None]:
        """Return what to tell how many of ``total`` are done, and when all are."""

        def tell(done: int) -> None:
            if done < total:
                self._draw(done, total, label)
            else:
                self._clear()

        return tell

    def _draw(self, done: int, total: int, label: str) -> None:
        if self._terminal.can_redraw:
            filled = _BAR_CELLS * done // max(1, total)
            bar = "#" * filled + "." * (_BAR_CELLS - filled)
            self._terminal.draw([f"{label:18} {done:6}/{total} [{bar}]"])

    def _clear(self) -> None:
        if self._terminal.can_redraw:
            self._terminal.draw([])
