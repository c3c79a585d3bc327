"""Show how far a run has come: a bar on a terminal, elsewhere a line a minute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from edge_affect.clock import NS_PER_S, Clock, SystemClock
from edge_affect.commands.terminal import Terminal

T = TypeVar("T")
_BAR_CELLS = 30
_LINE_EVERY_NS = 60 * NS_PER_S


class Progress:
    """Draws one bar below what was said; into a log it writes lines, but no first one.

    Args:
        terminal: Where it is shown.
        clock: Says when a line is due.
    """

    def __init__(self, terminal: Terminal, clock: Clock | None = None) -> None:
        self._terminal = terminal
        self._clock = clock or SystemClock()
        self._told_ns = self._clock.now_ns()

    def track(self, items: Iterable[T], total: int, label: str) -> Iterator[T]:
        """Yield ``items``, showing how many of ``total`` are done."""
        self._told_ns = self._clock.now_ns()
        step = max(1, total // 100)
        for done, item in enumerate(items):
            if done % step == 0:
                self._draw(done, total, label)
            yield item
        self._clear()

    def counter(self, total: int, label: str) -> Callable[[int], None]:
        """Return what to tell how many of ``total`` are done, and when all are."""
        self._told_ns = self._clock.now_ns()

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
        elif self._clock.now_ns() - self._told_ns >= _LINE_EVERY_NS:
            self._told_ns = self._clock.now_ns()
            self._terminal.say(f"{label}: {done} of {total}")

    def _clear(self) -> None:
        if self._terminal.can_redraw:
            self._terminal.draw([])
