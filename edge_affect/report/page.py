"""A record as one self-contained HTML page: inline SVG, no script, nothing fetched."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime, timezone
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from edge_affect.clock import NS_PER_S
from edge_affect.errors import SinkError
from edge_affect.report import sections
from edge_affect.report.charts import TimeAxis
from edge_affect.report.columns import RecordColumns
from edge_affect.report.style import STYLE
from edge_affect.sinks.base import RunHeader
from edge_affect.sinks.files import check_target
from edge_affect.sinks.record import estimate_record
from edge_affect.types import Estimate

if TYPE_CHECKING:
    from edge_affect.realtime.info import StreamStats

_SMALL_PX = 470


class ReportSink:
    """Keeps what a report needs of a stream while it runs, and writes the page.

    Args:
        path: Name of the page; its folder exists.

    Raises:
        SinkError: No file can be made there.
    """

    def __init__(self, path: Path) -> None:
        check_target(path)
        self.path = path
        """Name of the page."""
        self.columns = RecordColumns()
        """The record so far."""
        self._header: RunHeader | None = None

    def open(self, header: RunHeader) -> None:
        """Keep the run header."""
        self._header = header

    def write(self, estimate: Estimate) -> None:
        """Keep one estimate."""
        self.columns.add(estimate_record(estimate))

    def close(self) -> None:
        """Do nothing: the page is written by ``save``."""

    def save(self, stats: StreamStats | None, notes: Sequence[str] = ()) -> bool:
        """Write the page; return False when there is no estimate to show."""
        if self._header is None or not len(self.columns):
            return False
        save_page(self.path, build_report(self._header, self.columns, stats, notes))
        return True


def save_page(path: Path, text: str) -> None:
    """Write ``text`` under a temporary name, then give it its own."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    except OSError as error:
        raise SinkError(f"{path}: {error.strerror or error}") from error


def build_report(
    header: RunHeader,
    columns: RecordColumns,
    stats: StreamStats | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Return the page of one run.

    Args:
        header: The record's run header.
        columns: The record, at least one estimate.
        stats: What the stream measured, when it is at hand.
        notes: Lines of the stream for its user.
    """
    t_s = columns.t_s
    cell_s = header.cell_hz[1] / header.cell_hz[0]
    axis = TimeAxis(max(0.0, float(t_s[0]) - cell_s), float(t_s[-1]) + cell_s / 2)
    small = TimeAxis(axis.start_s, axis.end_s, _SMALL_PX, left_px=24)
    parts = [
        sections.tiles(columns, axis),
        sections.affect(columns, axis),
        sections.multiples("Expression", "expression", columns, small),
        sections.multiples("Action units", "action_units", columns, small),
        sections.multiples("Driver signals", "driver", columns, small),
        sections.health(columns, axis),
        sections.age(columns, axis),
        sections.stages(stats),
        sections.counts(columns, stats),
        sections.run_facts(header),
        sections.notes_list(notes),
    ]
    title = f"Affect report: {header.source}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
        f"<header><h1>{escape(header.source)}</h1><p>{_subtitle(header)}</p></header>"
        f"{''.join(parts)}"
        "<footer>Estimates of a model about what a face and a voice show, "
        f"made for the purpose <b>{escape(header.purpose)}</b>; "
        "they are not facts about a person. "
        f"Written by edge_affect {escape(header.version)}.</footer>"
        "</main></body></html>\n"
    )


def _subtitle(header: RunHeader) -> str:
    parts = [header.bundle, f"{header.target} on {header.provider}"]
    if header.utc_source == "system":
        started_s = (header.t0_ns + header.utc_offset_ns) / NS_PER_S
        with contextlib.suppress(OverflowError, OSError, ValueError):  # no such year
            started = datetime.fromtimestamp(started_s, timezone.utc)
            parts.append(f"{started:%Y-%m-%d %H:%M:%S} UTC")
    return escape(" · ".join(parts))
