"""What every source of frames or sound promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from edge_affect.types import AudioChunk, Frame


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source before its first item."""

    name: str
    """What a user would call it: ``camera 0``, a file's name."""
    live: bool
    """Whether it delivers in real time; False: as fast as it is read."""
    latency_ns: int = 0
    """Usual time from capture to arrival, ns."""
    duration_ns: int | None = None
    """Length of a finite source, if known."""
    has_video: bool = True
    has_audio: bool = False
    note: str | None = None
    """One line for the user when something is missing, such as the sound track."""


class Closing(Protocol):
    """What ``with`` closes; a source may inherit ``__exit__`` from here."""

    def close(self) -> None:
        """Release the device or file; idempotent."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    @property
    def hangs(self) -> bool:
        """Whether a thread of it was left behind, for its driver does not return."""
        return False


class Source(Closing, Protocol):
    """A camera or a file: yields frames, and sound where it has some.

    ``with`` opens and closes it; ``close`` may be called twice and from any thread,
    and makes a blocked ``read`` return None.
    """

    @property
    def info(self) -> SourceInfo:
        """What is known of the source; complete once it is open."""

    def __enter__(self) -> Source:
        """Open the device or file; raises SourceError."""

    def read(self, timeout_ns: int) -> Frame | AudioChunk | None:
        """Return the next item in order of arrival.

        None: nothing came within ``timeout_ns``; ``ended`` tells whether anything
        ever will. A finite source ignores the time-out.

        Raises:
            SourceError: The device is gone or the file is damaged.
        """

    @property
    def ended(self) -> bool:
        """Whether every item was read."""


class AudioSource(Closing, Protocol):
    """A microphone: like ``Source``, with chunks alone."""

    @property
    def info(self) -> SourceInfo:
        """What is known of the source; complete once it is open."""

    def __enter__(self) -> AudioSource:
        """Open the device; raises SourceError."""

    def read(self, timeout_ns: int) -> AudioChunk | None:
        """Return the next chunk, or None when none came within ``timeout_ns``."""

    @property
    def ended(self) -> bool:
        """Whether every chunk was read."""


def iterate(source: Source, timeout_ns: int) -> Iterator[Frame | AudioChunk]:
    """Yield the items of an open finite ``source`` until it has ended."""
    while not source.ended:
        item = source.read(timeout_ns)
        if item is not None:
            yield item
