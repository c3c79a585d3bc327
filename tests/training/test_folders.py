"""A set with a folder for each expression: classes, parts, pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_affect.errors import DataError, UsageError
from training.data.folders import load_folder_set
from training.data.root import HELD_OUT_SHARE, unit_hash


def _write(root: Path, *names: str) -> Path:
    """Write a picture of 8 by 6 blue pixels under each name."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), np.full((6, 8, 3), (200, 0, 0), np.uint8))
    return root


@pytest.mark.parametrize(
    ("folder", "expression"),
    [
        ("Angry", "anger"),
        ("anger", "anger"),
        ("HAPPY", "happiness"),
        ("Happiness", "happiness"),
        ("sad", "sadness"),
        ("Surprised", "surprise"),
        ("fearful", "fear"),
        ("disgusted", "disgust"),
        ("Neutral", "neutral"),
        ("contempt", "contempt"),
    ],
)
def test_folder_names_are_matched(tmp_path: Path, folder: str, expression: str) -> None:
    """Common words, whatever the capitals."""
    data = load_folder_set(_write(tmp_path, f"{folder}/a.png"), None)
    assert (data.names, data.labels) == ([f"{folder}/a.png"], [expression])


def test_classes_replace_the_common_words(tmp_path: Path) -> None:
    """Some sets number their folders."""
    root = _write(tmp_path, "1/a.png", "2/b.png")
    data = load_folder_set(root, {"1": "surprise", "2": "fear"})
    assert data.labels == ["surprise", "fear"]
    with pytest.raises(DataError, match="got the class '2', expected one of 1; name"):
        load_folder_set(root, {"1": "surprise"})
    with pytest.raises(UsageError, match="classes: got the expression 'glee'"):
        load_folder_set(root, {"1": "glee"})


def test_an_unknown_class_is_named(tmp_path: Path) -> None:
    """With what is known."""
    root = _write(tmp_path, "happy/a.png", "smug/b.png")
    with pytest.raises(DataError, match="got the class 'smug', expected one of neut"):
        load_folder_set(root, None)


def test_parts_follow_folders(tmp_path: Path) -> None:
    """Train, valid and test, under their common names."""
    root = _write(
        tmp_path, "Train/happy/a.jpg", "validation/sad/b.jpg", "test/sad/c.jpg"
    )
    data = load_folder_set(root, None)
    assert data.parts == ["train", "test", "valid"]
    assert [data.names[row] for row in data.rows("valid")] == ["validation/sad/b.jpg"]


@pytest.mark.parametrize("base", ["", "train/"])
def test_parts_follow_the_hash_without_a_valid_folder(
    tmp_path: Path, base: str
) -> None:
    """The fifth that every other set holds out, by the name; a test part stays."""
    names = [f"{base}happy/{number}.png" for number in range(40)]
    root = _write(tmp_path, *names, *(["test/sad/a.png"] if base else []))
    data = load_folder_set(root, None)
    for name, part in zip(data.names, data.parts, strict=True):
        if name.startswith("test/"):
            assert part == "test"
        else:
            held_out = unit_hash(name) < HELD_OUT_SHARE
            assert part == ("valid" if held_out else "train")
    assert 0 < len(data.rows("valid")) < len(data.rows("train"))


def test_a_class_beside_parts_is_refused(tmp_path: Path) -> None:
    """Its part would be a guess."""
    root = _write(tmp_path, "train/happy/a.png", "sad/b.png")
    with pytest.raises(DataError, match="got a class beside train"):
        load_folder_set(root, None)


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    """Notes, hidden files and shadow folders; folders inside a class are read."""
    root = _write(
        tmp_path,
        "happy/b.png",
        "happy/s01/a.JPG",
        "happy/._b.png",
        ".cache/x.png",
        "__MACOSX/happy/b.png",
    )
    (root / "happy" / "notes.txt").write_text("taken in May")
    (root / "read me.txt").write_text("thanks")
    assert load_folder_set(root, None).names == ["happy/b.png", "happy/s01/a.JPG"]


def test_read_resizes_like_the_archives(tmp_path: Path) -> None:
    """BGR or luma, in the order of the indices."""
    root = _write(tmp_path, "happy/a.png", "sad/b.png")
    cv2.imwrite(str(root / "sad/b.png"), np.full((40, 40, 3), 90, np.uint8))
    data = load_folder_set(root, None)
    colour = data.read([1, 0], 10, grey=False)
    assert colour.shape == (2, 10, 10, 3)
    assert colour.dtype == np.uint8
    assert colour[:, 5, 5].tolist() == [[90, 90, 90], [200, 0, 0]]
    grey = data.read(np.array([1]), 10, grey=True)
    assert (grey.shape, int(grey[0, 0, 0])) == ((1, 10, 10), 90)


def test_a_corrupt_picture_is_named(tmp_path: Path) -> None:
    """And so is one that went away."""
    root = _write(tmp_path, "happy/a.png", "happy/b.png")
    data = load_folder_set(root, None)
    (root / "happy/a.png").write_bytes(b"")
    (root / "happy/b.png").unlink()
    with pytest.raises(DataError, match=r"happy/a\.png: not a picture"):
        data.read([0], 8, grey=True)
    with pytest.raises(DataError, match=r"happy/b\.png: cannot be read"):
        data.read([1], 8, grey=True)


def test_a_root_without_pictures_is_named(tmp_path: Path) -> None:
    """Missing, or empty."""
    with pytest.raises(DataError, match=r"cannot be read .* expected a folder of"):
        load_folder_set(tmp_path / "nowhere", None)
    (tmp_path / "happy").mkdir()
    with pytest.raises(DataError, match="got no pictures, expected a folder for each"):
        load_folder_set(tmp_path, None)
