"""What got worse from one result to another of the same machine and command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.records import Key, Record, Result
from edge_affect.errors import DataError

SAME = ("cpu", "cores", "system", "board", "power_mode", "governor", "gpu_driver")
"""What must be the same of two machines for their times to be held together."""
MEMORY = 0.02
"""Share by which the memory of one machine may differ: a kernel keeps some of it."""
SLOWER, SLOWER_MS = 1.1, 0.5
"""A 95th percentile that grows by this factor and by so many ms is worse."""
MORE_MISSES = 0.001
"""Share of estimates that may come late besides: one in a thousand is chance."""
GOOD = (
    *("accuracy", "macro_f1", "balanced_accuracy", "uar", "ccc", "recall"),
    *("correlation", "same_class"),
)
"""Figures that should be high; most have intervals."""
BAD = ("mae", "point_error", "false_faces", "ece", "nll", "brier", "cross_entropy")
"""Figures that should be low."""
LOWER, HIGHER = 0.005, 1.02
"""A figure without an interval may fall by so much; a bad one may grow by this factor
and so much."""


@dataclass(frozen=True, slots=True)
class Regression:
    """A figure that got worse."""

    old: Record
    new: Record | None
    """None where it is not told any more."""

    def __str__(self) -> str:
        """Return it as a line."""
        record = self.new or self.old
        names = (record.set, record.split, record.head, record.stage)
        where = " ".join(name for name in names if name)
        told = f"{where} {record.target or ''} {record.metric}"
        now = f"{self.new.value:.4g}" if self.new else "not told any more"
        return f"{' '.join(told.split())}: {self.old.value:.4g} -> {now}"


def find_regressions(old: Result, new: Result) -> tuple[list[Regression], int]:
    """Return what is worse in ``new``, and how many figures were held together.

    Raises:
        DataError: They are of two machines or two commands, or share no figure.
    """
    _refuse_others(old, new)
    after = {_key(record): record for record in new.records}
    pairs = [
        Regression(record, after.get(_key(record)))
        for record in old.records
        if _is_judged(record)
    ]
    if all(pair.new is None for pair in pairs):
        raise DataError("regressions: the results share no figure that is judged")
    return [pair for pair in pairs if _is_worse(pair.old, pair.new)], len(pairs)


def _refuse_others(old: Result, new: Result) -> None:
    for name in SAME:
        mine, other = (result.machine.get(name) for result in (new, old))
        if mine != other:
            raise DataError(
                f"regressions: got results of two machines ({name}: {other} and "
                f"{mine}), expected one"
            )
    told = (result.machine.get("memory_bytes") for result in (old, new))
    sizes = [size for size in told if size is not None]
    if len(sizes) == 2 and min(sizes) < (1 - MEMORY) * max(sizes):
        raise DataError(
            f"regressions: got results of two machines (memory_bytes: {sizes[0]} and "
            f"{sizes[1]}), expected one"
        )
    commands = [str(result.run.get("command")) for result in (old, new)]
    if commands[0] != commands[1]:
        raise DataError(
            f"regressions: got the commands {commands[0]!r} and {commands[1]!r}, "
            "expected one"
        )


def _key(record: Record) -> Key:
    return (*record.key, record.model, record.target, record.against)


def _is_judged(record: Record) -> bool:
    """Tell whether it can get worse; a peer's figures are none of ours."""
    ours = record.model is None or record.model.startswith("ours")
    known = record.metric in ("p95_ms", "misses", *GOOD, *BAD)
    return known and ours and record.against is None


def _is_worse(old: Record, new: Record | None) -> bool:
    if new is None:
        return True
    if new.metric == "p95_ms":
        return new.value > max(old.value * SLOWER, old.value + SLOWER_MS)
    if new.metric == "misses":
        return new.value > old.value + MORE_MISSES
    if new.metric in BAD:
        least = new.value / HIGHER - LOWER if new.low is None else new.low
        return least > old.value
    most = new.value + LOWER if new.high is None else new.high
    return most < old.value


def told(found: list[Regression], held: int) -> Iterator[str]:
    """Yield what to print: a line for each, and a sum."""
    yield from (f"worse: {one}" for one in found)
    yield f"{held} figures held together, {len(found)} worse"
