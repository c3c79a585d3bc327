"""Where a bundle's weights come from, and what was measured of them."""

from __future__ import annotations

from dataclasses import dataclass

from edge_affect.labels import TARGETS
from edge_affect.model.fields import Fields

_LARGEST = 1e9
"""Bound of any figure: beyond it something went wrong."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """One data set that the weights come from."""

    set: str
    """Name of the set."""
    part: str
    """Part that was trained on."""
    licence: str
    """Licence of the set, in words."""
    held_out: str | None
    """What of it was kept for reporting; None where nothing was."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; the keys of a benchmark record."""

    set: str
    split: str
    head: str
    metric: str
    value: float
    n: int
    """Number of examples."""
    target: str
    """Target of the graphs that were measured."""
    stage: str | None = None
    low: float | None = None
    """Lower end of the 95 % interval."""
    high: float | None = None
    """Upper end of the 95 % interval."""


def read_training(root: Fields) -> tuple[TrainingSet, ...]:
    """Read the manifest's ``training``.

    Raises:
        BundleError: The message names the key that is wrong.
    """
    keys = tuple(TrainingSet.__dataclass_fields__)
    return tuple(
        TrainingSet(
            entry.text("set"),
            entry.text("part"),
            entry.text("licence"),
            entry.maybe("held_out", entry.text),
        )
        for entry in root.children("training", keys)
    )


def read_figures(root: Fields) -> tuple[Figure, ...]:
    """Read the manifest's ``figures``.

    Raises:
        BundleError: The message names the key that is wrong.
    """
    required = ("set", "split", "head", "metric", "value", "n", "target")
    entries = root.children("figures", required, ("stage", "low", "high"))
    return tuple(_figure(entry) for entry in entries)


def _figure(entry: Fields) -> Figure:
    def value(key: str) -> float:
        return entry.number(key, -_LARGEST, _LARGEST)

    return Figure(
        set=entry.text("set"),
        split=entry.text("split"),
        head=entry.text("head"),
        metric=entry.text("metric"),
        value=value("value"),
        n=entry.integer("n", 1, int(_LARGEST)),
        target=entry.text("target", TARGETS),
        stage=entry.maybe("stage", entry.text),
        low=entry.maybe("low", value),
        high=entry.maybe("high", value),
    )
