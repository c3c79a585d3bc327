"""Files as a source: pictures and sound with the times that the file gives them."""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, final

from edge_affect.clock import NS_PER_S
from edge_affect.errors import SourceError, StreamStateError
from edge_affect.sources.base import Closing, SourceInfo
from edge_affect.types import AudioChunk, Frame

_LOG = logging.getLogger(__name__)

START_NS = NS_PER_S
"""Time of the earliest item of every file, so that results do not depend on when it
is read."""
_CUT_SHORT_NS = NS_PER_S
"""A file that ends this long before its stated end is reported as cut short."""


class Decoder(Protocol):
    """An open file, ready to be decoded."""

    @property
    def has_audio(self) -> bool:
        """Whether ``items`` yields sound."""

    @property
    def duration_ns(self) -> int | None:
        """Stated length of the file."""

    @property
    def states_length(self) -> bool:
        """Whether the file itself says how long it is, so that a cut end shows."""

    @property
    def note(self) -> str | None:
        """One line for the user when something is missing."""

    @property
    def dropped(self) -> int:
        """Frames and packets left out so far: damaged, or with times that go back."""

    def items(self) -> Iterator[Frame | AudioChunk]:
        """Yield frames and chunks in order of arrival; called once.

        Raises:
            SourceError: No picture can be decoded.
        """

    def close(self) -> None:
        """Close the file."""


@final
class MediaSource(Closing):
    """A media file, read as fast as it is asked for.

    PyAV reads pictures and sound when it is installed, else OpenCV the pictures alone.
    A frame arrives when it is captured and a chunk when it ends: a file has no latency.
    Every way in which a file can be unfit is a SourceError, a missing one included.
    """

    def __init__(self, path: str | os.PathLike[str], *, audio: bool = True) -> None:
        """Name the file; ``with`` opens it.

        Args:
            path: The file.
            audio: Whether to read its sound.
        """
        self._path = Path(path)
        self._audio = audio
        self._info = SourceInfo(self._path.name, live=False, has_audio=audio)
        self._decoder: Decoder | None = None
        self._items: Iterator[Frame | AudioChunk] = iter(())
        self._entered = self._closed = self._ended = False
        self._end_ns = START_NS
        self._reading = threading.Lock()

    @property
    def info(self) -> SourceInfo:
        """What is known of the file; complete once it is open."""
        return self._info

    @property
    def ended(self) -> bool:
        """Whether every item was read."""
        return self._ended or self._closed

    @property
    def dropped(self) -> int:
        """Frames and packets left out so far: damaged, or with times that go back."""
        return 0 if self._decoder is None else self._decoder.dropped

    def __enter__(self) -> MediaSource:
        """Open the file and decode its first picture.

        Raises:
            SourceError: It is missing, empty, not media, or has no picture.
            StreamStateError: It was opened before.
        """
        if self._entered:
            raise StreamStateError(
                f"{self._info.name}: was opened before; make another"
            )
        self._entered = True
        try:
            self._open(_checked(self._path))
        except BaseException:
            self.close()
            raise
        return self

    def _open(self, path: Path) -> None:
        self._decoder = decoder = _open_decoder(path, audio=self._audio)
        self._items = decoder.items()
        self._info = SourceInfo(
            self._path.name,
            live=False,
            duration_ns=decoder.duration_ns,
            has_audio=decoder.has_audio,
            note=decoder.note,
        )

    def read(self, timeout_ns: int) -> Frame | AudioChunk | None:
        """Return the next item in order of arrival; None after the last.

        A damaged file is read as far as it goes. ``timeout_ns`` is ignored.

        Raises:
            SourceError: After the last item, when the file was cut short.
            StreamStateError: The file is not open yet.
        """
        del timeout_ns
        if not self._entered:
            raise StreamStateError(f"{self._info.name}: read it inside 'with'")
        with self._reading:
            item = None if self.ended else next(self._items, None)
            if item is None and not self.ended:
                self._finish()
        if self._closed:
            self.close()  # it was called meanwhile and left the file to this thread
            return None
        if item is not None:
            self._end_ns = max(self._end_ns, item.t_arrival_ns)
        return item

    def _finish(self) -> None:
        """Note the end; raise when the file was longer once."""
        self._ended = True
        duration_ns, read_ns = self._info.duration_ns, self._end_ns - START_NS
        read_s = f"{read_ns / NS_PER_S:.1f}"
        if duration_ns is not None and read_ns + _CUT_SHORT_NS < duration_ns:
            raise SourceError(
                f"{self._info.name}: is cut short: {read_s} of "
                f"{duration_ns / NS_PER_S:.1f} s could be read; copy the file again"
            )
        if not self.dropped:
            return
        damage = (
            f"{self._info.name}: left out {self.dropped} damaged or misplaced parts "
            f"of {read_s} s"
        )
        if self._decoder is None or not self._decoder.states_length:
            raise SourceError(f"{damage}, so it may be cut short; copy the file again")
        _LOG.warning("%s", damage)

    def close(self) -> None:
        """Close the file; from any thread, idempotent."""
        self._closed = True
        # Never wait for a reader, nor free what it decodes from: it closes then.
        if self._reading.acquire(blocking=False):
            try:
                self._items = iter(())
                if self._decoder is not None:
                    self._decoder.close()
            finally:
                self._reading.release()


def _checked(path: Path) -> Path:
    """Return the absolute path of a readable, non-empty file, or say what it is."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise SourceError(f"{str(path)!r}: is a directory; expected a media file")
        if not stat.S_ISREG(found.st_mode):
            raise SourceError(
                f"{str(path)!r}: is not a file; for a camera give its number, such as 0"
            )
        if found.st_size == 0:
            raise SourceError(f"{str(path)!r}: is empty; expected a media file")
        with path.open("rb"):
            return path.absolute()
    except FileNotFoundError:
        raise SourceError(f"{str(path)!r}: there is no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"{str(path)!r}: cannot be read: {reason}") from None


def _open_decoder(path: Path, *, audio: bool) -> Decoder:
    try:
        import av  # noqa: F401 - only asked whether it is there
    except ImportError:
        from edge_affect.sources.media_opencv import OpenCvDecoder

        return OpenCvDecoder(path, START_NS, audio=audio)
    from edge_affect.sources.media_pyav import PyAvDecoder

    return PyAvDecoder(path, START_NS, audio=audio)
