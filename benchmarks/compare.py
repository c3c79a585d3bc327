"""Measure two bundles, or two targets of one, on the same examples: what changes."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.accuracy import Examples, measure_accuracy
from benchmarks.progress import Progress
from benchmarks.records import Key, Record
from benchmarks.split import Floats
from benchmarks.subject import Subject
from training.metrics import interval_of


def measure_differences(
    new: Subject, old: Subject, examples: Examples, progress: Progress
) -> list[Record]:
    """Return the figures of both, then ``new`` − ``old`` for each that both have.

    A difference's interval is over resamplings of the examples that both were asked
    about, paired; a figure with too few independent units has none.

    Args:
        new: What is looked at.
        old: What it is compared with.
        examples: What both are asked about.
        progress: Shows how far it has come.

    Raises:
        DataError: As ``measure_accuracy``.
    """
    drawn: dict[Key, Floats] = {}
    drawn_old: dict[Key, Floats] = {}
    records = measure_accuracy(new, examples, progress, drawn)
    reference = measure_accuracy(old, examples, progress, drawn_old)
    by_key = {record.key: record for record in reference}
    differences = [
        _difference(record, by_key[record.key], drawn, drawn_old)
        for record in records
        if record.key in by_key
    ]
    return [*records, *reference, *differences]


def _difference(
    record: Record,
    reference: Record,
    drawn: dict[Key, Floats],
    drawn_old: dict[Key, Floats],
) -> Record:
    value = record.value - reference.value
    against = f"{reference.model} {reference.target}"
    plain = replace(record, value=value, low=None, high=None, against=against)
    if record.key not in drawn or record.key not in drawn_old:
        return plain
    interval = interval_of(value, drawn[record.key] - drawn_old[record.key])
    return replace(plain, low=interval.low, high=interval.high)
