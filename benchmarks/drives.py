"""Figures of the whole stream on the simulated driver: what fusion over time adds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.split import Ints, Split
from edge_affect.affect_model import AffectModel
from edge_affect.clock import NS_PER_MS
from edge_affect.realtime.analysis import analyze
from edge_affect.runners.choices import Choice
from edge_affect.sources.simulated import SimulatedSource
from edge_affect.types import Estimate
from training.metrics import ccc

FIRST_SEED = 300_000
"""Seeds of the test part: no person, car or script that trained or selected."""
DRIVES = 12
DRIVE_S = 15.0
SETTLED_CELLS = 10
"""Cells at a drive's start that are not judged: the memory is still empty."""
_AXES = ("valence", "arousal")

Floats = NDArray[np.float64]
Cell = tuple[Estimate, dict[str, float]]
"""An estimate, and the truth for each of its fields that is judged."""


def measure_drives(split: Split, data: Path, progress: Progress) -> list[Record]:
    """Measure valence and arousal against the driver's own, by drive.

    Frames and sound go through locator, tracker and all three graphs, as in a stream.
    A figure on drawn faces says nothing about people.
    """
    del data  # the driver is drawn, not read
    subject = split.subject
    heads = [axis for axis in _AXES if axis in subject.manifest.heads]
    if not heads:
        return []
    choice = Choice(subject.target, "the one under measurement")
    model = AffectModel(
        subject.bundle, "research", subject.graphs, choice, subject.new_locator
    )
    cells: list[Cell] = []
    units: list[str] = []
    chosen = split.choose(DRIVES)
    for number in progress.track(chosen, len(chosen), split.label):
        cells += _drive(model, FIRST_SEED + number)
        units += [f"{number:02}"] * (len(cells) - len(units))
    outputs = subject.graphs.runner.signatures["affect"].outputs
    records = []
    for axis in heads:
        records += _agreement(split, axis, axis, cells, units)
        if f"{axis}_ahead" in outputs:
            ahead = split.at(f"{split.stage}+ahead")
            records += _agreement(ahead, axis, f"{axis}_ahead", cells, units)
        if f"{axis}_std" in outputs:
            records += _spread(split.at(f"{split.stage}+std"), axis, cells, units)
    told = ~np.isnan(_said(cells, heads[0]))
    return records + _share(split, heads[0], told, units)


def _drive(model: AffectModel, seed: int) -> Iterator[Cell]:
    source = SimulatedSource(seed=seed, duration_s=DRIVE_S)
    ahead_ns = model.bundle.manifest.timing.ahead_ms * NS_PER_MS
    for estimate in analyze(source, purpose="research", model=model):
        if estimate.index < SETTLED_CELLS:
            continue
        now = source.truth_at(estimate.t_ns)
        later = source.truth_at(estimate.t_ns + ahead_ns)
        truth = {"valence": now.valence, "arousal": now.arousal}
        truth |= {"valence_ahead": later.valence, "arousal_ahead": later.arousal}
        yield estimate, truth


def _said(cells: list[Cell], name: str) -> Floats:
    """Return the estimates' field ``name``, NaN where there is no value."""
    return np.array([getattr(estimate, name) for estimate, _ in cells], np.float64)


def _agreement(
    split: Split, head: str, name: str, cells: list[Cell], units: list[str]
) -> list[Record]:
    """Measure the field ``name``; a cell without a value counts as neutral.

    So a stream gains nothing by silence.
    """
    true = np.array([truth[name] for _, truth in cells], np.float64)
    said = np.nan_to_num(_said(cells, name), nan=0.0)

    def figure(pick: Ints) -> float:
        return ccc(true[pick], said[pick])

    return split.over_units(head, "ccc", figure, units)


def _spread(
    split: Split, head: str, cells: list[Cell], units: list[str]
) -> list[Record]:
    """Measure how often the truth is within one spread; never without a value."""
    true = np.array([truth[head] for _, truth in cells], np.float64)
    # A comparison with NaN is false: no value, no hit.
    within = np.abs(true - _said(cells, head)) <= _said(cells, f"{head}_std")
    return _share(split, head, within, units)


def _share(
    split: Split, head: str, hits: NDArray[np.bool_], units: list[str]
) -> list[Record]:
    return split.over_units(head, "ratio", lambda pick: float(hits[pick].mean()), units)
