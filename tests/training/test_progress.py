"""Progress off a terminal: lines now and then, and nothing for short work."""

from __future__ import annotations

import logging

import pytest

pytest.importorskip("torch")

from training.engine import progress as module
from training.engine.progress import progress

pytestmark = pytest.mark.torch


def test_long_work_is_told_in_lines(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first after a while, with what was done before counted."""
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(module, "perf_counter", lambda: float(next(clock)))
    with caplog.at_level(logging.INFO):
        assert list(progress("abcdefghij", "letters", 14, done=4)) == [*"abcdefghij"]
    assert caplog.messages == ["letters: 6 of 14", "letters: 12 of 14"]


def test_short_work_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """A test's log, and a user's, stay short."""
    with caplog.at_level(logging.INFO):
        assert sum(progress([1, 2, 3], "numbers")) == 6
    assert not caplog.messages
