"""The table of promises: what was seen, what is allowed, whether it was kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.records import Record

_COLUMNS = ("promise", "seen", "allowed", "n", "")


@dataclass(frozen=True, slots=True)
class Row:
    """One promise."""

    promise: str
    """What is promised."""
    metric: str
    """One of ``benchmarks.records.METRICS``."""
    seen: float
    """The worst that was seen."""
    most: float
    """The most that is allowed; infinite where the figure is only told."""
    n: int
    """Times that it was put to the test."""

    @property
    def tested(self) -> bool:
        """Whether it was put to the test at all."""
        return self.n > 0

    @property
    def kept(self) -> bool:
        """Whether it was kept as far as it was put to the test; see ``tested``."""
        return not self.tested or self.seen <= self.most

    def as_record(self, model: str) -> Record:
        """Return the figure for a result file."""
        return Record(
            self.metric,
            self.seen,
            set="soak",
            stage=self.promise,
            n=self.n,
            model=model,
        )


def render_rows(rows: Sequence[Row]) -> str:
    """Return the rows as aligned columns under a heading."""
    cells = [_COLUMNS, *map(_cells, rows)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _cells(row: Row) -> tuple[str, ...]:
    if not row.tested:
        return row.promise, "–", _limit(row), "0", "not tested"
    verdict = "ok" if row.kept else "MISSED"
    if row.most == float("inf"):
        verdict = ""
    return (
        row.promise,
        f"{row.seen:g} {_unit(row)}".strip(),
        _limit(row),
        str(row.n),
        verdict,
    )


def _limit(row: Row) -> str:
    return "" if row.most == float("inf") else f"<= {row.most:g} {_unit(row)}".strip()


def _unit(row: Row) -> str:
    if row.metric.endswith("_ms"):
        return "ms"
    return "bytes" if row.metric == "bytes" else ""
