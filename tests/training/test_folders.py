"""Sets with a folder for each expression."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_affect.errors import DataError
from training.data.folders import load_folder_set


def _write(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("no picture")
        else:
            cv2.imwrite(str(path), np.full((10, 10, 3), 200, np.uint8))
    return root


def test_usual_names_are_recognised(tmp_path: Path) -> None:
    """Capitals and adjectives are the same expressions."""
    root = _write(tmp_path, "train/Happy/a.png", "train/anger/b.jpg", "val/sad/c.png")
    found = load_folder_set(root, "train")
    assert found.expressions == ("happiness", "anger")
    assert load_folder_set(root, "valid").expressions == ("sadness",)


def test_a_set_without_parts_is_split_by_name(tmp_path: Path) -> None:
    """About a fifth is held out; nothing is in both; the same every time."""
    root = _write(tmp_path, *(f"fear/{n}.png" for n in range(60)))
    train, valid = (load_folder_set(root, part) for part in ("train", "valid"))
    assert set(train.paths).isdisjoint(valid.paths)
    assert len(train.paths) + len(valid.paths) == 60
    assert 4 <= len(valid.paths) <= 22
    assert load_folder_set(root, "valid") == valid


def test_own_classes_may_be_named(tmp_path: Path) -> None:
    """What the folders are called is the user's choice."""
    root = _write(tmp_path, "0/a.png", "1/b.png")
    names = {"0": "anger", "1": "fear"}
    both = [
        load_folder_set(root, part, names).expressions for part in ("train", "valid")
    ]
    assert sorted(sum(both, ())) == ["anger", "fear"]


def test_read_gives_squares(tmp_path: Path) -> None:
    """Luma or BGR, in the order asked for."""
    found = load_folder_set(_write(tmp_path, "train/sad/a.png"), "train")
    rows = np.array([0, 0])
    assert found.read(rows, 8, grey=True).shape == (2, 8, 8)
    assert found.read(rows, 8, grey=False).shape == (2, 8, 8, 3)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("grumpy/a.png",), "grumpy: got a folder of no known expression"),
        (("sad/readme.txt",), "got no picture"),
        (("train/sad/a.png",), "got no folder valid"),
    ],
)
def test_what_is_no_such_set_is_refused(
    names: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    """Each in one line."""
    with pytest.raises(DataError, match=told):
        load_folder_set(_write(tmp_path, *names), "valid")


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    """The message has the file."""
    root = _write(tmp_path, "train/sad/a.png")
    (root / "train/sad/a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"a\.png: not a picture"):
        load_folder_set(root, "train").read(np.array([0]), 8, grey=True)
