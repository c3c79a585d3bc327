"""Soft targets on disk: what is kept, resumed and refused; numpy alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_affect.errors import DataError
from tests.training.clips import make_clips
from training.targets.folder import INDEX, begin_targets, open_targets
from training.targets.soft_targets import (
    TOLERANCE,
    SoftTargets,
    Teacher,
    clip_digest,
    load_targets,
    pictures_digest,
    save_targets,
)

TEACHER = Teacher("made", "0123456789abcdef", ("neutral", "anger", "fear"))


def _targets(count: int = 5, seed: int = 0) -> SoftTargets:
    random = np.random.default_rng(seed)
    return SoftTargets(
        TEACHER,
        "data",
        tuple(f"clip/{n + 1:05}" for n in range(count)),
        expression=random.normal(0, 5, (count, 3)).astype(np.float32),
        valence_arousal=random.uniform(-1, 1, (count, 2)).astype(np.float32),
    )


def test_targets_come_back_within_half_floats(tmp_path: Path) -> None:
    """Values are within the stated tolerance, a missing head stays missing."""
    path = tmp_path / "clips" / "a.npz"
    save_targets(path, _targets())
    found = load_targets(path)
    assert (found.teacher, found.data, found.names) == (TEACHER, "data", found.names)
    assert found.names[0] == "clip/00001"
    assert found.expression is not None
    assert found.expression.dtype == np.float32
    given = _targets().expression
    assert given is not None
    np.testing.assert_allclose(found.expression, given, rtol=TOLERANCE, atol=2.0**-25)
    assert found.action_units is None
    assert found.embedding is None


def test_targets_without_items_are_targets(tmp_path: Path) -> None:
    """No face was found in any picture: an empty file, not an error."""
    save_targets(tmp_path / "a.npz", _targets(0))
    found = load_targets(tmp_path / "a.npz")
    assert found.names == ()
    assert found.expression is not None
    assert found.expression.shape == (0, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e5])
def test_save_refuses_what_half_floats_cannot_hold(
    tmp_path: Path, value: float
) -> None:
    """A teacher that diverged teaches nobody."""
    bad = _targets()
    assert bad.expression is not None
    bad.expression[2, 1] = value
    with pytest.raises(DataError, match="of expression that is not finite"):
        save_targets(tmp_path / "a.npz", bad)
    assert not list(tmp_path.iterdir())


def test_save_on_a_full_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed write is one clear error without a partial file."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("training.targets.soft_targets.np.savez_compressed", full)
    with pytest.raises(DataError, match="No space left"):
        save_targets(tmp_path / "a.npz", _targets())
    assert not list(tmp_path.iterdir())


def test_load_refuses_what_is_none(tmp_path: Path) -> None:
    """Missing, damaged, cut and pickled files are one clear line each."""
    path = tmp_path / "a.npz"
    save_targets(path, _targets())
    whole = path.read_bytes()
    cases = [None, b"no arrays", whole[: len(whole) // 2]]
    for content in cases:
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DataError, match="not a usable target file"):
            load_targets(path)
    np.savez(path, about=np.array([object()], dtype=object))
    with pytest.raises(DataError, match="not a usable target file"):
        load_targets(path)


def test_pick_orders_by_name_and_refuses_what_was_not_labelled() -> None:
    """The targets follow the names that are asked for."""
    whole = _targets()
    assert whole.expression is not None
    picked = whole.pick(("clip/00004", "clip/00001"))
    assert picked.expression is not None
    np.testing.assert_array_equal(picked.expression, whole.expression[[3, 0]])
    with pytest.raises(DataError, match="lack other"):
        whole.pick(("clip/00001", "other"))


def test_folder_goes_on_and_gives_what_was_finished(tmp_path: Path) -> None:
    """A part counts as there once written, and can be read once finished."""
    folder = begin_targets(tmp_path, TEACHER)
    assert not folder.holds("clips/train/a", "data")
    folder.write("clips/train/a", _targets())
    again = begin_targets(tmp_path, TEACHER)
    assert again.holds("clips/train/a", "data")
    with pytest.raises(DataError, match="not among the finished"):
        open_targets(tmp_path).read("clips/train/a")
    again.finish()
    assert open_targets(tmp_path).read("clips/train/a", "data").names
    index = json.loads((tmp_path / INDEX).read_text())
    assert index["teacher"]["checkpoint"] == TEACHER.checkpoint
    assert list(index["files"]) == ["clips/train/a"]


def test_folder_refuses_a_second_teacher(tmp_path: Path) -> None:
    """One folder holds one teacher's targets; the error names both."""
    begin_targets(tmp_path, TEACHER).write("a", _targets())
    other = replace(TEACHER, checkpoint="f" * 16)
    with pytest.raises(DataError, match=r"made 0123456789abcdef, got made ffff"):
        begin_targets(tmp_path, other)


def test_folder_refuses_other_data_of_the_same_name(tmp_path: Path) -> None:
    """Neither going on nor reading mixes two data roots."""
    folder = begin_targets(tmp_path, TEACHER)
    folder.write("a", _targets())
    with pytest.raises(DataError, match="labelled from other data"):
        folder.holds("a", "elsewhere")
    with pytest.raises(DataError, match="labelled from other data"):
        folder.finish().read("a", "elsewhere")


def test_folder_refuses_a_file_that_was_changed(tmp_path: Path) -> None:
    """The index knows each file by its digest."""
    folder = begin_targets(tmp_path, TEACHER)
    folder.write("a", _targets())
    finished = folder.finish()
    folder.write("a", _targets(seed=1))
    with pytest.raises(DataError, match="is not the file"):
        finished.read("a")


def test_open_refuses_what_is_no_folder_of_targets(tmp_path: Path) -> None:
    """No index, no JSON and another version are one clear line each."""
    with pytest.raises(DataError, match="no index of soft targets"):
        open_targets(tmp_path)
    (tmp_path / INDEX).write_text("[]")
    with pytest.raises(DataError, match="no index of soft targets"):
        open_targets(tmp_path)
    (tmp_path / INDEX).write_text('{"version": 99}')
    with pytest.raises(DataError, match="version 99"):
        open_targets(tmp_path)


def test_digests_tell_data_apart() -> None:
    """Names, pictures and labels all count."""
    luma = np.zeros((2, 4, 4), np.uint8)
    assert pictures_digest(("a", "b"), luma) != pictures_digest(("a", "c"), luma)
    assert pictures_digest(("a", "b"), luma) != pictures_digest(("a", "b"), luma + 1)
    clip = make_clips(1)[0]
    assert clip_digest(clip) == clip_digest(make_clips(1)[0])
    assert clip_digest(clip) != clip_digest(replace(clip, present=~clip.present))
