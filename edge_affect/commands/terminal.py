"""The user's terminal: lines that stay, and a block that is drawn again in place."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Mapping, Sequence
from typing import TextIO

_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


class Terminal:
    """Writes for people to ``stream``, from any thread.

    Args:
        stream: Usually the standard error output; records go elsewhere.
        environment: For ``TERM`` and ``NO_COLOR``.
    """

    def __init__(
        self, stream: TextIO, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._drawn: list[str] = []
        dumb = environment.get("TERM", "dumb") == "dumb"
        self.can_redraw = stream.isatty() and not dumb
        """Whether lines can be drawn again in place."""
        self.has_colour = self.can_redraw and not environment.get("NO_COLOR")
        """Whether colours are shown and welcome."""
        self.has_blocks = "utf" in (stream.encoding or "").lower()
        """Whether block characters can be shown."""

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return 80, 24
        return max(size.columns, 20), max(size.lines, 4)

    def style(self, text: str, *names: str) -> str:
        """Return ``text`` in bold, dim, red, green or yellow, where colour is shown."""
        if not self.has_colour:
            return text
        codes = ";".join(_CODES[name] for name in names)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def say(self, text: str) -> None:
        """Write lines that stay, above the block."""
        with self._lock:
            block = self._drawn
            self._erase()
            self._put(
                "".join(
                    f"{_printable(line)}\n" for line in text.rstrip("\n").split("\n")
                )
            )
            if block:
                self.draw(block)

    def draw(self, lines: Sequence[str]) -> None:
        """Put a block below what was said, in place of the one before."""
        columns, rows = self.size
        block = [clipped(_printable(line), columns - 1) for line in lines[: rows - 1]]
        with self._lock:
            up = f"\x1b[{len(self._drawn)}F" if self._drawn else ""
            # No line may wrap, or the next one would be drawn too low.
            body = "".join(f"{line}\x1b[K\n" for line in block)
            self._put(f"{up}\x1b[?7l{body}\x1b[J\x1b[?7h")
            self._drawn = block

    def leave(self) -> None:
        """Let the block stand; the next one is drawn below it."""
        with self._lock:
            self._drawn = []

    def _erase(self) -> None:
        if self._drawn:
            self._put(f"\x1b[{len(self._drawn)}F\x1b[J")
            self._drawn = []

    def _put(self, text: str) -> None:
        # There is nobody left to tell that nobody listens.
        with contextlib.suppress(OSError):
            self._stream.write(text)
            self._stream.flush()


def _printable(line: str) -> str:
    """Take control characters out of names that came from a file; keep our colours."""
    parts = _ESCAPE.split(line)
    plain = (_UNPRINTABLE.sub("?", part) for part in parts)
    colours = [*_ESCAPE.findall(line), ""]
    return "".join(p + c for p, c in zip(plain, colours, strict=True))


def clipped(line: str, columns: int) -> str:
    """Return ``line`` cut to so many visible characters, colours closed."""
    if len(_ESCAPE.sub("", line)) <= columns:
        return line
    kept, room = [], columns
    for part in re.split(f"({_ESCAPE.pattern})", line):
        if _ESCAPE.fullmatch(part):
            kept.append(part)
        else:
            kept.append(part[:room])
            room -= min(room, len(part))
    return "".join(kept)
