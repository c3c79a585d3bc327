"""``edge-affect run``: a source in; a record, a report and a table out."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from edge_affect.clock import SystemClock
from edge_affect.commands.changes import Changes
from edge_affect.commands.display import Display, display_for
from edge_affect.commands.settings import STDOUT, RunSettings
from edge_affect.commands.signals import StopSignals
from edge_affect.commands.terminal import Terminal
from edge_affect.config import StreamConfig
from edge_affect.errors import EdgeAffectError, SourceError
from edge_affect.realtime.info import StreamInfo, StreamStats
from edge_affect.realtime.stream import AffectStream
from edge_affect.report.page import ReportSink
from edge_affect.sinks.base import Sink
from edge_affect.sinks.jsonl import JsonlSink, JsonlStream
from edge_affect.sinks.notify import NotifySink, notify_sink
from edge_affect.sources.base import Source
from edge_affect.sources.given import as_source
from edge_affect.sources.open import NO_AUDIO


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the estimates of a run go."""

    record: JsonlSink | None = None
    """The record in a file."""
    stream: JsonlStream | None = None
    """The record on the standard output."""
    report: ReportSink | None = None
    """The HTML page."""
    manager: NotifySink | None = None
    """The service manager, which learns that there are estimates and no more."""

    @property
    def sinks(self) -> list[Sink]:
        """Those that there are."""
        every: tuple[Sink | None, ...]
        every = (self.record, self.stream, self.report, self.manager)
        return [sink for sink in every if sink is not None]

    @property
    def cut_short(self) -> bool:
        """Whether a record could not be written to its end."""
        written = (self.record, self.stream)
        return any(sink is not None and sink.error is not None for sink in written)

    @property
    def reader_gone(self) -> bool:
        """Whether nobody reads the standard output any more."""
        return self.stream is not None and self.stream.reader_gone


@dataclass(frozen=True, slots=True)
class Conductor:
    """Runs a stream to its end, a signal's or a fault's."""

    terminal: Terminal
    """Where people read."""
    signals: StopSignals
    """Stop the stream when they come."""
    outputs: Outputs
    """Where the estimates go; the stream feeds them."""
    choose: Callable[[StreamInfo], Display]
    """Makes the display that suits the open stream."""
    max_seconds: float = math.inf
    """Length of the stream to read, s."""

    def conduct(self, stream: AffectStream) -> int:
        """Run ``stream``, which is not open yet; return the exit code.

        The report is written however the stream ends.

        Raises:
            EdgeAffectError: The source cannot be read, at all or to its end.
        """
        import cv2

        # A second thread gains nothing on pictures this small, and costs a core.
        cv2.setNumThreads(1)
        fault: EdgeAffectError | None = None
        self.signals.calls(stream.stop)
        try:
            with stream:
                announce(self.terminal, stream.info)
                self._watch(stream)
        except EdgeAffectError as error:
            fault = error
        self.terminal.leave()
        report = self.outputs.report
        if report is not None and report.columns:
            report.save(stream.stats, stream.info.notes)
        if fault is not None:
            raise fault
        if not (stream.stats.cells or self.signals.received):
            raise SourceError(f"{stream.info.source}: holds no picture to work on")
        if self.signals.exit_code:
            self.terminal.say("")  # the terminal echoed ^C
        for line in summary_lines(stream.stats, self.outputs):
            self.terminal.say(line)
        return self.signals.exit_code or int(self.outputs.cut_short)

    def _watch(self, stream: AffectStream) -> None:
        display = self.choose(stream.info)
        changes = Changes(self.terminal)
        cells, seconds = stream.info.cell_hz
        last = self.max_seconds * cells / seconds - 1
        for estimate in stream:
            display.show(estimate, stream)
            if stream.info.live:
                changes.tell(stream.take_events())
            if self.outputs.reader_gone or estimate.index >= last:
                break


def run(settings: RunSettings, terminal: Terminal, stdout: TextIO) -> int:
    """Stream a source to where the user wants it; return the exit code.

    Args:
        settings: What the user asked for.
        terminal: Where people read.
        stdout: Where records go with ``--out -``.

    Raises:
        EdgeAffectError: A setting, the source or the bundle does not fit.
    """
    on_screen = settings.out == STDOUT and stdout.isatty()

    def choose(info: StreamInfo) -> Display:
        return display_for(
            terminal, SystemClock(), live=info.live, records_on_screen=on_screen
        )

    with StopSignals() as signals:
        outputs = _open_outputs(settings, stdout)
        # Not opened bare: a camera that is lost must be opened again by a service.
        source = as_source(settings.source, SystemClock(), settings.audio or "default")
        stream = AffectStream(
            source,
            _microphone(settings.audio, source),
            config=StreamConfig(
                str(settings.purpose),
                settings.budget_ms,
                settings.backend,
                mount=settings.mount,
                realtime=settings.realtime,
            ),
            bundle=settings.bundle,
            detector=settings.detector,
            allow_unsigned=settings.allow_unsigned,
            key=settings.key,
            sinks=outputs.sinks,
        )
        limit = math.inf if settings.max_seconds is None else settings.max_seconds
        return Conductor(terminal, signals, outputs, choose, limit).conduct(stream)


def _microphone(audio: int | str | None, source: Source) -> int | str | None:
    """Return which microphone to open, if any.

    A source that brings sound of its own needs none by default.
    """
    if audio is None or audio == NO_AUDIO:
        return None
    info = source.info
    brings_sound = info.has_audio or not info.live
    return None if audio == "default" and brings_sound else audio


def _open_outputs(settings: RunSettings, stdout: TextIO) -> Outputs:
    out = settings.out
    return Outputs(
        record=None if out is None or out == STDOUT else JsonlSink(Path(out)),
        stream=JsonlStream(stdout) if out == STDOUT else None,
        report=None if settings.report is None else ReportSink(settings.report),
        manager=notify_sink(os.environ, SystemClock()),
    )


def announce(terminal: Terminal, info: StreamInfo) -> None:
    """Say what runs, and what the user should know of it."""
    terminal.say(
        f"{info.bundle}, {info.target} ({info.target_reason}) on {info.provider}, "
        f"purpose {info.purpose}"
    )
    sound = f"sound from {info.audio}" if info.audio else "no sound"
    sound = "with its sound" if info.audio == info.source else sound
    pace = "live, ctrl-C ends it" if info.live else "as fast as it goes"
    terminal.say(f"{info.source}, {sound}, {pace}")
    for note in info.notes:
        terminal.say(f"note: {note}")


def summary_lines(stats: StreamStats, outputs: Outputs) -> list[str]:
    """Return how a run went and what it wrote."""
    drops = ", ".join(f"{why} {count}" for why, count in stats.dropped.items() if count)
    ok = f"face ok in {stats.face_ok_share:.1%} of them"
    lines = [
        f"{stats.cells} estimates; {ok}; {stats.misses} over budget",
        f"{stats.captured} frames; {stats.processed} used; drops: {drops or 'none'}",
    ]
    if outputs.record is not None and outputs.record.error is None:
        lines.append(f"record: {outputs.record.path}")
    if outputs.report is not None:
        lines.append(f"report: {outputs.report.path}")
    return lines
