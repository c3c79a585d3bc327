from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from edge_affect.errors import DataError, SinkError
from edge_affect.sinks.record import (
    check_record,
    estimate_record,
    header_from_record,
    header_record,
    line_from_record,
    parse_line,
)
from edge_affect.testing import make_estimate, make_header, make_lost_estimate

KEYS = [
    *("index", "t_ms", "age_ms", "held", "rung", "frame", "hop"),
    *("valence", "arousal", "valence_std", "arousal_std"),
    *("valence_ahead", "arousal_ahead", "expression", "confidence"),
    *("action_units", "driver", "health", "dropped", "lost_chunks"),
]


def _through_json(record: dict[str, Any]) -> dict[str, Any]:
    return parse_line(line_from_record(record))


def test_estimate_record_has_every_key_also_when_nothing_is_known() -> None:
    """A line has the same keys for a healthy and a lost estimate; unknown is null."""
    lost = _through_json(estimate_record(make_lost_estimate()))
    assert list(lost) == list(estimate_record(make_estimate())) == KEYS
    assert lost["valence"] is lost["expression"] is lost["action_units"] is None
    assert lost["health"] == {
        "face": "lost",
        "voice": "lost",
        "reasons": ["no_face", "no_sound"],
    }


def test_estimate_record_keeps_every_number_to_the_bit() -> None:
    """What is read back equals what was estimated, not a rounding of it."""
    estimate = make_estimate(valence=1 / 3, t_ms=100 / 3)
    record = _through_json(estimate_record(estimate))
    assert (record["valence"], record["t_ms"]) == (1 / 3, 100 / 3)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_line_from_record_refuses_what_is_not_finite(value: float) -> None:
    """A record never holds NaN or infinity."""
    with pytest.raises(SinkError, match="record 3"):
        line_from_record(estimate_record(make_estimate(3, valence=value)))


def test_header_comes_back_as_it_was() -> None:
    """A run header survives JSON."""
    header = make_header(audio="microphone 1", mount={"driver_roi": [0, 0, 1, 1]})
    assert header_from_record(_through_json(header_record(header))) == header


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", 2),
        ("schema", None),
        ("cell_hz", [30]),
        ("cell_hz", [0, 1]),
        ("cell_hz", "30"),
        ("t0_ns", 1.5),
        ("t0_ns", True),
        ("mount", []),
        ("source", None),
    ],
)
def test_header_from_record_names_the_wrong_key(key: str, value: object) -> None:
    """A header of another kind is refused by the key."""
    record = {**header_record(make_header()), key: value}
    with pytest.raises(DataError, match=key):
        header_from_record(record)


def test_header_from_record_names_the_missing_key() -> None:
    """A header that lacks a key is refused by its name."""
    record = header_record(make_header())
    del record["bundle_digest"]
    with pytest.raises(DataError, match="'bundle_digest' is missing"):
        header_from_record(record)


def _set(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        *path, last = key.split(".")
        for part in path:
            record = record[part]
        record[last] = value

    return change


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("index", 1.5),
        ("index", True),
        ("t_ms", None),
        ("t_ms", "0"),
        ("age_ms", 10**400),
        ("held", 1),
        ("health", None),
        ("health.face", "well"),
        ("health.reasons", "dark"),
        ("health.reasons", [1]),
        ("valence", "0.1"),
        ("valence", True),
        ("expression", [0.5]),
        ("expression.anger", "0.1"),
        ("expression.anger", None),
        ("dropped", []),
        ("dropped.late", 0.5),
        ("lost_chunks", None),
        ("lost_chunks", [3]),
        ("lost_chunks", [[3]]),
        ("lost_chunks", [[5, 3]]),
        ("lost_chunks", [[-1, 3]]),
        ("lost_chunks", [[0, True]]),
    ],
)
def test_check_record_names_the_wrong_key(key: str, value: object) -> None:
    """A line whose value is of another kind is refused by the key."""
    record = estimate_record(make_estimate())
    _set(key, value)(record)
    with pytest.raises(DataError, match=key.replace(".", r"\.")):
        check_record(record)


@pytest.mark.parametrize(
    "line",
    [
        *("", "{", "[1]", '{"valence": NaN}', "1"),
        pytest.param("[" * 99_999, id="deep"),
    ],
)
def test_parse_line_refuses_what_is_no_record(line: str) -> None:
    """Anything but a JSON object with finite numbers is refused."""
    with pytest.raises(DataError, match="got"):
        parse_line(line)


def test_check_record_takes_lines_of_before_lost_chunks() -> None:
    """A record that was written without the key is read as one that lost no sound."""
    record = estimate_record(make_estimate(lost_chunks=((3, 5), (9, 9))))
    assert record["lost_chunks"] == [[3, 5], [9, 9]]
    check_record(record)
    del record["lost_chunks"]
    check_record(record)


def test_check_record_takes_keys_that_later_versions_add() -> None:
    """A key that this version does not know is no error."""
    record = {**estimate_record(make_estimate()), "gaze": 0.5}
    check_record(json.loads(json.dumps(record)))
