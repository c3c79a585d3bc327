"""Where a file may be made: looked at without trusting the disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edge_affect.errors import SinkError, UsageError
from edge_affect.sinks.files import (
    are_apart,
    check_apart,
    check_target,
    is_file,
    part_of,
)

LONGEST = 255
"""Bytes that a name may have on the file systems that we meet."""


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in which nothing may be looked at, not even by root."""
    folder = tmp_path / "closed"
    look = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if folder in path.parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return look(path, follow_symlinks=follow_symlinks)

    folder.mkdir()
    monkeypatch.setattr(Path, "stat", stat)
    return folder


def test_part_of_keeps_the_whole_name() -> None:
    """The ending is added to whatever the file is called."""
    assert part_of(Path("a/b.jsonl")) == Path("a/b.jsonl.part")


def test_check_target_tells_that_it_may_not_look(closed: Path) -> None:
    """A closed folder is one line, not a traceback."""
    with pytest.raises(SinkError, match=r"x\.jsonl: Permission denied"):
        check_target(closed / "x.jsonl")


@pytest.mark.parametrize("length", [LONGEST + 1, LONGEST - 2])
def test_check_target_refuses_a_name_too_long(tmp_path: Path, length: int) -> None:
    """The name with ``.part`` has to fit as well."""
    with pytest.raises(SinkError, match="name too long"):
        check_target(tmp_path / ("x" * length))


def test_check_target_refuses_a_name_that_no_file_has(tmp_path: Path) -> None:
    """A NUL in a name is found before the run."""
    with pytest.raises(SinkError, match="null"):
        check_target(tmp_path / "a\0b")


def test_check_target_refuses_a_folder_in_the_place_of_the_part(tmp_path: Path) -> None:
    """The file could not even begin."""
    (tmp_path / "x.jsonl.part").mkdir()
    with pytest.raises(SinkError, match=r"x\.jsonl\.part: is a directory"):
        check_target(tmp_path / "x.jsonl")


def test_check_apart_leaves_closed_inputs_to_who_opens_them(closed: Path) -> None:
    """What may not be looked at is compared by its name alone."""
    check_apart(closed.parent / "x.jsonl", [closed / "clip.mkv"])
    with pytest.raises(UsageError, match="would be written over"):
        check_apart(closed / "clip.mkv", [closed / "clip.mkv"])


def test_check_apart_takes_a_name_too_long_for_no_file(tmp_path: Path) -> None:
    """Whether such a file can be made or read is told elsewhere."""
    check_apart(tmp_path / ("x" * 300), [tmp_path / ("y" * 300), tmp_path / "b"])


@pytest.mark.parametrize("form", ["plain", "link", "folder"])
def test_check_apart_minds_the_part_too(tmp_path: Path, form: str) -> None:
    """An input called like the growing file would be lost the same."""
    clip = tmp_path / "x.jsonl.part"
    read = clip
    if form == "link":
        read = tmp_path / "clip.mkv"
        read.touch()
        clip.symlink_to(read)
    elif form == "folder":
        read = tmp_path / "bundle"
        read.mkdir()
        clip.symlink_to(read / "manifest.json")
    with pytest.raises(UsageError, match=r"x\.jsonl\.part: would be written over"):
        check_apart(tmp_path / "x.jsonl", [read])


@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [
        ("x", "y", True),
        ("x", "x", False),
        ("x", "x.part", False),
        ("x.part", "x", False),
        ("x", "./x", False),
        ("x", "link", False),
    ],
)
def test_outputs_are_apart_under_both_names(
    tmp_path: Path, first: str, second: str, *, apart: bool
) -> None:
    """Two outputs share neither their names nor those under which they grow."""
    (tmp_path / "x").touch()
    (tmp_path / "link").symlink_to(tmp_path / "x")
    assert are_apart(tmp_path / first, tmp_path / second) == apart


def test_is_file_never_raises(closed: Path) -> None:
    """What cannot be looked at is no file that could be written over."""
    (closed.parent / "x").touch()
    assert is_file(closed.parent / "x")
    assert not is_file(closed.parent)
    assert not is_file(closed / "x")
    assert not is_file(Path("rtsp://" + "x" * 5_000))
    assert not is_file(Path("a\0b"))
