"""``edge-affect report``: the page of a record that was written earlier."""

from __future__ import annotations

from pathlib import Path

from edge_affect.errors import DataError
from edge_affect.report.columns import RecordColumns
from edge_affect.report.page import build_report, save_page
from edge_affect.sinks.files import check_apart, check_target
from edge_affect.sinks.jsonl import iterate_record


def write_report(record: Path, page: Path) -> list[str]:
    """Write the page of ``record``; return lines for the user.

    Raises:
        DataError: The record cannot be read or holds no estimate.
        SinkError: The page cannot be written.
    """
    check_target(page)
    check_apart(page, [record])
    header, lines = iterate_record(record)
    columns = RecordColumns(lines)
    if not columns:
        raise DataError(f"{record}: holds no estimate, so there is nothing to show")
    save_page(page, build_report(header, columns))
    return [f"{len(columns)} estimates of {header.source}", f"report: {page}"]
