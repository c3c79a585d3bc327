from __future__ import annotations

import io

import pytest

from edge_affect.commands.terminal import Terminal, clipped


class _Screen(io.StringIO):
    """A terminal of 80 by 24 that remembers what was written."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


def _terminal(**environment: str) -> tuple[Terminal, _Screen]:
    screen = _Screen()
    return Terminal(screen, {"TERM": "xterm", **environment}), screen


def test_terminal_that_is_none_is_not_drawn_on() -> None:
    """A file or pipe gets neither colours nor cursor moves."""
    terminal = Terminal(io.StringIO(), {"TERM": "xterm"})
    assert not terminal.can_redraw
    assert terminal.style("x", "red") == "x"


def test_terminal_that_is_dumb_is_not_drawn_on() -> None:
    """TERM=dumb, or none at all, cannot move its cursor."""
    assert not Terminal(_Screen(), {"TERM": "dumb"}).can_redraw
    assert not Terminal(_Screen(), {}).can_redraw


def test_terminal_obeys_no_color() -> None:
    """NO_COLOR leaves the table but takes the colours."""
    terminal, _ = _terminal(NO_COLOR="1")
    assert terminal.can_redraw
    assert terminal.style("x", "red") == "x"
    assert _terminal()[0].style("x", "bold", "red") == "\x1b[1;31mx\x1b[0m"
    assert _terminal(NO_COLOR="")[0].has_colour


def test_draw_goes_back_over_the_block_before() -> None:
    """A second block starts where the first did, with wrapping off."""
    terminal, screen = _terminal()
    terminal.draw(["a", "b"])
    terminal.draw(["c"])
    assert screen.getvalue() == (
        "\x1b[?7la\x1b[K\nb\x1b[K\n\x1b[J\x1b[?7h\x1b[2F\x1b[?7lc\x1b[K\n\x1b[J\x1b[?7h"
    )


def test_draw_fits_the_terminal() -> None:
    """Lines are cut to its width and blocks to its height."""
    terminal, screen = _terminal()
    terminal.draw(["x" * 200] * 100)
    assert screen.getvalue().count("\n") == 23
    assert "x" * 79 in screen.getvalue()
    assert "x" * 80 not in screen.getvalue()


def test_say_keeps_the_block_below() -> None:
    """A line that comes meanwhile scrolls above the table."""
    terminal, screen = _terminal()
    terminal.draw(["table"])
    terminal.say("warning")
    after = screen.getvalue().split("\x1b[1F\x1b[J")[1]
    assert after.index("warning\n") < after.index("table")
    terminal.leave()
    terminal.say("done")
    assert screen.getvalue().endswith("done\n")


def test_terminal_shows_no_control_characters_of_others() -> None:
    """A file's name cannot move the cursor or ring the bell; our colours stay."""
    terminal, screen = _terminal()
    terminal.say(terminal.style("a\x1b]0;title\x07\x9b2J\r", "red"))
    assert screen.getvalue() == "\x1b[31ma?]0;title??2J?\x1b[0m\n"


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("abcdef", "abc"),
        ("ab", "ab"),
        ("\x1b[1mabcdef\x1b[0m", "\x1b[1mabc\x1b[0m"),
        ("a\x1b[1mb\x1b[0mcdef", "a\x1b[1mb\x1b[0mc"),
    ],
)
def test_clipped_counts_what_can_be_seen(line: str, kept: str) -> None:
    """Colours take no room and are closed."""
    assert clipped(line, 3) == kept


def test_terminal_survives_its_end() -> None:
    """A closed pipe on the error output does not end a run."""

    class Broken(_Screen):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    Terminal(Broken(), {"TERM": "xterm"}).say("x")
