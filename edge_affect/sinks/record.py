"""Layout of records: a run header, then one line of JSON for every estimate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from edge_affect import __version__
from edge_affect.errors import DataError, SinkError
from edge_affect.realtime.info import StreamInfo
from edge_affect.sinks.base import RunHeader
from edge_affect.types import Estimate, HealthState

SCHEMA = 1
"""Version of the layout that is written."""

NUMBERS = (
    "valence",
    "arousal",
    "valence_std",
    "arousal_std",
    "valence_ahead",
    "arousal_ahead",
    "confidence",
)
"""Keys of a record that hold one number or null."""

GROUPS = ("expression", "action_units", "driver")
"""Keys of a record that hold numbers by label, or null."""

HEALTH_STATES = tuple(state.value for state in HealthState)
"""Names of the states of health, best first."""

_NUMBER = (int, float)
_LARGEST = 1e300
_HEADER_KINDS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "str": (str,),
    "str | None": (str, type(None)),
    "Mapping[str, Any]": (dict,),
    "tuple[int, int]": (list,),
}
"""Annotation in RunHeader → what JSON gives for it."""
_REQUIRED: dict[str, type | tuple[type, ...]] = {
    "index": int,
    "t_ms": _NUMBER,
    "age_ms": _NUMBER,
    "held": bool,
    "rung": int,
    "health": dict,
    "dropped": dict,
}


def run_header(
    info: StreamInfo, mount: Mapping[str, Any], t0_ns: int, utc_offset_ns: int
) -> RunHeader:
    """Return the header of a stream's record.

    Args:
        info: What the stream runs on.
        mount: How the camera is installed.
        t0_ns: Start of cell 0, monotonic ns.
        utc_offset_ns: From the stream's time to UTC; 0 for a file.
    """
    return RunHeader(
        schema=SCHEMA,
        version=__version__,
        bundle=info.bundle,
        bundle_digest=info.bundle_digest,
        backend=info.backend,
        provider=info.provider,
        target=info.target,
        purpose=info.purpose,
        source=info.source,
        audio=info.audio,
        mount=mount,
        t0_ns=t0_ns,
        cell_hz=info.cell_hz,
        utc_offset_ns=utc_offset_ns,
        utc_source="system" if info.live else "none",
    )


def header_record(header: RunHeader) -> dict[str, Any]:
    """Return the first line of a record as plain values."""
    record = asdict(header)
    record["mount"] = dict(header.mount)
    record["cell_hz"] = list(header.cell_hz)
    return record


def estimate_record(estimate: Estimate) -> dict[str, Any]:
    """Return the line of ``estimate`` as plain values; what is unknown is None."""
    return {
        "index": estimate.index,
        "t_ms": estimate.t_ms,
        "age_ms": estimate.age_ms,
        "held": estimate.held,
        "rung": estimate.rung,
        "frame": estimate.frame,
        "hop": estimate.hop,
        "valence": estimate.valence,
        "arousal": estimate.arousal,
        "valence_std": estimate.valence_std,
        "arousal_std": estimate.arousal_std,
        "valence_ahead": estimate.valence_ahead,
        "arousal_ahead": estimate.arousal_ahead,
        "expression": _plain(estimate.expression),
        "confidence": estimate.confidence,
        "action_units": _plain(estimate.action_units),
        "driver": _plain(estimate.driver),
        "health": {
            "face": estimate.health.face.value,
            "voice": estimate.health.voice.value,
            "reasons": list(estimate.health.reasons),
        },
        "dropped": dict(estimate.dropped),
        "lost_chunks": [list(run) for run in estimate.lost_chunks],
    }


def _plain(group: Mapping[str, float] | None) -> dict[str, float] | None:
    return None if group is None else dict(group)


def line_from_record(record: Mapping[str, Any]) -> str:
    """Return ``record`` as one line of JSON with its line feed, in ASCII alone.

    A file's name may hold bytes that are no text, and a standard output may take few
    letters: escaped, every name comes through both and back as it was.

    Raises:
        SinkError: A value is NaN or infinite, or JSON has no form for it.
    """
    try:
        line = json.dumps(record, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise SinkError(
            f"record {record.get('index', 'header')}: {error}; "
            "expected finite numbers, text and null"
        ) from error
    return line + "\n"


def parse_line(line: str) -> dict[str, Any]:
    """Return the values of one line.

    Raises:
        DataError: It is no JSON object, or holds NaN or infinity.
    """
    try:
        record = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(f"got no line of JSON ({error})") from error
    if not isinstance(record, dict):
        raise DataError(f"got {type(record).__name__}, expected a JSON object")
    return record


def _refuse_constant(name: str) -> float:
    raise DataError(f"got {name}, expected a finite number or null")


def header_from_record(record: Mapping[str, Any]) -> RunHeader:
    """Return the run header that a record's first line holds.

    Raises:
        DataError: A key is missing, or the layout is newer than this version reads.
    """
    schema = record.get("schema")
    if schema != SCHEMA:
        raise DataError(
            f"run header: schema: got {schema!r}, expected {SCHEMA}; "
            "is it a record that edge-affect wrote, with its first line?"
        )
    values = {}
    for item in fields(RunHeader):
        if item.name not in record:
            raise DataError(f"run header: the key {item.name!r} is missing")
        values[item.name] = record[item.name]
        kinds = _HEADER_KINDS[str(item.type)]
        if type(values[item.name]) not in kinds:
            raise DataError(
                f"run header: {item.name}: got {values[item.name]!r:.60}, "
                f"expected {' or '.join(kind.__name__ for kind in kinds)}"
            )
    cell_hz = values["cell_hz"]
    if len(cell_hz) != 2 or not all(type(part) is int and part > 0 for part in cell_hz):
        raise DataError(f"run header: cell_hz: got {cell_hz!r:.60}, expected [30, 1]")
    values["cell_hz"] = (cell_hz[0], cell_hz[1])
    return RunHeader(**values)


def check_record(record: Mapping[str, Any]) -> None:
    """Check the line of an estimate.

    Raises:
        DataError: A key is missing or its value is not of its kind.
    """
    for key, kind in _REQUIRED.items():
        value = record.get(key)
        is_bool = isinstance(value, bool) and kind is not bool
        if is_bool or not isinstance(value, kind):
            raise DataError(f"{key}: got {value!r}, expected {_kind_name(kind)}")
    health = record["health"]
    for key in ("face", "voice"):
        if health.get(key) not in HEALTH_STATES:
            raise DataError(
                f"health.{key}: got {health.get(key)!r}, "
                f"expected one of {', '.join(HEALTH_STATES)}"
            )
    for key in ("t_ms", "age_ms", *NUMBERS):
        _check_number(key, record.get(key))
    for key in GROUPS:
        group = record.get(key)
        if group is not None and not isinstance(group, dict):
            raise DataError(f"{key}: got {group!r}, expected numbers by label")
        for label, value in (group or {}).items():
            if value is None:
                raise DataError(f"{key}.{label}: got null, expected a number")
            _check_number(f"{key}.{label}", value)
    _check_counts(record)


def _check_counts(record: Mapping[str, Any]) -> None:
    reasons = record["health"].get("reasons", [])
    if not isinstance(reasons, list) or not all(isinstance(r, str) for r in reasons):
        raise DataError(f"health.reasons: got {reasons!r:.60}, expected a list of text")
    for reason, count in record["dropped"].items():
        if type(count) is not int:
            raise DataError(f"dropped.{reason}: got {count!r:.60}, expected a number")
    runs = record.get("lost_chunks", [])  # records of before have no such key
    if not isinstance(runs, list) or not all(map(_is_run, runs)):
        raise DataError(
            f"lost_chunks: got {runs!r:.60}, expected pairs of indices, as [[3, 5]]"
        )


def _is_run(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    return all(type(index) is int for index in value) and 0 <= value[0] <= value[1]


def _check_number(key: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        finite = False
    else:
        finite = -_LARGEST <= value <= _LARGEST  # no float(): it overflows
    if not finite:
        raise DataError(f"{key}: got {value!r}, expected a finite number or null")


def _kind_name(kind: type | tuple[type, ...]) -> str:
    names = {int: "a whole number", bool: "true or false", dict: "an object"}
    return "a number" if isinstance(kind, tuple) else names[kind]
