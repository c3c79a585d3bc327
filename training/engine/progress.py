"""Show how far long work has come: a bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sized
from time import perf_counter
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_FIRST_S, _EVERY_S = 15.0, 60.0
"""Seconds to the first line, and from one to the next."""


def progress(
    items: Iterable[T], told: str, total: int | None = None, *, done: int = 0
) -> Iterator[T]:
    """Yield ``items``, and show how many of them are done.

    Args:
        items: The work.
        told: What it is, a few words.
        total: How many there are; None for ``len(items)``, where it has one.
        done: How many of them were done before.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if os.environ.get("RANK", "0") != "0":  # torchrun's; the first process tells
        yield from items
    elif sys.stderr.isatty():
        yield from tqdm(items, desc=told, total=total, initial=done, leave=False)
    else:
        due_s = perf_counter() + _FIRST_S
        for number, item in enumerate(items, done + 1):
            yield item
            now_s = perf_counter()
            if now_s >= due_s:
                of = "" if total is None else f" of {total}"
                _LOG.info("%s: %d%s", told, number, of)
                due_s = now_s + _EVERY_S
