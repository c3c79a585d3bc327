"""The same clip through ours and through what a user would build, in turns.

One thread each, and each of a peer's networks by whatever runs it faster here. Ours is
the whole stream, record of health and all, without sound, which the others do not hear
either; theirs are the networks and what lies between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.clip_runs import (
    Pictures,
    load_ours,
    pictures_of,
    run_following,
    run_ours,
    run_peer,
)
from benchmarks.footprint import DEPENDENCIES, installed_bytes, own_bytes
from benchmarks.fresh import run_fresh
from benchmarks.peers.chains import (
    KINDS,
    Choice,
    Kind,
    choose_engines,
    left_out,
    packages_of,
)
from benchmarks.photos import measure_photos
from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.split import Split
from benchmarks.subject import open_subject
from benchmarks.votes import measure_ferplus
from edge_affect.clock import NS_PER_MS
from edge_affect.config import StreamConfig
from edge_affect.errors import DataError
from training.metrics import bootstrap

ROUNDS = 5
"""Times that the clip goes through each, in an order that turns round every time."""
OURS = "ours-s"
SELDOM = ", detecting as often as ours"
"""Ends the name of a peer whose detector runs as seldom as ours."""
SETS = (
    ("ferplus", "valid.csv", measure_ferplus),
    ("photos", "train.csv", measure_photos),
)
"""Sets whose faces all of them read, where they are there."""
_ACCURACY = ("accuracy", "balanced_accuracy", "macro_f1")
_RESIDENT = """
import sys
from benchmarks.clip_runs import resident_bytes
print(resident_bytes(*sys.argv[1:]))
"""

Run = Callable[[Pictures], list[int]]
"""Takes a clip; returns what each frame took, ns."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    clip: Path
    """A video that begins with a face."""
    data: Path
    """Data root with the peers' models."""
    target: str = "cpu-int8"
    """Which of the shipped bundle's graphs run."""
    rounds: int = ROUNDS
    limit: int | None = None
    """Pictures of each set at most; None for all."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What came out."""

    records: list[Record]
    engines: dict[str, tuple[str, str]]
    """Peer → what runs its detector and its recogniser."""
    left_out: dict[str, str]
    """Peer that is not measured → why."""


def measure_beside(plan: Plan, progress: Progress) -> Beside:
    """Return time, memory, install size and accuracy of ours and of each peer.

    Raises:
        DataError: The clip cannot be read or begins without a face; no peer is there.
    """
    pictures = pictures_of(plan.clip)
    missing = dict(left_out(plan.data))
    kinds = [kind for kind in KINDS if kind.name not in missing]
    if not kinds:
        raise DataError(f"{plan.data}: got no peer; " + "; ".join(missing.values()))
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        chosen = {kind: choose_engines(kind, plan.data, pictures[0]) for kind in kinds}
        records = [
            *_times(plan, pictures, chosen, progress),
            *_tried(plan, chosen),
            *_sizes(plan, chosen, progress),
        ]
    finally:
        cv2.setNumThreads(threads)
    records += _accuracy(plan, progress)
    engines = {kind.name: choice.engines for kind, choice in chosen.items()}
    return Beside(records, engines, missing)


def _times(
    plan: Plan, pictures: Pictures, chosen: dict[Kind, Choice], progress: Progress
) -> Iterator[Record]:
    pace = StreamConfig(purpose="research").detect_every
    with closing(load_ours(plan.target)) as model:
        chains: dict[str, Run] = {OURS: partial(run_ours, model)}
        for kind, choice in chosen.items():
            peer = kind.open(plan.data, choice.engines)
            if kind.follows:
                chains[kind.name] = partial(run_following, peer)
                continue
            chains[kind.name] = partial(run_peer, peer, every=1)
            chains[f"{kind.name}{SELDOM}"] = partial(run_peer, peer, every=pace)
        taken = run_in_turns(chains, pictures, plan.rounds, progress)
    for name in chains:
        yield from _of_chain(name, taken, plan)


def run_in_turns(
    chains: dict[str, Run], pictures: Pictures, rounds: int, progress: Progress
) -> dict[str, NDArray[np.float64]]:
    """Return ``(rounds, frames)`` ms of each chain; the first round is thrown away."""
    names = list(chains)
    taken: dict[str, list[list[int]]] = {name: [] for name in names}
    for turn in progress.track(range(rounds + 1), rounds + 1, "rounds"):
        for name in names if turn % 2 else reversed(names):
            taken[name].append(chains[name](pictures))
    return {n: np.array(rows[1:], np.float64) / NS_PER_MS for n, rows in taken.items()}


def _of_chain(
    name: str, taken: dict[str, NDArray[np.float64]], plan: Plan
) -> Iterator[Record]:
    times_ms = taken[name]
    of = plan.target if name == OURS else None
    figures = {
        "p50_ms": float(np.median(times_ms)),
        "p95_ms": float(np.percentile(times_ms, 95)),
        "p99_ms": float(np.percentile(times_ms, 99)),
        "mean_ms": float(times_ms.mean()),
    }
    about = partial(Record, set="clip", split=plan.clip.name, model=name, target=of)
    for metric, value in figures.items():
        yield about(metric, value, n=times_ms.size)
    if name != OURS:
        means = {n: taken[n].mean(axis=1) for n in (name, OURS)}
        ratio = bootstrap(
            lambda pick: float(means[name][pick].mean() / means[OURS][pick].mean()),
            len(times_ms),
        )
        low, high = ratio.low, ratio.high
        told = about("ratio", ratio.value, n=len(times_ms), low=low, high=high)
        yield replace(told, against=OURS)


def _tried(plan: Plan, chosen: dict[Kind, Choice]) -> Iterator[Record]:
    """Yield what each part took by each engine."""
    for kind, choice in chosen.items():
        for (part, engine), taken_ms in choice.tried_ms.items():
            yield Record(
                "p50_ms",
                taken_ms,
                set="clip",
                split=plan.clip.name,
                stage=f"{part} by {engine}",
                model=kind.name,
            )


def _sizes(
    plan: Plan, chosen: dict[Kind, Choice], progress: Progress
) -> Iterator[Record]:
    """Yield resident memory, and the size of what is installed."""
    where = str(plan.clip), str(plan.data)
    ours = own_bytes() + sum(map(installed_bytes, DEPENDENCIES))
    for _ in progress.track(range(1), 1, "memory of ours"):
        resident = int(run_fresh(_RESIDENT, *where, OURS, plan.target))
    about = partial(Record, model=OURS, target=plan.target)
    yield about("bytes", resident, stage="resident memory")
    yield about("bytes", ours, stage="installed, with what it needs")
    for kind, choice in progress.track(chosen.items(), len(chosen), "memory of peers"):
        resident = int(run_fresh(_RESIDENT, *where, kind.name, *choice.engines))
        files = sum((plan.data / file).stat().st_size for file in kind.needed)
        packages = sum(map(installed_bytes, packages_of(choice.engines)))
        about = partial(Record, model=kind.name)
        yield about("bytes", resident, stage="resident memory")
        yield about("bytes", files + packages, stage="installed, with what it needs")


def _accuracy(plan: Plan, progress: Progress) -> Iterator[Record]:
    """Yield how often ours and the peers are right, on the same pictures."""
    subject = open_subject(None, plan.target)
    for name, table, measure in SETS:
        if (plan.data / name / table).is_file():
            split = Split(subject, name, "valid", "face", plan.limit)
            for record in measure(split, plan.data, progress):
                if record.head == "expression" and record.metric in _ACCURACY:
                    yield record
