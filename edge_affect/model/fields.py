"""Read typed values out of strict JSON; every error names the key that is wrong."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, TypeVar

from edge_affect.errors import BundleError

MAX_JSON_BYTES = 64 * 1024
"""Largest document that is read."""
MAX_DEPTH = 8
"""Deepest nesting of objects and lists that is read."""
MAX_TEXT = 300
"""Longest text that is read, characters."""

T = TypeVar("T")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def parse_json(content: bytes, what: str, max_bytes: int = MAX_JSON_BYTES) -> object:
    """Parse JSON that is small, flat, free of duplicate keys, NaN and infinity.

    Args:
        content: The document, UTF-8.
        what: What the user calls it, for the error.
        max_bytes: Largest length allowed.

    Raises:
        BundleError: It breaks one of these rules.
    """
    if len(content) > max_bytes:
        raise BundleError(f"{what}: got {len(content)} bytes, expected <= {max_bytes}")
    try:
        text = content.decode("utf-8")
        _check_depth(text)
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{what}: not strict JSON ({error})") from None


def _check_depth(text: str) -> None:
    # Before parsing, since the parser itself would recurse as deep as the text does.
    depth = deepest = 0
    for sign in _STRING.sub("", text):
        if sign in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in "]}":
            depth -= 1
    if deepest > MAX_DEPTH:
        raise ValueError(f"got {deepest} levels of nesting, expected <= {MAX_DEPTH}")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    seen = dict(pairs)
    if len(seen) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:40]!a} stands twice")
    return seen


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"got {name}, expected a finite number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"got {text[:20]}, expected a finite number")
    return value


class Fields:
    """One JSON object whose keys were checked, read value by value."""

    def __init__(
        self,
        value: object,
        where: str,
        required: Sequence[str] = (),
        optional: Sequence[str] = (),
    ) -> None:
        """Take ``value``, refusing keys that are missing or unknown.

        Args:
            value: What the parser gave.
            where: Path of the object, for errors.
            required: Keys that must be there.
            optional: Further keys that may be there.

        Raises:
            BundleError: ``value`` is no object, or its keys do not fit.
        """
        if not isinstance(value, dict):
            raise BundleError(f"{where}: got {_shown(value)}, expected an object")
        self.where = where
        self._values: Mapping[str, object] = value
        known = (*required, *optional)
        for key in value:
            if key not in known:
                raise BundleError(
                    f"{where}: unknown key {key[:40]!a}, "
                    f"expected {', '.join(known) or 'none'}"
                )
        for key in required:
            if key not in value:
                raise BundleError(f"{where}: the key {key!r} is missing")

    @property
    def keys(self) -> tuple[str, ...]:
        """The object's keys, in the order of the file."""
        return tuple(self._values)

    def refuse(self, key: str, expected: str) -> NoReturn:
        """Raise the error for the value of ``key``."""
        got = _shown(self._values.get(key))
        raise BundleError(f"{self.where}.{key}: got {got}, expected {expected}")

    def child(
        self, key: str, required: Sequence[str] = (), optional: Sequence[str] = ()
    ) -> Fields:
        """Return the object at ``key``; see the constructor."""
        value = self._values.get(key)
        return Fields(value, f"{self.where}.{key}", required, optional)

    def sequence(self, key: str) -> list[object]:
        """Return the list at ``key``."""
        value = self._values.get(key)
        if not isinstance(value, list):
            self.refuse(key, "a list")
        return value

    def children(
        self, key: str, required: Sequence[str], optional: Sequence[str] = ()
    ) -> tuple[Fields, ...]:
        """Return the objects in the list at ``key``."""
        return tuple(
            Fields(value, f"{self.where}.{key}[{index}]", required, optional)
            for index, value in enumerate(self.sequence(key))
        )

    def text(self, key: str, choices: Sequence[str] | None = None) -> str:
        """Return the text at ``key``: one line, not empty, one of ``choices``."""
        value = self._values.get(key)
        if choices is not None and value not in choices:
            self.refuse(key, f"one of {', '.join(choices)}")
        if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
            self.refuse(key, f"a text of 1 to {MAX_TEXT} characters")
        if not value.isprintable():
            self.refuse(key, "a text without control characters")
        return value

    def matching(self, key: str, pattern: re.Pattern[str], expected: str) -> str:
        """Return the text at ``key``, all of which fits ``pattern``."""
        value = self.text(key)
        if not pattern.fullmatch(value):
            self.refuse(key, expected)
        return value

    def texts(self, key: str, choices: Sequence[str]) -> tuple[str, ...]:
        """Return the list of different ``choices`` at ``key``; not empty."""
        values = self.sequence(key)
        for value in values:
            if value not in choices or values.count(value) > 1:
                self.refuse(key, f"different ones of {', '.join(choices)}")
        if not values:
            self.refuse(key, f"at least one of {', '.join(choices)}")
        return tuple(str(value) for value in values)

    def integer(self, key: str, low: int, high: int) -> int:
        """Return the integer at ``key``, in ``low`` to ``high``."""
        value = self._values.get(key)
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse(key, f"an integer in {low} to {high}")
        if not low <= value <= high:
            self.refuse(key, f"an integer in {low} to {high}")
        return value

    def number(self, key: str, low: float, high: float) -> float:
        """Return the number at ``key``, in ``low`` to ``high``."""
        return self._number(key, self._values.get(key), low, high)

    def numbers(
        self, key: str, count: int, low: float, high: float
    ) -> tuple[float, ...]:
        """Return the ``count`` numbers at ``key``, each in ``low`` to ``high``."""
        values = self.sequence(key)
        if len(values) != count:
            self.refuse(key, f"{count} numbers")
        return tuple(self._number(key, value, low, high) for value in values)

    def interval(self, key: str, low: float, high: float) -> tuple[float, float]:
        """Return two rising numbers at ``key``, both in ``low`` to ``high``."""
        first, last = self.numbers(key, 2, low, high)
        if first >= last:
            self.refuse(key, "two rising numbers")
        return first, last

    def maybe(self, key: str, read: Callable[[str], T]) -> T | None:
        """Return ``read(key)``, or None where the key is absent or null."""
        return None if self._values.get(key) is None else read(key)

    def _number(self, key: str, value: object, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.refuse(key, f"a number in {low:g} to {high:g}")
        if not low <= value <= high:
            self.refuse(key, f"a number in {low:g} to {high:g}")
        return float(value)


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list) and len(value) > 4:
        return f"a list of {len(value)}"
    shown = ascii(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
