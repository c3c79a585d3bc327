"""The chain of processes: once each, in order, and on after a failure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.steps import Step, StepError, run_steps


def _zipped(tmp_path: Path, name: str, after: tuple[str, ...] = ()) -> Step:
    """Return a step that puts a file into ``NAME.zip``."""
    source = tmp_path / "source.txt"
    source.write_text("something")
    arguments = ("zipfile", "-c", str(tmp_path / f"{name}.zip"), str(source))
    return Step(name, arguments, after=after)


def test_steps_run_once_and_again_when_what_they_are_after_changed(
    tmp_path: Path,
) -> None:
    """A stamp keeps a step from running; other arguments upstream undo it."""
    steps = [_zipped(tmp_path, "one"), _zipped(tmp_path, "two", after=("one",))]
    told: list[str] = []
    run_steps(steps, tmp_path / "work", told.append)
    assert [line.split(":")[0] for line in told] == ["[1/2] one", "[2/2] two"]
    for name in ("one", "two"):
        (tmp_path / f"{name}.zip").unlink()
    run_steps(steps, tmp_path / "work", told.append)
    assert told[2:] == ["[1/2] one: done before", "[2/2] two: done before"]
    assert not list(tmp_path.glob("*.zip"))
    other = replace(steps[0], arguments=("zipfile", "--help"))
    run_steps([other, steps[1]], tmp_path / "work", told.append)
    assert (tmp_path / "two.zip").exists()
    assert not (tmp_path / "one.zip").exists()


def test_a_failed_step_is_told_with_its_last_words(tmp_path: Path) -> None:
    """What was done stays done, and the chain goes on from there."""
    good = _zipped(tmp_path, "good")
    bad = Step("bad", ("json.tool", str(tmp_path / "none.json")))
    with pytest.raises(StepError, match=r"bad: ended with \d+: .*none\.json"):
        run_steps([good, bad], tmp_path / "work", lambda _: None)
    (tmp_path / "none.json").write_text("{}")
    told: list[str] = []
    run_steps([good, bad], tmp_path / "work", told.append)
    assert told[0] == "[1/2] good: done before"


def test_an_answer_is_kept(tmp_path: Path) -> None:
    """What a step prints goes to its file."""
    source = tmp_path / "plain.json"
    source.write_text('{"b": 1}')
    step = Step("tool", ("json.tool", str(source)), answer=tmp_path / "a" / "told.json")
    run_steps([step], tmp_path / "work", lambda _: None)
    assert json.loads((tmp_path / "a" / "told.json").read_text()) == {"b": 1}


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    """A file stands where the logs should be."""
    (tmp_path / "work").write_text("a file")
    with pytest.raises(StepError, match="tool: cannot run"):
        run_steps([Step("tool", ("json.tool",))], tmp_path / "work", lambda _: None)
