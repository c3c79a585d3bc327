"""A record column by column: small in memory for an hour, and ready to be drawn."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.sinks.record import GROUPS, HEALTH_STATES, NUMBERS

Series = NDArray[np.float64]

_NAN = math.nan


class RecordColumns:
    """Collects the lines of a record; every column has one value per estimate."""

    def __init__(self, records: Iterable[Mapping[str, Any]] = ()) -> None:
        self.reasons: Counter[str] = Counter()
        """Cells by reason code of their health."""
        self.labels: Counter[str] = Counter()
        """Cells by likeliest expression."""
        self.dropped: dict[str, int] = {}
        """Frames and estimates dropped, by reason, at the last line."""
        self._t_ms = array("d")
        self._held = bytearray()
        self._health = {"face": bytearray(), "voice": bytearray()}
        self._numbers = {key: array("f") for key in ("age_ms", "rung", *NUMBERS)}
        self._groups: dict[str, dict[str, array[float]]] = {key: {} for key in GROUPS}
        for record in records:
            self.add(record)

    def __len__(self) -> int:
        return len(self._t_ms)

    def add(self, record: Mapping[str, Any]) -> None:
        """Append one line, in the layout of ``sinks.record``."""
        self._t_ms.append(record["t_ms"])
        self._held.append(record["held"])
        for key, column in self._numbers.items():
            value = record.get(key)
            column.append(_NAN if value is None else value)
        health = record["health"]
        for modality, states in self._health.items():
            states.append(HEALTH_STATES.index(health[modality]))
        self.reasons.update(health.get("reasons", ()))
        self.dropped = record["dropped"]
        expression = record.get("expression")
        if expression:
            self.labels[max(expression, key=expression.__getitem__)] += 1
        for key, columns in self._groups.items():
            self._add_group(columns, record.get(key) or {})

    def _add_group(
        self, columns: dict[str, array[float]], group: Mapping[str, float | None]
    ) -> None:
        before = len(self) - 1
        for label in group:
            if label not in columns:
                columns[label] = array("f", [_NAN]) * before
        for label, column in columns.items():
            value = group.get(label)
            column.append(_NAN if value is None else value)

    @property
    def t_s(self) -> Series:
        """Instants from the start of the stream, s."""
        return np.array(self._t_ms, np.float64) / 1000

    @property
    def held(self) -> NDArray[np.bool_]:
        """Whether no new frame reached the cell."""
        return np.frombuffer(bytes(self._held), np.uint8) > 0

    def health(self, modality: str) -> NDArray[np.uint8]:
        """Return the states of ``face`` or ``voice``, as places in HEALTH_STATES."""
        return np.frombuffer(bytes(self._health[modality]), np.uint8)

    def number(self, key: str) -> Series:
        """Return a column of numbers; NaN where a value is unknown."""
        return np.array(self._numbers[key], np.float64)

    def group(self, key: str) -> dict[str, Series]:
        """Return the columns of ``expression``, ``action_units`` or ``driver``."""
        return {
            label: np.array(column, np.float64)
            for label, column in self._groups[key].items()
        }

    def share_ok(self, modality: str) -> float:
        """Return the share of cells in which a modality is ``ok``."""
        states = self.health(modality)
        return float((states == 0).mean()) if len(states) else 0.0
