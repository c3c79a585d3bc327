"""The tables of docs/benchmarks.md, from result files and from nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.footprint import DEPENDENCIES
from benchmarks.latency import COLD, COLD_STAGES
from benchmarks.records import Record, Result, load_result
from edge_affect.errors import DataError
from edge_affect.labels import TARGETS

RESULTS = Path(__file__).parent / "results"
"""What is committed."""
DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "benchmarks.md"
FILES = {
    "latency": "latency.json",
    "limit": "limit.json",
    "peers": "peers-pexels.json",
    "scale": "scale.json",
    "footprint": "footprint.json",
    "accuracy float": "accuracy.json",
    "accuracy int8": "accuracy-int8.json",
}
"""What each result is called here → its file."""
NONE = "–"
_PLACE = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_ONE, _TWO = "1 thread", "2 threads"
_ARRIVAL = "arrival to estimate, {}"
_ENDS = ("p50_ms", "p99_ms", "max_ms")
_MB = 1e-6

Results = Mapping[str, Result]
Cells = Callable[[str], str]
"""Gives the cell of a target."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table of speeds."""

    what: str
    cells: tuple[str, str]
    """Of ``cpu-int8`` and ``cpu-fp32``; the first of both where it is of neither."""
    source: str
    """Name of the result."""


def read_results(folder: Path = RESULTS) -> dict[str, Result]:
    """Return the results that the page is made of.

    Raises:
        DataError: One is missing or no result file.
    """
    return {name: load_result(folder / file) for name, file in FILES.items()}


def filled(page: str, results: Results) -> str:
    """Return a page with its tables between ``<!-- NAME -->`` and ``<!-- end -->``.

    Raises:
        DataError: A place has a name that is not known.
    """
    tables = {"speed": speed_table, "machine": machine_line}

    def fill(place: re.Match[str]) -> str:
        if place[2] not in tables:
            raise DataError(
                f"page: got the place {place[2]!r}, expected one of {', '.join(tables)}"
            )
        return f"{place[1]}{tables[place[2]](results)}\n{place[3]}"

    return _PLACE.sub(fill, page)


def machine_line(results: Results) -> str:
    """Return on what, when and how undisturbed the speeds were measured.

    Raises:
        DataError: They are of several machines.
    """
    timed = [results[name] for name in ("latency", "peers", "scale", "footprint")]
    machines = {
        (r.machine["cpu"], r.machine["cores"], r.machine["versions"]["onnxruntime"])
        for r in timed
    }
    if len(machines) != 1:
        raise DataError(f"page: got speeds of {len(machines)} machines, expected one")
    [(cpu, cores, version)] = machines
    days = sorted(str(r.run["utc"])[:10] for r in timed)
    day = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    stolen = max(float(r.run["share_of_time_stolen"]) for r in timed)
    bundle = results["latency"].run["bundle"]
    return (
        f"`{bundle['name']}` {bundle['version']} on {cores} cores of {cpu}, ONNX "
        f"Runtime {version}, one thread where nothing else is said, {day}; at most "
        f"{100 * stolen:.2g} % of the time was stolen."
    )


def speed_table(results: Results) -> str:
    """Return the table of speeds and sizes."""
    lines = ["| what | `cpu-int8` | `cpu-fp32` | file |", "| --- | --- | --- | --- |"]
    last = ""
    for row in _rows(results):
        file = FILES[row.source]
        link = f"[{file}](../benchmarks/results/{file})"
        told = "the same" if file == last else link
        lines.append(f"| {row.what} | {row.cells[0]} | {row.cells[1]} | {told} |")
        last = file
    return "\n".join(lines)


def find(result: Result, metric: str, **about: str | None) -> Record | None:
    """Return the one record with these fields; None where there is none.

    Raises:
        DataError: There are several.
    """
    found = [
        record
        for record in result.records
        if record.metric == metric
        and all(getattr(record, key) == value for key, value in about.items())
    ]
    if len(found) > 1:
        raise DataError(f"page: got {len(found)} records of {metric} {about}")
    return found[0] if found else None


def _rows(results: Results) -> Iterator[Row]:
    yield from _latency_rows(results["latency"])
    yield from _limit_rows(results["limit"])
    yield from _peer_rows(results["peers"])
    yield from _scale_rows(results["scale"])
    yield from _footprint_rows(results["footprint"])


def _latency_rows(result: Result) -> Iterator[Row]:
    def of_ends(stage: str, threads: str) -> Cells:
        return partial(_joined, result, _ENDS, stage, threads)

    def row(what: str, cells: Cells) -> Row:
        return Row(what, (cells("cpu-int8"), cells("cpu-fp32")), "latency")

    paced = _ARRIVAL.format("at 30 Hz")
    counts = sorted(
        {
            record.n or 0
            for record in result.records
            if (record.stage, record.split) == (paced, _ONE)
        }
    )
    told = " and ".join(f"{count:,}" for count in counts)
    yield row(
        f"frame's arrival to estimate: p50, p99, longest of {told}",
        of_ends(paced, _ONE),
    )
    yield row("the same, two threads", of_ends(paced, _TWO))
    busy = _ARRIVAL.format("beside a busy core")
    yield row("beside a busy core", of_ends(busy, _ONE))
    rested = _ARRIVAL.format("after 10 s")
    cold = f"{COLD_STAGES[-1]}, {COLD}"
    for stage, words in (
        (rested, "first frame after the camera rested for 10 s"),
        (cold, "load to the first estimate in a fresh process"),
    ):
        found = [r for r in result.records if (r.stage, r.split) == (stage, _ONE)]
        if found:
            cells = partial(_joined, result, ("p50_ms",), stage, _ONE)
            yield row(f"{words}: median of {found[0].n}", cells)
    stages = ("locate", "align", "face", "affect", "step")

    def of_stages(target: str) -> str:
        values = [
            _value(result, "p50_ms", f"{stage}, back to back", _ONE, target)
            for stage in stages
        ]
        if None in values:
            return NONE
        *parts, whole = (f"{value:.2f}" for value in values)
        return f"{', '.join(parts)}; {whole} ms"

    yield row(
        "a cell back to back: locate, align, face, affect; all of it: p50", of_stages
    )


def _limit_rows(result: Result) -> Iterator[Row]:
    for graph in ("face", "locator"):
        cells = [
            _number(find(result, "ratio", stage=graph, target=target), "{:.1f}")
            for target in ("cpu-int8", "cpu-fp32")
        ]
        what = f"{graph} network over the best time that this machine's products allow"
        yield Row(what, (cells[0], cells[1]), "limit")


def _peer_rows(result: Result) -> Iterator[Row]:
    ours = [r for r in result.records if r.metric == "mean_ms" and r.target in TARGETS]
    clip = ours[0].split
    cells = {r.target: f"{r.value:.1f} ms" for r in ours}
    both = cells.get("cpu-int8", NONE), cells.get("cpu-fp32", NONE)
    yield Row(f"one frame of `{clip}`: ours, mean", both, "peers")
    target = ours[0].target
    for record in result.records:
        if record.metric == "ratio" and record.against:
            times = (
                f"{record.value:.1f} ({record.low:.1f}–{record.high:.1f}) times as long"
            )
            cell = (times, NONE) if target == "cpu-int8" else (NONE, times)
            yield Row(f"{record.model}", cell, "peers")
    for stage in ("resident memory", "installed, with what it needs"):
        sizes = [r for r in result.records if r.stage == stage]
        names = "; ".join(str(record.model) for record in sizes)
        values = "; ".join(f"{_MB * record.value:.0f}" for record in sizes)
        if sizes:
            yield Row(f"{stage}, MB: {names}", (values, ""), "peers")


def _scale_rows(result: Result) -> Iterator[Row]:
    target = result.run["target"]
    splits = list(dict.fromkeys(record.split or "" for record in result.records))

    def cell(
        metric: str, chosen: list[str], form: str, unit: str, by: float = 1
    ) -> str:
        found = [find(result, metric, split=split) for split in chosen]
        return ", ".join(_number(record, form, by) for record in found) + unit

    streams = [split for split in splits if "stream" in split]
    counts = ", ".join(split.split()[0] for split in streams)
    told = "; ".join(
        (
            cell("p50_ms", streams, "{:.1f}", " ms"),
            cell("misses", streams, "{:.1f}", " %", by=100),
            cell("cpu_share", streams, "{:.2f}", ""),
        )
    )
    what = f"{counts} streams in one process: p50; misses of 33.3 ms; cores used"
    yield Row(what, _of(target, told), "scale")
    sizes = [split for split in splits if "x" in split]
    told = cell("p50_ms", sizes, "{:.1f}", " ms")
    named = ", ".join(size.replace("x", "×") for size in sizes)
    yield Row(f"frames of {named}: p50", _of(target, told), "scale")


def _footprint_rows(result: Result) -> Iterator[Row]:
    def told(metric: str, stage: str, form: str, by: float = 1) -> str:
        return _number(find(result, metric, stage=stage), form, by)

    stage = "stream at 30 Hz"
    running = find(result, "cpu_share", stage=stage)
    target = running.target if running else None
    first = told("p50_ms", "process start to first estimate", "{:.2f} s", 1e-3)
    start = f"{told('p50_ms', 'import edge_affect', '{:.1f} ms')}; {first}"
    what = "`import edge_affect`; process start to first estimate"
    yield Row(what, _of(target, start), "footprint")
    share = told("cpu_share", stage, "{:.0f} %", 100)
    memory = told("bytes", f"{stage}, resident memory", "{:.0f} MB", _MB)
    what = "share of one core; resident memory at 30 Hz"
    yield Row(what, _of(target, f"{share}; {memory}"), "footprint")
    own = told("bytes", "installed edge_affect", "{:.1f} MB", _MB)
    stages = [f"installed {name}" for name in DEPENDENCIES]
    needed = sum(r.value for r in result.records if r.stage in stages)
    sizes = f"{told('bytes', 'wheel', '{:.1f} MB', _MB)}; {own}; {_MB * needed:.0f} MB"
    what = "wheel; installed; numpy, ONNX Runtime and OpenCV beside it"
    yield Row(what, (sizes, ""), "footprint")


def _of(target: str | None, told: str) -> tuple[str, str]:
    """Return the cells of what ran on one target; the first where none is known."""
    if target is None:
        return told, ""
    return (told, NONE) if target == "cpu-int8" else (NONE, told)


def _number(record: Record | None, form: str, by: float = 1) -> str:
    return NONE if record is None else form.format(by * record.value)


def _value(
    result: Result, metric: str, stage: str, split: str, target: str
) -> float | None:
    record = find(result, metric, stage=stage, split=split, target=target)
    return None if record is None else record.value


def _joined(
    result: Result, metrics: tuple[str, ...], stage: str, split: str, target: str
) -> str:
    values = [_value(result, metric, stage, split, target) for metric in metrics]
    told = [f"{value:.1f}" for value in values if value is not None]
    return f"{', '.join(told)} ms" if len(told) == len(metrics) else NONE
