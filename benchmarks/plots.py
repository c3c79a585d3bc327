"""The pictures of docs/benchmarks.md, from result files and from nothing else."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.page import DOCS, PAGE, Results, filled, find, read_results
from edge_affect.errors import DataError, missing_dependency

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PERCENTILES = {
    "p50_ms": "o",
    "p90_ms": "v",
    "p99_ms": "s",
    "p999_ms": "D",
    "max_ms": "|",
}
"""Metrics that a stage may have, and their marks."""
STAGES = ("locate", "align", "face", "voice", "affect", "step", "arrival to estimate")
"""From the top to the bottom of the picture."""
# Readable on white and on black: the docs are shown on either.
_COLOURS = {"cpu-int8": "#d9772b", "cpu-fp32": "#3b82c4", None: "#909090"}
_INK = "#808080"
_SALT = "edge_affect"
_TICKS_MS = (0.1, 0.2, 0.5, 1, 2, 5, 10)

_ACCURACIES: dict[tuple[str | None, ...], str] = {
    ("ferplus", "valid", "accuracy", "face"): "FER+, accuracy",
    ("ferplus", "valid", "macro_f1", "face"): "FER+, macro F1",
    ("photos", "valid", "balanced_accuracy", "locator+face"): (
        "photographs, balanced accuracy"
    ),
}
"""Set, split, metric and stage → what the picture calls it."""

Values = Mapping[str, Any]
"""What a picture shows, as it is kept in its file."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture of the page."""

    name: str
    """Its file in docs."""
    read: Callable[[Results], Values]
    """Takes what it shows out of the results."""
    draw: Callable[[Axes, Values], None]
    size: tuple[float, float]
    """Width and height, inches."""

    def as_svg(self, results: Results) -> str:
        """Return the picture; the same results give the same text.

        Raises:
            MissingDependencyError: matplotlib is not installed.
        """
        values = self.read(results)
        with _figure(self.size) as figure:
            self.draw(figure.subplots(), values)
            text = io.StringIO()
            # What is shown stays readable whatever version draws it; no date in it.
            told = {"Date": None, "Description": json.dumps(values)}
            figure.savefig(text, format="svg", transparent=True, metadata=told)
        lines = (line.rstrip() for line in text.getvalue().splitlines())
        return "\n".join(lines) + "\n"


def write_page(docs: Path = DOCS, page: Path = PAGE) -> list[Path]:
    """Write the pictures and the tables of the page; return the files.

    Raises:
        DataError: A result is missing, or a file cannot be written.
    """
    results = read_results()
    written = {docs / plot.name: plot.as_svg(results) for plot in PLOTS}
    try:
        written[page] = filled(page.read_text(encoding="utf-8"), results)
        for path, text in written.items():
            partial = path.with_name(f".{path.name}.partial")
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}") from error
    return list(written)


@contextmanager
def _figure(size: tuple[float, float]) -> Iterator[Figure]:
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_dependency("matplotlib", "quantize", "a plot") from error
    inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color")
    settings: dict[Any, Any] = dict.fromkeys((*inked, "ytick.color"), _INK)
    settings |= {"svg.hashsalt": _SALT, "svg.fonttype": "none", "font.size": 9}
    with mpl.rc_context(settings):
        yield Figure(figsize=size, layout="constrained")


def _read_latency(results: Results) -> Values:
    result = results["latency"]
    shown: dict[str, dict[str, dict[str, float]]] = {}
    for target in ("cpu-fp32", "cpu-int8"):
        for stage in STAGES:
            about = {"stage": f"{stage}, at 30 Hz", "split": "1 thread"}
            found = {
                metric: record.value
                for metric in PERCENTILES
                if (record := find(result, metric, target=target, **about))
            }
            shown.setdefault(target, {})[stage] = found
    return shown


def _draw_latency(axes: Axes, values: Values) -> None:
    for place, (target, stages) in enumerate(values.items()):
        for row, found in enumerate(stages.values()):
            height = row + 0.3 * (place - 0.5)
            ends = min(found.values()), max(found.values())
            axes.hlines(height, *ends, color=_COLOURS[target], linewidth=1)
            for metric, value in found.items():
                mark = PERCENTILES[metric]
                axes.plot(value, height, mark, color=_COLOURS[target], markersize=5)
        axes.plot([], [], color=_COLOURS[target], label=target)
    told = {m for stages in values.values() for s in stages.values() for m in s}
    for metric, mark in PERCENTILES.items():
        if metric in told:
            label = metric.removesuffix("_ms").replace("p999", "p99.9")
            axes.plot([], [], mark, color=_INK, markersize=5, label=label)
    axes.set_yticks(range(len(STAGES)), STAGES)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xticks(_TICKS_MS, [f"{tick:g}" for tick in _TICKS_MS])
    axes.set_xlabel("ms, at 30 frames per second, 1 thread")
    axes.legend(framealpha=0, loc="center left", bbox_to_anchor=(1, 0.5))


def _read_misses(results: Results) -> Values:
    result = results["scale"]
    shown = {
        record.split.split()[0]: record.value
        for record in result.records
        if record.metric == "misses" and record.split and "stream" in record.split
    }
    return {"target": result.run["target"], "misses": shown}


def _draw_misses(axes: Axes, values: Values) -> None:
    counts = [int(count) for count in values["misses"]]
    shares = [100 * share for share in values["misses"].values()]
    colour = _COLOURS[values["target"]]
    axes.plot(counts, shares, "o-", color=colour, label=values["target"])
    axes.axhline(1, color=_INK, linestyle="--", label="1 %")
    axes.set_xticks(counts)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("streams of 640×480 at 30 frames per second in one process")
    axes.set_ylabel("later than 33.3 ms, %")
    axes.legend(framealpha=0)


def _read_accuracy(results: Results) -> Values:
    """Return value, low and high by set and model; peers are in both results."""
    shown: dict[str, dict[str, list[float]]] = {}
    for name in ("accuracy float", "accuracy int8"):
        for record in results[name].records:
            where = record.set, record.split, record.metric, record.stage
            label = _ACCURACIES.get(where)
            if label and record.head == "expression" and record.against is None:
                of = f"{record.model} {record.target or ''}".strip()
                ends = [record.value, record.low or 0.0, record.high or 0.0]
                shown.setdefault(label, {})[of] = ends
    return shown


def _draw_accuracy(axes: Axes, values: Values) -> None:
    names = list(dict.fromkeys(name for of in values.values() for name in of))
    names.sort(key=lambda name: not name.startswith("ours"))
    greys = 0
    for place, name in enumerate(names):
        target = name.split()[-1]
        colour = _COLOURS.get(target, _COLOURS[None])
        greys += target not in _COLOURS
        rows = [row for row, of in enumerate(values.values()) if name in of]
        told = [of[name] for of in values.values() if name in of]
        axes.barh(
            [row + 0.8 * (place + 0.5) / len(names) - 0.4 for row in rows],
            [value for value, _, _ in told],
            0.72 / len(names),
            xerr=[
                [value - low for value, low, _ in told],
                [high - value for value, _, high in told],
            ],
            color=colour,
            alpha=1 / max(1, greys),
            ecolor=_INK,
            label=name,
        )
    axes.set_yticks(range(len(values)), list(values))
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.legend(framealpha=0, loc="center left", bbox_to_anchor=(1, 0.5))


PLOTS = (
    Plot("latency.svg", _read_latency, _draw_latency, (8, 3)),
    Plot("misses.svg", _read_misses, _draw_misses, (5, 2.4)),
    Plot("accuracy.svg", _read_accuracy, _draw_accuracy, (8, 2.6)),
)
"""All pictures of the page."""
