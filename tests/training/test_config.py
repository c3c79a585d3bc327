"""Configurations to plain values and back."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from edge_affect.errors import ConfigError
from training.engine.config import differences, from_plain, read_config, to_plain


@dataclass(frozen=True, slots=True)
class Inner:
    widths: tuple[int, ...] = (1, 2)


@dataclass(frozen=True, slots=True)
class Outer:
    rate: float = 0.5
    inner: Inner = field(default_factory=Inner)


def test_from_plain_gives_back_what_to_plain_took_apart() -> None:
    """Tuples come back as tuples, at any depth."""
    config = Outer(0.25, Inner((3,)))
    assert from_plain(Outer, to_plain(config)) == config


def test_from_plain_names_an_unknown_key() -> None:
    """The message has the key's whole path."""
    with pytest.raises(ConfigError, match=r"inner\.depth"):
        from_plain(Outer, {"inner": {"depth": 3}})


@dataclass(frozen=True, slots=True)
class Ranged:
    batch: int = 1
    learning_rate: float = 0.1
    dropout: float = 0.0


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("batch=0", "batch: got 0, expected 1 or more"),
        ("learning_rate=-1", "learning_rate: got -1.0, expected more than 0"),
        ("dropout=2", "dropout: got 2.0, expected a share"),
        ("dropout=NaN", "expected a finite number"),
    ],
)
def test_read_config_refuses_what_no_run_can_have(setting: str, told: str) -> None:
    """One line that names the setting."""
    with pytest.raises(ConfigError, match=told):
        read_config(Ranged(), None, [setting])


def test_differences_compares_values_not_types() -> None:
    """A list that JSON made of a tuple is no difference."""
    assert differences(Outer(), {"rate": 0.5, "inner": {"widths": [1, 2]}}) == []
    told = differences(Outer(), {"rate": 0.1, "inner": {"widths": [3]}})
    assert told == ["inner.widths: got [1, 2], it has [3]", "rate: got 0.5, it has 0.1"]
    assert differences(Outer(), {"rate": 0.5})[0].endswith("it has none")
