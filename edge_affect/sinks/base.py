"""What every sink promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from edge_affect.events import Event
from edge_affect.types import Estimate


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What a record begins with: everything that holds for the whole run."""

    schema: int
    """Version of the record's layout."""
    version: str
    """Version of edge_affect."""
    bundle: str
    """Name and version of the bundle."""
    bundle_digest: str
    """SHA-256 of the bundle's manifest, hex."""
    backend: str
    """Backend that runs the graphs."""
    provider: str
    """Provider that really runs them."""
    target: str
    """Target of the graphs, such as ``cpu-fp32``."""
    purpose: str
    """Declared purpose."""
    source: str
    """Name of the video source."""
    audio: str | None
    """Name of the sound source."""
    mount: Mapping[str, Any]
    """How the camera is mounted: the fields of ``CameraMount``."""
    t0_ns: int
    """Start of the grid, monotonic ns."""
    cell_hz: tuple[int, int]
    """Cells per second, as numerator and denominator."""
    utc_offset_ns: int
    """UTC since 1970 less monotonic time, ns; for display only."""
    utc_source: str
    """Where ``utc_offset_ns`` comes from: ``system``, or ``none`` for a file."""


class Sink(Protocol):
    """Takes a stream's estimates, in order.

    A live stream calls each sink from a thread of that sink's own, behind a queue of
    a minute: a slow one delays nobody, and loses the oldest estimates. One that says
    ``in_loop = True`` of itself is called by the stepping thread and must not wait. A
    file's sinks are called by whoever iterates.

    A sink that raises is aborted, or closed where it is no ``AbortableSink``, and left
    out; the stream goes on.
    """

    def open(self, header: RunHeader) -> None:
        """Start a record; called once, before the first estimate."""

    def write(self, estimate: Estimate) -> None:
        """Take one estimate."""

    def close(self) -> None:
        """Finish the record; idempotent."""


@runtime_checkable
class AbortableSink(Sink, Protocol):
    """A sink whose ``close`` says that the record is whole, such as a file."""

    def abort(self, reason: str) -> None:
        """End a record that is not whole, in place of ``close``; idempotent.

        Args:
            reason: What ended the run, one line.
        """


@runtime_checkable
class EventSink(Sink, Protocol):
    """A sink that is told of changes too: health, service, what was lost."""

    def tell(self, event: Event) -> None:
        """Take one event, after the estimate that shows it."""


def tell_event(sink: Sink, event: Event) -> None:
    """Tell ``sink`` of ``event``, if it takes events."""
    if isinstance(sink, EventSink):
        sink.tell(event)


def end_record(sink: Sink, fault: str | None) -> None:
    """Finish a sink's record, or abort it.

    Args:
        sink: Whose record.
        fault: Why it is not whole, one line; None: it is.
    """
    if fault is not None and isinstance(sink, AbortableSink):
        sink.abort(fault)
    else:
        sink.close()
