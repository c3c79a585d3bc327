from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_affect.errors import SinkError
from edge_affect.runners.choices import (
    Choice,
    ChoiceKey,
    choice_file,
    choice_key,
    load_choice,
    save_choice,
)
from edge_affect.runners.processor import cpu_model

TARGETS = ("cpu-fp32", "cpu-int8")
KEY = ChoiceKey("ab" * 32, "1.32.0", "x86_64, model name Test")
CHOICE = Choice("cpu-int8", "measured here: twice as fast")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that is the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_choice_that_was_kept_is_found_again(cache: Path) -> None:
    """What was saved is loaded, from one file below the user's cache."""
    assert load_choice(KEY, TARGETS) is None
    file = save_choice(KEY, CHOICE)
    assert file.parent == cache / "edge_affect" / "targets"
    assert load_choice(KEY, TARGETS) == CHOICE
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("name", ["bundle_digest", "onnxruntime", "cpu"])
def test_choice_holds_for_its_key_alone(name: str) -> None:
    """Another bundle, runtime or processor was not measured."""
    save_choice(KEY, CHOICE)
    changes: dict[str, Any] = {name: "another"}
    assert load_choice(replace(KEY, **changes), TARGETS) is None


def test_choice_key_is_of_this_machine() -> None:
    """The runtime's version and the processor's model are in the key."""
    key = choice_key("cd" * 32)
    assert key.bundle_digest == "cd" * 32
    assert key.onnxruntime[0].isdigit()
    assert key.cpu == cpu_model()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"[" * 40_000,
        b" " * 70_000,
        {"schema": 2},
        {"bundle_digest": "cd" * 32},
        {"target": "trt-int8"},
        {"target": ["cpu-int8"]},
        {"reason": None},
        {"reason": ""},
        {"reason": "\x1b[2J"},
        {"reason": "long" * 100},
    ],
)
def test_choice_that_is_damaged_is_told_once_and_replaced(
    content: bytes | dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It counts as not measured, with one warning; the next measurement mends it."""
    file = save_choice(KEY, CHOICE)
    if isinstance(content, dict):
        values = {**json.loads(file.read_bytes()), **content}
        content = json.dumps(values).encode()
    file.write_bytes(content)
    assert load_choice(KEY, TARGETS) is None
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert str(file) in record.getMessage()
    assert "measure again with: edge-affect doctor --measure" in record.getMessage()
    save_choice(KEY, CHOICE)
    assert load_choice(KEY, TARGETS) == CHOICE


def test_choice_that_cannot_be_read_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A folder in the file's place counts as damage."""
    choice_file(KEY).mkdir(parents=True)
    assert load_choice(KEY, TARGETS) is None
    assert "Is a directory" in caplog.text
    with pytest.raises(SinkError, match="cannot be kept"):
        save_choice(KEY, CHOICE)
    assert list(choice_file(KEY).parent.iterdir()) == [choice_file(KEY)]


def test_choice_needs_a_cache_to_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A cache that is no folder is one error on writing, and silence on reading."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(SinkError, match="set XDG_CACHE_HOME to one that is") as caught:
        save_choice(KEY, CHOICE)
    assert "\n" not in str(caught.value)
    assert load_choice(KEY, TARGETS) is None
    assert not caplog.records


@pytest.mark.parametrize("named", ["", "relative/cache"])
def test_choice_file_is_in_the_home_without_a_cache_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """An empty or relative XDG_CACHE_HOME counts as none."""
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert choice_file(KEY).is_relative_to(tmp_path / ".cache" / "edge_affect")


def test_choice_without_a_home_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home can still run, but not keep a choice."""

    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", none)
    assert load_choice(KEY, TARGETS) is None
    with pytest.raises(SinkError, match="set XDG_CACHE_HOME"):
        save_choice(KEY, CHOICE)
