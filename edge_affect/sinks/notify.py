"""Tell systemd that estimates flow: ready at the first, a sign of life with the others.

The protocol of sd_notify(3): short texts to the local datagram socket that the service
manager names. No estimate is in them, only that there was one.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from typing import final

from edge_affect.clock import Clock
from edge_affect.sinks.base import RunHeader
from edge_affect.types import Estimate

_LOG = logging.getLogger(__name__)

SOCKET = "NOTIFY_SOCKET"
"""Variable that names the socket: a path, or an abstract name after ``@``."""
_INTERVAL = "WATCHDOG_USEC"
_WATCHED = "WATCHDOG_PID"
_NS_PER_US = 1_000
_READY, _BEAT, _STOPPING = b"READY=1", b"WATCHDOG=1", b"STOPPING=1"


@final
class NotifySink:
    """Sends the service manager a beat as long as cells are emitted, and no longer.

    A beat is sent from where estimates go out, ``lost`` ones included, at half of the
    watchdog's interval: a process that lives but emits nothing is restarted. What
    cannot be sent is tried again with the next estimate.
    """

    in_loop = True
    """A beat from a thread of its own would say nothing of the stepping thread."""

    def __init__(self, address: str, interval_ns: int | None, clock: Clock) -> None:
        """Make one; nothing is opened before the first estimate.

        Args:
            address: A path, or an abstract name after ``@``.
            interval_ns: The watchdog's interval, ns; None: there is no watchdog.
            clock: Spaces the beats.
        """
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._gap_ns = None if interval_ns is None else interval_ns // 2
        self._clock = clock
        self._socket: socket.socket | None = None
        self._ready = self._closed = self._complained = False
        self._beat_ns = 0

    def open(self, header: RunHeader) -> None:
        """Wait for the first estimate."""

    def write(self, estimate: Estimate) -> None:
        """Say that an estimate went out, if it is time to."""
        del estimate  # that there is one is all that is told
        if self._closed:
            return
        now_ns = self._clock.now_ns()
        if not self._ready:
            self._ready = self._send(_READY)
            self._beat_ns = now_ns
        elif self._gap_ns is not None and now_ns - self._beat_ns >= self._gap_ns:
            self._beat_ns = now_ns if self._send(_BEAT) else self._beat_ns

    def close(self) -> None:
        """Say that the service ends; idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._ready:
            self._send(_STOPPING)
        if self._socket is not None:
            self._socket.close()

    def _send(self, text: bytes) -> bool:
        """Return whether ``text`` was sent; the stream waits for nobody."""
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
            self._socket.sendto(text, self._address)
        except OSError as error:
            if not self._complained:
                self._complained = True
                _LOG.warning("the service manager cannot be told: %s", error)
            return False
        return True


def notify_sink(environment: Mapping[str, str], clock: Clock) -> NotifySink | None:
    """Return a sink for the service manager that started this process, if one did.

    Args:
        environment: The process's; ``NOTIFY_SOCKET`` names the socket,
            ``WATCHDOG_USEC`` the interval, ``WATCHDOG_PID`` who is watched.
        clock: Spaces the beats.
    """
    address = environment.get(SOCKET, "")
    if not address.startswith(("/", "@")) or len(address) == 1:
        return None
    watched = environment.get(_WATCHED, str(os.getpid())) == str(os.getpid())
    interval_us = _number(environment.get(_INTERVAL, "")) if watched else None
    interval_ns = None if interval_us is None else interval_us * _NS_PER_US
    return NotifySink(address, interval_ns, clock)


def _number(text: str) -> int | None:
    """Return the whole number above 0 that ``text`` writes; None for anything else."""
    fits = text.isascii() and text.isdecimal() and len(text) < 20
    return int(text) or None if fits else None
