"""One part of one data set: the examples taken of it, and records of its figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.records import Key, Record
from benchmarks.subject import Subject
from training.metrics import interval_of, resampled

MIN_UNITS = 5
"""With fewer independent units each one is printed, and there is no interval."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Figure = Callable[[Ints], float]
"""Gives the figure of the examples whose ``(n,)`` indices it is given."""


@dataclass(frozen=True, slots=True)
class Split:
    """Where figures come from, and the model that they are of."""

    subject: Subject
    set: str
    part: str
    stage: str
    """Stages that the figures go through."""
    limit: int | None = None
    """Examples taken at most, evenly spread; None for all."""
    drawn: dict[Key, Floats] = field(default_factory=dict)
    """Receives the bootstrap's draws of each figure that has an interval."""
    peer: str | None = None
    """Name of the peer that figures are of; None where they are of the subject."""
    peers: bool = True
    """Whether peers are measured beside the subject."""

    @property
    def label(self) -> str:
        """Name for people."""
        return f"{self.set} {self.part}"

    def at(self, stage: str) -> Split:
        """Return the same for figures that go through ``stage``."""
        return replace(self, stage=stage)

    def choose(self, count: int) -> list[int]:
        """Return the indices of the examples taken out of ``count``."""
        taken = count if self.limit is None else min(self.limit, count)
        return [index * count // taken for index in range(taken)]

    def over_pictures(
        self, head: str, metric: str, figure: Figure, count: int
    ) -> list[Record]:
        """Return ``figure`` of ``count`` pictures, each independent of the others."""
        return [
            self._with_interval(head, metric, figure, list(np.arange(count)[:, None]))
        ]

    def over_units(
        self, head: str, metric: str, figure: Figure, units: Sequence[str]
    ) -> list[Record]:
        """Return ``figure`` over independent units.

        Args:
            head: What the figure is about.
            metric: What it is.
            figure: Computes it.
            units: The unit that each example belongs to, such as its speaker; with
                fewer than ``MIN_UNITS`` of them each unit's own figure follows.
        """
        names = sorted(set(units))
        rows = {name: np.flatnonzero(np.array(units) == name) for name in names}
        whole = self._with_interval(head, metric, figure, list(rows.values()))
        if whole.low is not None:
            return [whole]
        each = [
            replace(
                self._record(head, metric, figure(rows[name]), len(rows[name])),
                split=f"{self.part}/{name}",
            )
            for name in names
        ]
        return [whole, *each]

    def _with_interval(
        self, head: str, metric: str, figure: Figure, units: list[Ints]
    ) -> Record:
        rows = np.concatenate(units)
        sizes = {len(unit) for unit in units}
        if len(units) < MIN_UNITS:
            return self._record(head, metric, figure(rows), len(rows))

        def of_units(pick: Ints) -> float:
            # Single pictures need no gathering, which would take most of the time.
            single = sizes == {1}
            return figure(pick if single else np.concatenate([units[i] for i in pick]))

        drawn = resampled(of_units, len(units))
        plain = self._record(head, metric, figure(rows), len(rows))
        if self.peer is None:  # two bundles are compared, not their peers
            self.drawn[plain.key] = drawn
        interval = interval_of(plain.value, drawn)
        return replace(plain, low=interval.low, high=interval.high)

    def _record(self, head: str, metric: str, value: float, n: int) -> Record:
        return Record(
            metric=metric,
            value=value,
            set=self.set,
            split=self.part,
            head=head,
            stage=self.stage,
            n=n,
            model=self.peer or self.subject.model,
            target=None if self.peer else self.subject.target,
        )


def of_classes(
    figure: Callable[[Ints, Ints, int], float],
    truth: Ints,
    estimate: Ints,
    classes: int,
) -> Figure:
    """Return a figure of ``training.metrics`` as one of chosen examples."""
    return lambda pick: figure(truth[pick], estimate[pick], classes)
