"""Typed configurations to plain values and back, unknown keys refused."""

from __future__ import annotations

import dataclasses
import json
import typing
from typing import Any, TypeVar

from edge_affect.errors import ConfigError

T = TypeVar("T")


def to_plain(config: Any) -> dict[str, Any]:
    """Return a configuration as JSON would give it back: lists for tuples."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return plain


def from_plain(kind: type[T], values: dict[str, Any], where: str = "") -> T:
    """Build the configuration dataclass ``kind`` from plain values.

    Raises:
        ConfigError: A key is unknown.
    """
    hints = typing.get_type_hints(kind)
    unknown = values.keys() - hints.keys()
    if unknown:
        raise ConfigError(
            f"config: got the unknown key {where}{min(unknown)}; "
            f"expected some of {', '.join(hints)}"
        )
    return kind(
        **{
            name: _value(hints[name], v, f"{where}{name}.")
            for name, v in values.items()
        }
    )


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_plain(typing.cast(type, hint), value, where)
    return tuple(value) if isinstance(value, list) else value


def differing_keys(config: Any, plain: dict[str, Any]) -> list[str]:
    """Name the settings in which ``plain`` differs from ``config``."""
    ours = to_plain(config)
    missing = object()
    return sorted(
        key
        for key in ours.keys() | plain.keys()
        if ours.get(key, missing) != plain.get(key, missing)
    )
