"""The sections of a report, each as HTML text; every string from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from edge_affect.realtime.info import StreamStats
from edge_affect.report import charts
from edge_affect.report.charts import Scale, TimeAxis
from edge_affect.report.columns import RecordColumns, Series
from edge_affect.sinks.base import RunHeader
from edge_affect.sinks.record import HEALTH_STATES

_HELD_CELLS = 4
"""Shorter holds are usual: a camera of 25 fps holds every sixth cell."""
_GROUPS = {
    "expression": ("expr", "Probability of each class."),
    "action_units": ("au", "Activation from 0 to 1; not a probability."),
    "driver": ("driver", ""),
}
"""Key of a group → its CSS class and what its numbers are."""


def _section(title: str, *parts: str, note: str = "") -> str:
    about = f"<p class=note>{note}</p>" if note else ""
    return f"<section><h2>{escape(title)}</h2>{about}{''.join(parts)}</section>"


def tiles(columns: RecordColumns, axis: TimeAxis) -> str:
    """Return the figures at the top."""
    age = columns.number("age_ms")
    likeliest = columns.labels.most_common(1)
    length_s = axis.end_s - axis.start_s
    tiles = [
        ("length", charts.time_label(length_s, fine=length_s < 60)),
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


def affect(columns: RecordColumns, axis: TimeAxis) -> str:
    """Return valence and arousal over time."""
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


def multiples(title: str, key: str, columns: RecordColumns, axis: TimeAxis) -> str:
    """Return a small chart for every label of a group."""
    groups = columns.group(key)
    css, note = _GROUPS[key]
    if not groups:
        why = "its bundle has no head for them, or no face was seen"
        return _section(title, note=f"This run gave none: {why}.")
    scale = Scale(0, 1, 86, (0, 1))
    figures = []
    for label, values in groups.items():
        parts = [
            _shades(columns, axis, scale),
            charts.axes(axis, scale),
            charts.area(css, axis, scale, columns.t_s, values),
        ]
        name = label.replace("_", " ")
        picture = charts.svg(f"{name} over time", axis, scale.height_px, parts)
        mean = _mean(values).lstrip("+")
        figures.append(
            f"<figure><figcaption><b>{escape(name)}</b> mean {mean}</figcaption>"
            f"{picture}</figure>"
        )
    return _section(title, f"<div class=pair>{''.join(figures)}</div>", note=note)


def health(columns: RecordColumns, axis: TimeAxis) -> str:
    """Return the health of face and voice over time, and the reasons."""
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


def age(columns: RecordColumns, axis: TimeAxis) -> str:
    """Return how old the estimates were."""
    age = columns.number("age_ms")
    p50, p99, highest = np.nanpercentile(age, (50, 99, 100))
    if highest <= 0:
        return _section("Age", note="None: a file was read as fast as it goes.")
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


def stages(stats: StreamStats | None) -> str:
    """Return how long each stage took."""
    if stats is None or not stats.stages:
        return ""
    rows = [
        (name, f"{s.n:,}", f"{s.p50_ms:.2f}", f"{s.p99_ms:.2f}", f"{s.max_ms:.2f}")
        for name, s in stats.stages.items()
    ]
    table = _table(("stage", "times", "p50 ms", "p99 ms", "max ms"), rows)
    return _section("Time per stage", table)


def counts(columns: RecordColumns, stats: StreamStats | None) -> str:
    """Return what was dropped."""
    rows = [(reason, f"{count:,}") for reason, count in columns.dropped.items()]
    table = _table(("dropped because", "count"), rows) if rows else ""
    note = "" if rows else "Nothing was dropped."
    if stats is not None:
        note += (
            f" {stats.captured:,} frames captured, {stats.processed:,} processed, "
            f"{stats.misses:,} of {stats.cells:,} cells missed their deadline."
        )
    return _section("Drops", table, note=note.strip())


def run_facts(header: RunHeader) -> str:
    """Return what ran."""
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


def notes_list(notes: Sequence[str]) -> str:
    """Return the lines that the stream had for its user."""
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
