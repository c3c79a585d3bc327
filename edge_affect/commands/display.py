"""What a running stream shows its user."""

from __future__ import annotations

from typing import Protocol

from edge_affect.clock import NS_PER_MS, Clock
from edge_affect.commands.table import second_line, table_lines
from edge_affect.commands.terminal import Terminal
from edge_affect.realtime.info import StreamInfo, StreamStats
from edge_affect.types import Estimate

_REDRAW_NS = 200 * NS_PER_MS


class Watched(Protocol):
    """What a display asks a stream."""

    @property
    def info(self) -> StreamInfo:
        """What runs."""

    @property
    def stats(self) -> StreamStats:
        """How it went so far."""


class Display(Protocol):
    """Shows estimates as they come."""

    def show(self, estimate: Estimate, stream: Watched) -> None:
        """Take one estimate."""


class LiveTable:
    """The table, drawn again in place five times a second."""

    def __init__(self, terminal: Terminal, clock: Clock) -> None:
        self._terminal = terminal
        self._clock = clock
        self._due_ns = clock.now_ns()

    def show(self, estimate: Estimate, stream: Watched) -> None:
        """Draw the table unless it was drawn just now."""
        now_ns = self._clock.now_ns()
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + _REDRAW_NS
        self._terminal.draw(
            table_lines(self._terminal, stream.info, estimate, stream.stats)
        )


class ProgressLine:
    """How far a file was read and how fast, on one line."""

    def __init__(self, terminal: Terminal, clock: Clock) -> None:
        self._terminal = terminal
        self._clock = clock
        self._start_ns = self._due_ns = clock.now_ns()

    def show(self, estimate: Estimate, stream: Watched) -> None:
        """Draw the line unless it was drawn just now."""
        now_ns = self._clock.now_ns()
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + _REDRAW_NS
        passed_ms = max(now_ns - self._start_ns, 1) / NS_PER_MS
        line = (
            f"{estimate.t_ms / 1000:.1f} s read, {estimate.t_ms / passed_ms:.1f}x real "
            f"time, face ok {stream.stats.face_ok_share:.0%}"
        )
        self._terminal.draw([line])


class SecondLines:
    """One line for every second of the stream."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._due_ms = 0.0

    def show(self, estimate: Estimate, stream: Watched) -> None:
        """Write a line when a second has passed."""
        if estimate.t_ms < self._due_ms:
            return
        self._due_ms = (estimate.t_ms // 1000 + 1) * 1000
        self._terminal.say(second_line(estimate, stream.stats))


class NoDisplay:
    """Shows nothing."""

    def show(self, estimate: Estimate, stream: Watched) -> None:
        """Do nothing."""


def display_for(
    terminal: Terminal, clock: Clock, *, live: bool, records_on_screen: bool = False
) -> Display:
    """Return what suits the terminal and the stream.

    Args:
        terminal: Where to show it.
        clock: Tells when to draw again.
        live: Whether the stream runs in real time.
        records_on_screen: Whether the records themselves go to a terminal.
    """
    if not terminal.can_redraw or records_on_screen:
        return NoDisplay()
    return LiveTable(terminal, clock) if live else ProgressLine(terminal, clock)
