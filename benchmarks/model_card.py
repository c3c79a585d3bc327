"""Write the model card: prose, with the figures of a result file in their places.

A line ``<!-- figures: HEAD … -->`` of the prose becomes a table of those heads, and
``<!-- bundle -->`` what was measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.records import Key, Record, Result, load_result
from edge_affect.errors import DataError

PROSE = Path(__file__).with_name("model_card.md")
"""The prose, with places for figures."""
OURS = "ours"
_PLACE = re.compile(r"^<!-- (figures|bundle):? ?([\w ]*)-->$", re.MULTILINE)
_HEADING = "| on | figure | ours | beside it |\n| --- | --- | --- | --- |"


def write_card(path: Path, out: Path) -> None:
    """Write the page of a result file, whole or not at all.

    Raises:
        DataError: The result cannot be read, or the page not written.
    """
    page = card_of(PROSE.read_text(encoding="utf-8"), load_result(path), path.name)
    partial = out.with_name(f".{out.name}.partial")
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(out)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DataError(f"{out}: cannot be written ({error.strerror})") from error


def card_of(prose: str, result: Result, source: str) -> str:
    """Return the page.

    Args:
        prose: Markdown with places.
        result: What ``python -m benchmarks accuracy`` wrote.
        source: Name of its file, for the reader.

    Raises:
        DataError: The result names no bundle.
    """
    bundle = result.run.get("bundle")
    if not isinstance(bundle, dict) or "digest" not in bundle:
        raise DataError("result: got no run.bundle; expected one of: accuracy")

    def filled(place: re.Match[str]) -> str:
        if place[1] == "bundle":
            return (
                f"`{bundle['name']}` {bundle['version']}, digest `{bundle['digest']}`, "
                f"target `{result.run['target']}`; figures from "
                f"[{source}](../benchmarks/results/{source})."
            )
        return figures_table(result.records, place[2].split())

    return _PLACE.sub(filled, prose)


def figures_table(records: Sequence[Record], heads: Iterable[str]) -> str:
    """Return the figures of some heads as a table, each with what stands beside it."""
    wanted = set(heads)
    shown = [r for r in records if _head(r) in wanted and "/" not in str(r.split)]
    ours = [r for r in shown if _is_ours(r) and r.against is None]
    lines = [_HEADING]
    lines += [
        f"| {_place(record)} | {_figure(record)} | {_value(record)} | "
        f"{_beside(record.key, shown)} |"
        for record in ours
    ]
    return "\n".join(lines)


def _head(record: Record) -> str:
    return str(record.head).partition("/")[0]


def _is_ours(record: Record) -> bool:
    return str(record.model).startswith(OURS)


def _place(record: Record) -> str:
    stage = "" if record.stage is None else f", {record.stage}"
    return f"{record.set} {record.split}{stage} (n = {record.n})"


def _figure(record: Record) -> str:
    return f"{str(record.head).replace('/', ' ')}: {record.metric.replace('_', ' ')}"


def _value(record: Record) -> str:
    if record.low is None or record.high is None:
        return f"{record.value:.3f}"
    return f"{record.value:.3f} ({record.low:.3f} to {record.high:.3f})"


def _beside(key: Key, records: Sequence[Record]) -> str:
    """Return the peers' figures of the same, and ours less each."""
    told = []
    place, metric = key[:3], key[4]
    for record in records:
        same = record.key[:3] == place and record.metric == metric
        if same and not _is_ours(record) and _is_beside(record, key):
            leads = [
                _value(r) for r in records if r.key == key and r.against == record.model
            ]
            lead = f"; ours less it {leads[0]}" if leads else ""
            told.append(f"{record.model} {record.value:.3f}{lead}")
    return "; ".join(told)


def _is_beside(record: Record, key: Key) -> bool:
    """Tell whether a peer's figure went the way of ours, or is the teacher's own."""
    return record.stage in (key[3], "teacher")
