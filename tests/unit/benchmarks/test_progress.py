from __future__ import annotations

import io

from benchmarks.progress import Progress
from edge_affect.commands.terminal import Terminal


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_shows_how_far_it_is_on_a_terminal() -> None:
    """Every item passes through, and the bar says how many were done."""
    screen = Screen()
    progress = Progress(Terminal(screen, {"TERM": "xterm"}))
    assert list(progress.track("abcd", 4, "ferplus valid")) == list("abcd")
    assert "2/4 [###############..............." in screen.getvalue()


def test_progress_writes_nothing_elsewhere() -> None:
    """Off a terminal nothing is written."""
    stream = io.StringIO()
    progress = Progress(Terminal(stream, {"TERM": "xterm"}))
    assert list(progress.track([], 0, "empty")) == []
    assert list(progress.track([1], 1, "one")) == [1]
    assert stream.getvalue() == ""
