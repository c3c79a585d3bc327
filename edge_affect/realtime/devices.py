"""A stream's sources: opened so that a stop wakes them, closed in time."""

from __future__ import annotations

import logging
import threading

from edge_affect.clock import NS_PER_S, SystemClock
from edge_affect.errors import EdgeAffectError, UsageError
from edge_affect.sources.base import AudioSource, Source

_LOG = logging.getLogger(__name__)

_TIME = SystemClock()
_CLOSE_NS = 2 * NS_PER_S
"""Longest that closing a stream takes, whatever hangs."""


class Deadline:
    """When a stream that is closed now is closed, and what is left of the time."""

    def __init__(self) -> None:
        self._until_ns = _TIME.now_ns() + _CLOSE_NS

    def left_s(self, share: float = 1.0) -> float:
        """Return the seconds left, times ``share``; 0 once it has passed."""
        return share * max(0, self._until_ns - _TIME.now_ns()) / NS_PER_S


def join(thread: threading.Thread, timeout_s: float) -> bool:
    """Wait for ``thread``, unless it is this one; return whether it has ended."""
    if thread is not threading.current_thread():
        thread.join(timeout_s)
        if thread.is_alive():
            _LOG.warning("thread %s did not end and was left behind", thread.name)
            return False
    return True


class Devices:
    """Opens a stream's sources, and closes them, from whichever thread.

    A driver may take ten seconds to open, or hang. A stop that comes meanwhile, from a
    thread or a signal handler, closes what is opening, which wakes whoever opens it.
    """

    def __init__(self, video: Source, audio: AudioSource | None) -> None:
        self.video = video
        """Pictures, and perhaps their sound."""
        self.audio = audio
        """A microphone of its own, or None."""
        # Re-entrant: a signal handler may stop what its own thread is waiting for.
        self._changed = threading.Condition(threading.RLock())
        self._opening = self._stopped = False

    @property
    def sources(self) -> list[Source | AudioSource]:
        """The sources that there are, the pictures first."""
        return [self.video] if self.audio is None else [self.video, self.audio]

    def open(self) -> bool:
        """Open every source; return False when a stop came first.

        Raises:
            SourceError: A device or the file cannot be opened.
            UsageError: There is a microphone beside a file.
        """
        waker = threading.Thread(
            target=self._close_if_stopped, name="edge_affect-open", daemon=True
        )
        self._opening = True
        waker.start()
        try:
            return self._open()
        except EdgeAffectError:
            if self._stopped:  # closing it while it opened is what failed
                return False
            raise
        finally:
            with self._changed:
                self._opening = False
                self._changed.notify_all()
            join(waker, Deadline().left_s())

    def _open(self) -> bool:
        if self._stopped:
            return False
        self.video.__enter__()
        if self.audio is not None and not self._stopped:
            if not self.video.info.live:
                raise UsageError(
                    f"audio: {self.video.info.name} is read as fast as it goes and "
                    "brings its own sound; leave audio out, or give a live source"
                )
            self.audio.__enter__()
        return not self._stopped

    def _close_if_stopped(self) -> None:
        with self._changed:
            while self._opening and not self._stopped:
                self._changed.wait()
        if self._stopped:
            self.close(Deadline())

    def stop(self) -> None:
        """Let ``open`` return; at once, from any thread or signal handler."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def close(self, deadline: Deadline) -> None:
        """Close every source, at the same time; one that hangs is left behind."""
        if not self.video.info.live:
            _close(self.video)
            return
        threads = [
            threading.Thread(
                target=_close, args=(source,), name="edge_affect-close", daemon=True
            )
            for source in self.sources
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            join(thread, deadline.left_s())


def _close(source: Source | AudioSource) -> None:
    try:
        source.close()
    except Exception as error:  # noqa: BLE001 - a source may be anybody's
        _LOG.warning("%s: did not close cleanly: %s", source.info.name, error)
