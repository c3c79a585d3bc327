"""Print records as a table."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.records import Record

_COLUMNS = (
    "set",
    "split",
    "head",
    "stage",
    "model",
    "target",
    "against",
    "metric",
    "value",
    "95 % interval",
    "n",
)


def render(records: Sequence[Record]) -> str:
    """Return the records as aligned columns under a heading."""
    rows = [_COLUMNS, *(_cells(record) for record in records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _cells(record: Record) -> tuple[str, ...]:
    interval = "–"
    if record.low is not None and record.high is not None:
        interval = f"{record.low:.3f} – {record.high:.3f}"
    return (
        record.set or "",
        record.split or "",
        record.head or "",
        record.stage or "",
        record.model or "",
        record.target or "",
        record.against or "",
        record.metric,
        f"{record.value:.3f}",
        interval,
        "" if record.n is None else str(record.n),
    )
