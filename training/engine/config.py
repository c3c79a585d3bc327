"""Typed configurations to plain values and back, unknown keys refused."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from edge_affect.errors import ConfigError

T = TypeVar("T")

AT_LEAST_ONE = {
    *("epochs", "batch", "hop", "steps", "frames", "layers", "heads", "size_px"),
    *("width", "hidden", "embedding", "classes", "projection", "clip_hops"),
    *("cells", "repeats", "synthetic_batch", "patience", "levels", "vectors"),
    *("shapes", "patches"),
}
"""Settings that count something; 0 of it is no run."""
ABOVE_ZERO = {"learning_rate", "fine_rate", "rate_hz", "temperature", "window_s"}
"""Settings that must be positive."""
SHARES = {"dropout", "average", "decay", "stage_1_share", "kd_share", "mask_share"}
"""Settings between 0 and 1."""

_NONE = "none"
"""Stands for a setting that one side does not know."""


def check_choice(name: str, got: str, choices: Sequence[str]) -> None:
    """Check a setting that has only some values.

    Raises:
        ConfigError: It is none of them.
    """
    if got not in choices:
        raise ConfigError(f"{name}: got {got!r}, expected one of {', '.join(choices)}")


def to_plain(config: Any) -> dict[str, Any]:
    """Return a configuration as JSON would give it back: lists for tuples."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return plain


def from_plain(kind: type[T], values: dict[str, Any], where: str = "") -> T:
    """Build the configuration dataclass ``kind`` from plain values.

    Raises:
        ConfigError: A key is unknown, or a value is of another type.
    """
    hints = typing.get_type_hints(kind)
    unknown = values.keys() - hints.keys()
    if unknown:
        raise ConfigError(
            f"config: got the unknown key {where}{min(unknown)}; "
            f"expected some of {', '.join(hints)}"
        )
    return kind(
        **{name: _value(hints[name], v, f"{where}{name}") for name, v in values.items()}
    )


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise _refusal(where, value, "a table of settings")
        return from_plain(typing.cast(type, hint), value, f"{where}.")
    if isinstance(hint, types.UnionType):
        if value is None and type(None) in typing.get_args(hint):
            return None
        (hint,) = (kind for kind in typing.get_args(hint) if kind is not type(None))
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise _refusal(where, value, "a list")
        kinds = typing.get_args(hint)
        each = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
        if len(each) != len(value):
            raise _refusal(where, value, f"{len(each)} values")
        return tuple(
            _value(k, v, f"{where}[{i}]")
            for i, (k, v) in enumerate(zip(each, value, strict=True))
        )
    return _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    # bool is an int in Python, but `epochs: true` is a mistake.
    is_kind = isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
    if not is_kind:
        raise _refusal(where, value, f"a value of type {hint.__name__}")
    _check_range(where, value)
    return value


def _check_range(where: str, value: Any) -> None:
    name = where.rpartition(".")[2].partition("[")[0]
    if isinstance(value, float) and not math.isfinite(value):
        raise _refusal(where, value, "a finite number")
    if name in AT_LEAST_ONE and isinstance(value, int) and value < 1:
        raise _refusal(where, value, "1 or more")
    if name in ABOVE_ZERO and value <= 0:
        raise _refusal(where, value, "more than 0")
    if name in SHARES and not 0 <= value <= 1:
        raise _refusal(where, value, "a share from 0 to 1")


def _refusal(where: str, value: Any, expected: str) -> ConfigError:
    return ConfigError(f"config: {where}: got {value!r}, expected {expected}")


def read_config(preset: T, file: Path | None, settings: Sequence[str]) -> T:
    """Return ``preset`` with a file's values over it and single settings over both.

    Args:
        preset: A configuration.
        file: JSON file with some of its keys; None for none.
        settings: ``KEY=VALUE`` each; a dot leads into a nested configuration, and what
            is not JSON counts as text.

    Raises:
        ConfigError: The file cannot be read, a key is unknown, or a value is of another
            type.
    """
    plain = to_plain(preset)
    if file is not None:
        _merge(plain, _read(file), f"{file}: ")
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set: got {setting!r}, expected KEY=VALUE")
        value: Any = _json_or_text(text)
        for name in reversed(key.split(".")):
            value = {name: value}
        _merge(plain, value, "--set: ")
    return from_plain(type(preset), plain)


def _read(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: not a readable JSON file ({error})") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: got a {type(values).__name__}, expected an object")
    return values


def _merge(plain: dict[str, Any], values: dict[str, Any], where: str) -> None:
    for name, value in values.items():
        if name not in plain:
            raise ConfigError(
                f"{where}got the unknown key {name}; expected one of {', '.join(plain)}"
            )
        if isinstance(plain[name], dict) and isinstance(value, dict):
            _merge(plain[name], value, where)
        else:
            plain[name] = value


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def differences(config: Any, plain: dict[str, Any], where: str = "") -> list[str]:
    """Tell the settings in which ``plain`` differs from ``config``, one phrase each."""
    ours = config if isinstance(config, dict) else to_plain(config)
    told = []
    for key in sorted(ours.keys() | plain.keys()):
        mine, its = ours.get(key, _NONE), plain.get(key, _NONE)
        if isinstance(mine, dict) and isinstance(its, dict):
            told += differences(mine, its, f"{where}{key}.")
        elif mine != its:
            told.append(f"{where}{key}: got {mine}, it has {its}")
    return told
