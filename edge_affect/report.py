"""A record as one self-contained HTML page: inline SVG, no script, nothing fetched."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_affect import charts
from edge_affect.charts import Scale, TimeAxis
from edge_affect.columns import RecordColumns, Series
from edge_affect.errors import SinkError
from edge_affect.report_page import STYLE
from edge_affect.sinks.base import RunHeader
from edge_affect.sinks.record import HEALTH_STATES, estimate_record
from edge_affect.types import Estimate

if TYPE_CHECKING:
    from edge_affect.realtime.info import StreamStats

_SMALL_PX = 470
_HELD_CELLS = 4


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


def check_target(path: Path) -> None:
    """Check that a file can be made at ``path``; raises SinkError."""
    if path.is_dir():
        raise SinkError(f"{path}: is a directory, expected the name of a file")
    if not path.parent.is_dir():
        raise SinkError(f"{path}: there is no directory {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise SinkError(f"{path}: the directory {path.parent} may not be written to")


def save_page(path: Path, page: str) -> None:
    """Write ``page`` under a temporary name, then give it its own."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(page, encoding="utf-8", newline="\n")
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
    sections = [
        _tiles(columns, axis),
        _affect(columns, axis),
        _small_multiples("Expression", "expression", "expr", columns, small),
        _small_multiples("Action units", "action_units", "au", columns, small),
        _small_multiples("Driver signals", "driver", "driver", columns, small),
        _health(columns, axis),
        _age(columns, axis),
        _stages(stats),
        _counts(columns, stats),
        _run(header),
        _notes(notes),
    ]
    title = f"Affect report: {header.source}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
        f"<header><h1>{escape(header.source)}</h1><p>{_subtitle(header)}</p></header>"
        f"{''.join(sections)}"
        "<footer>Estimates of a model about what a face and a voice show, "
        f"made for the purpose <b>{escape(header.purpose)}</b>; "
        "they are not facts about a person. "
        f"Written by edge_affect {escape(header.version)}.</footer>"
        "</main></body></html>\n"
    )


def _subtitle(header: RunHeader) -> str:
    parts = [header.bundle, f"{header.target} on {header.provider}"]
    if header.utc_source == "system":
        started_s = (header.t0_ns + header.utc_offset_ns) / 1e9
        started = datetime.fromtimestamp(started_s, timezone.utc)
        parts.append(f"{started:%Y-%m-%d %H:%M:%S} UTC")
    return escape(" · ".join(parts))


def _section(title: str, *parts: str, note: str = "") -> str:
    about = f"<p class=note>{note}</p>" if note else ""
    return f"<section><h2>{escape(title)}</h2>{about}{''.join(parts)}</section>"


def _tiles(columns: RecordColumns, axis: TimeAxis) -> str:
    age = columns.number("age_ms")
    likeliest = columns.labels.most_common(1)
    tiles = [
        ("length", charts.time_label(round(axis.end_s - axis.start_s, 1))),
        ("estimates", f"{len(columns):,}"),
        ("face ok", f"{columns.share_ok('face'):.1%}"),
        ("voice ok", f"{columns.share_ok('voice'):.1%}"),
        ("mean valence", _mean(columns.number("valence"))),
        ("mean arousal", _mean(columns.number("arousal"))),
        ("mostly", likeliest[0][0] if likeliest else "–"),
        ("age p99", f"{np.nanpercentile(age, 99):.0f} ms"),
    ]
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in tiles
    )
    return f'<dl class="tiles">{cells}</dl>'


def _mean(values: Series) -> str:
    known = values[np.isfinite(values)]
    return f"{round(known.mean(), 2) + 0.0:+.2f}" if len(known) else "–"


def _affect(columns: RecordColumns, axis: TimeAxis) -> str:
    scale = Scale(-1, 1, 170, (-1, -0.5, 0, 0.5, 1))
    panels = [
        _affect_panel(columns, axis, scale, key, ends)
        for key, ends in (
            ("valence", "unpleasant to pleasant"),
            ("arousal", "calm to excited"),
        )
    ]
    legend = (
        '<i class="key held"></i> held for over 0.1 s '
        '<i class="key shade-lost"></i> face lost; '
        "the band is one standard deviation to either side"
    )
    return _section("Valence and arousal", *panels, note=legend)


def _affect_panel(
    columns: RecordColumns, axis: TimeAxis, scale: Scale, key: str, ends: str
) -> str:
    t_s, values = columns.t_s, columns.number(key)
    spread = columns.number(f"{key}_std")
    around = charts.between(axis, t_s, values - spread, values + spread)
    parts = [
        _shades(columns, axis, scale),
        charts.axes(axis, scale),
        charts.band(f"band {key}", axis, scale, around),
        charts.line(key, axis, scale, t_s, values),
    ]
    title = f"{key.capitalize()} over time, {ends}"
    picture = charts.svg(title, axis, scale.height_px, parts)
    return (
        f"<figure><figcaption><b class={key}>{key.capitalize()}</b> {ends}"
        f"</figcaption>{picture}</figure>"
    )


def _shades(columns: RecordColumns, axis: TimeAxis, scale: Scale) -> str:
    """Mark held and lost stretches; a slower camera holds single cells all the time."""
    held = np.zeros(len(columns), bool)
    for first, last in charts.runs(columns.held):
        held[first:last] = last - first >= _HELD_CELLS
    lost = columns.health("face") == HEALTH_STATES.index("lost")
    return charts.shade("held", axis, scale, columns.t_s, held & ~lost) + charts.shade(
        "shade-lost", axis, scale, columns.t_s, lost
    )


def _small_multiples(
    title: str, key: str, css: str, columns: RecordColumns, axis: TimeAxis
) -> str:
    groups = columns.group(key)
    if not groups:
        why = "its bundle has no head for them, or no face was seen"
        return _section(title, note=f"This run gave none: {why}.")
    scale = Scale(0, 1, 86, (0, 1))
    figures = []
    for label, values in groups.items():
        picture = charts.svg(
            f"{label} over time, from 0 to 1",
            axis,
            scale.height_px,
            [
                _shades(columns, axis, scale),
                charts.axes(axis, scale),
                charts.area(css, axis, scale, columns.t_s, values),
            ],
        )
        mean = _mean(values).lstrip("+")
        figures.append(
            f"<figure><figcaption><b>{escape(label.replace('_', ' '))}</b> "
            f"mean {mean}</figcaption>{picture}</figure>"
        )
    note = {
        "expression": "Probability of each class.",
        "action_units": "Activation from 0 to 1; not a probability.",
    }.get(key, "")
    return _section(title, f"<div class=pair>{''.join(figures)}</div>", note=note)


def _health(columns: RecordColumns, axis: TimeAxis) -> str:
    scale = Scale(0, 1, 84)
    parts = [charts.axes(axis, scale)]
    for row, modality in enumerate(("face", "voice")):
        states = columns.health(modality)
        parts.append(charts.strip(axis, 8 + 30 * row, 22, columns.t_s, states))
        parts.append(
            f'<text class="tick" x="{axis.left_px - 5}" y="{23 + 30 * row}" '
            f'text-anchor="end">{modality}</text>'
        )
    legend = " ".join(f"<i class='key {name}'></i> {name}" for name in HEALTH_STATES)
    picture = charts.svg("Health of face and voice", axis, scale.height_px, parts)
    reasons = ""
    if columns.reasons:
        rows = [
            (reason, f"{cells:,}", f"{cells / len(columns):.1%}")
            for reason, cells in columns.reasons.most_common()
        ]
        reasons = _table(("reason", "cells", "share"), rows)
    return _section("Health", f"<figure>{picture}</figure>", reasons, note=legend)


def _age(columns: RecordColumns, axis: TimeAxis) -> str:
    age = columns.number("age_ms")
    p50, p99, highest = np.nanpercentile(age, (50, 99, 100))
    top = _round_up(max(float(p99) * 1.3, 1.0))
    scale = Scale(0, top, 120, (0, top / 2, top))
    parts = [
        charts.axes(axis, scale),
        charts.line("age", axis, scale, columns.t_s, age),
    ]
    picture = charts.svg("Age of the estimates in ms", axis, scale.height_px, parts)
    note = (
        "From the capture of the frame to the estimate: "
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, highest {highest:.1f} ms."
    )
    return _section("Age", f"<figure>{picture}</figure>", note=note)


def _round_up(value: float) -> float:
    unit = 10.0 ** np.floor(np.log10(value))
    return float(next(unit * m for m in (1, 2, 3, 4, 5, 6, 8, 10) if unit * m >= value))


def _stages(stats: StreamStats | None) -> str:
    if stats is None or not stats.stages:
        return ""
    rows = [
        (name, f"{s.n:,}", f"{s.p50_ms:.2f}", f"{s.p99_ms:.2f}", f"{s.max_ms:.2f}")
        for name, s in stats.stages.items()
    ]
    table = _table(("stage", "times", "p50 ms", "p99 ms", "max ms"), rows)
    return _section("Time per stage", table)


def _counts(columns: RecordColumns, stats: StreamStats | None) -> str:
    rows = [(reason, f"{count:,}") for reason, count in columns.dropped.items()]
    table = _table(("dropped because", "count"), rows) if rows else ""
    note = "" if rows else "Nothing was dropped."
    if stats is not None:
        note += (
            f" {stats.captured:,} frames captured, {stats.processed:,} processed, "
            f"{stats.misses:,} of {stats.cells:,} cells missed their deadline."
        )
    return _section("Drops", table, note=note.strip())


def _run(header: RunHeader) -> str:
    hz = header.cell_hz[0] / header.cell_hz[1]
    rows = [
        ("source", header.source),
        ("sound", header.audio or "none"),
        ("bundle", header.bundle),
        ("bundle digest", header.bundle_digest),
        ("backend", f"{header.backend}, {header.provider}"),
        ("target", header.target),
        ("purpose", header.purpose),
        ("cells", f"{hz:g} per second"),
        ("mount", _mount(header.mount)),
    ]
    return _section("What ran", _table(("", ""), rows, css="facts"))


def _mount(mount: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in mount.items()) or "not stated"


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return _section("Notes", f"<ul>{items}</ul>")


def _table(
    names: Sequence[str], rows: Iterable[Sequence[str]], css: str = "numbers"
) -> str:
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr><th scope=row>{escape(str(row[0]))}</th>"
        + "".join(f"<td>{escape(str(value))}</td>" for value in row[1:])
        + "</tr>"
        for row in rows
    )
    thead = f"<thead><tr>{head}</tr></thead>" if any(names) else ""
    return f'<table class="{css}">{thead}<tbody>{body}</tbody></table>'
