"""Measure the accuracy of a bundle on every data set that a root holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.diffusion import measure_diffusionfer
from benchmarks.drives import measure_drives
from benchmarks.locators import measure_locators
from benchmarks.photos import measure_photos
from benchmarks.progress import Progress
from benchmarks.records import Key, Record
from benchmarks.signals import measure_clip_signals, measure_signals
from benchmarks.speech import measure_noise, measure_speech
from benchmarks.split import Floats, Split
from benchmarks.subject import Subject
from benchmarks.voices import measure_emodb
from benchmarks.votes import measure_ferplus
from edge_affect.errors import DataError

Measure = Callable[[Split, Path, Progress], list[Record]]

SPLITS: tuple[tuple[str, str, str, str, Measure], ...] = (
    ("ferplus", "valid", "valid.csv", "face", measure_ferplus),
    ("ferplus", "test", "test.csv", "face", measure_ferplus),
    ("diffusionfer", "valid", "train.csv", "face", measure_diffusionfer),
    ("diffusionfer", "test", "test.csv", "face", measure_diffusionfer),
    ("photos", "valid", "train.csv", "locator+face", measure_photos),
    ("photos", "test", "test.csv", "locator+face", measure_photos),
    ("photos", "valid", "train.csv", "locator", measure_locators),
    ("photos", "valid", "train.csv", "face", measure_signals),
    ("diffusionfer", "valid", "train.csv", "face", measure_signals),
    ("clips", "test", "", "face", measure_clip_signals),
    ("emodb", "valid", "labels.csv", "voice", measure_emodb),
    ("emodb", "valid", "labels.csv", "voice+speech", measure_speech),
)
"""Set, split, the table that says it is there (or the folder alone), stages and
protocol. Where a set has no split for reporting, ``valid`` is the held-out part of its
train file."""
MADE: tuple[tuple[str, str, Measure], ...] = (
    ("made_noise", "voice+speech", measure_noise),
    ("sim_A", "affect", measure_drives),
)
"""Set, stages and protocol of what is made in code."""


SETS = tuple(dict.fromkeys([entry[0] for entry in SPLITS] + [e[0] for e in MADE]))
"""Names of all sets."""


@dataclass(frozen=True, slots=True)
class Examples:
    """What a subject is asked about."""

    data: Path
    """Data root; ``docs/benchmarks.md`` describes its layout."""
    limit: int | None = None
    """Examples taken of each split at most, evenly spread; None for all."""
    sets: tuple[str, ...] = SETS
    """Names of the sets that are measured, where they are there."""


def measure_accuracy(
    subject: Subject,
    examples: Examples,
    progress: Progress,
    drawn: dict[Key, Floats] | None = None,
) -> list[Record]:
    """Measure on every set and split of the examples, and on what is made in code.

    Args:
        subject: What is measured.
        examples: What it is asked about.
        progress: Shows how far it has come.
        drawn: Receives the bootstrap's draws of each figure that has an interval, to
            compare two subjects; peers are left out then.

    Raises:
        DataError: The root holds none of the sets, or one is damaged.
    """
    data, limit = examples.data, examples.limit
    wanted = [entry for entry in SPLITS if entry[0] in examples.sets]
    found = [entry for entry in wanted if (data / entry[0] / entry[2]).exists()]
    if wanted and not found:
        names = sorted({entry[0] for entry in wanted})
        raise DataError(
            f"{data}: got no data set, expected at least one of the folders "
            f"{', '.join(names)}; docs/benchmarks.md describes the layout"
        )
    records: list[Record] = []
    peers = drawn is None
    drawn = {} if drawn is None else drawn
    for name, part, _, stage, measure in found:
        split = Split(subject, name, part, stage, limit, drawn, peers=peers)
        records += measure(split, data, progress)
    for name, stage, measure in MADE:
        if name not in examples.sets:
            continue
        split = Split(subject, name, "test", stage, limit, drawn, peers=peers)
        records += measure(split, data, progress)
    return records
