"""The live table of a stream, as lines of text."""

from __future__ import annotations

from collections.abc import Mapping

from edge_affect.commands.terminal import Terminal
from edge_affect.realtime.info import StreamInfo, StreamStats
from edge_affect.types import Estimate, HealthState

_SCALE_CELLS = 31
_BAR_CELLS = 12
_HEALTH_STYLES = {
    HealthState.OK: "green",
    HealthState.DEGRADED: "yellow",
    HealthState.STALE: "yellow",
    HealthState.LOST: "red",
}


def table_lines(
    terminal: Terminal, info: StreamInfo, estimate: Estimate, stats: StreamStats
) -> list[str]:
    """Return the table of one instant.

    Args:
        terminal: Says how wide it may be and whether colours are welcome.
        info: What runs.
        estimate: The newest estimate.
        stats: How the stream went so far.
    """
    title = f"{info.source} · {info.bundle} · {info.target} on {info.provider}"
    return [
        terminal.style(title, "bold"),
        _status_line(terminal, estimate),
        "",
        _affect_line(
            terminal, "valence", estimate.valence, estimate.valence_std, "− pleasant +"
        ),
        _affect_line(
            terminal, "arousal", estimate.arousal, estimate.arousal_std, "− excited +"
        ),
        "",
        *_group_lines(terminal, "expression", estimate.expression),
        *_group_lines(terminal, "action units", estimate.action_units),
        *_group_lines(terminal, "driver", estimate.driver),
        "",
        *_stage_lines(terminal, stats),
        _drops_line(stats),
    ]


def second_line(estimate: Estimate, stats: StreamStats) -> str:
    """Return one line for terminals that cannot be drawn on."""
    parts = [
        f"{estimate.t_ms / 1000:6.1f} s",
        f"valence {_signed(estimate.valence)}",
        f"arousal {_signed(estimate.arousal)}",
        f"{estimate.label or '–':<9}",
        f"age {estimate.age_ms:.0f} ms",
        f"face {estimate.health.face.value}",
        f"voice {estimate.health.voice.value}",
        f"drops {sum(stats.dropped.values())}",
    ]
    return "  ".join(parts)


def _status_line(terminal: Terminal, estimate: Estimate) -> str:
    states = [
        f"{name} {terminal.style(state.value, _HEALTH_STYLES[state])}"
        for name, state in (
            ("face", estimate.health.face),
            ("voice", estimate.health.voice),
        )
    ]
    minutes, seconds = divmod(estimate.t_ms / 1000, 60)
    held = " held" if estimate.held else ""
    reasons = ", ".join(estimate.health.reasons)
    parts = [
        f"{int(minutes)}:{seconds:04.1f}",
        f"age {estimate.age_ms:3.0f} ms",
        *states,
        f"rung {estimate.rung}{held}",
        f"({reasons})" if reasons else "",
    ]
    return "   ".join(parts)


def _affect_line(
    terminal: Terminal, name: str, value: float | None, spread: float | None, ends: str
) -> str:
    around = "" if spread is None else f"± {spread:.2f}"
    marks = _scale(terminal, value, spread)
    return f"{name:<13}{_signed(value):>6} {around:<7} {marks} {ends}"


def _scale(terminal: Terminal, value: float | None, spread: float | None) -> str:
    """Draw a value in [-1, 1] and its spread on a line with its middle marked."""
    rule, near, here = ("─", "━", "●") if terminal.has_blocks else ("-", "=", "o")
    middle = _SCALE_CELLS // 2
    cells = [rule] * _SCALE_CELLS
    cells[middle] = "┼" if terminal.has_blocks else "+"
    if value is not None:
        low, high = (_place(value + side * (spread or 0.0)) for side in (-1, 1))
        cells[low : high + 1] = near * (high + 1 - low)
        cells[_place(value)] = here
    return "".join(cells)


def _place(value: float) -> int:
    share = (min(max(value, -1.0), 1.0) + 1) / 2
    return round(share * (_SCALE_CELLS - 1))


def _group_lines(
    terminal: Terminal, name: str, group: Mapping[str, float] | None
) -> list[str]:
    """Lay the bars of a group out in as many columns as fit."""
    if group is None:
        return [f"{name:<13}{terminal.style('–', 'dim')}"]
    best = max(group, key=group.__getitem__, default="")
    wide = max(map(len, group), default=0) + 1
    room = terminal.size[0] - 14
    across = max(1, room // (wide + _BAR_CELLS + 7))
    entries = []
    for label, value in group.items():
        entry = (
            f"{label.replace('_', ' '):<{wide}}{_bar(terminal, value)}{value:5.2f}  "
        )
        is_best = name == "expression" and label == best
        entries.append(terminal.style(entry, "bold") if is_best else entry)
    rows = [entries[i : i + across] for i in range(0, len(entries), across)]
    heads = [name, *[""] * (len(rows) - 1)]
    return [f"{h:<13}{''.join(row)}" for h, row in zip(heads, rows, strict=True)]


def _bar(terminal: Terminal, share: float) -> str:
    full, empty = ("█", "·") if terminal.has_blocks else ("#", ".")
    filled = round(min(max(share, 0.0), 1.0) * _BAR_CELLS)
    return full * filled + empty * (_BAR_CELLS - filled)


def _stage_lines(terminal: Terminal, stats: StreamStats) -> list[str]:
    head = "".join(f"{name:>9}" for name in stats.stages)
    rows = [terminal.style(f"{'stage':<13}{head}", "dim")]
    for title, key in (("p50 ms", "p50_ms"), ("p99 ms", "p99_ms")):
        times = (getattr(stage, key) for stage in stats.stages.values())
        rows.append(f"{title:<13}" + "".join(f"{ms:>9.2f}" for ms in times))
    return rows


def _drops_line(stats: StreamStats) -> str:
    drops = [f"{why} {n}" for why, n in stats.dropped.items() if n]
    return (
        f"{'drops':<13}{', '.join(drops) or 'none'} of {stats.captured} frames; "
        f"{stats.misses} of {stats.cells} steps over budget"
    )


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{round(value, 2) + 0.0:+.2f}"
