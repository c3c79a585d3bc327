"""The readers' protocols and splits on a made data root, and clear refusals."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_affect.errors import DataError
from training.data.diffusionfer import load_diffusionfer
from training.data.emodb import load_emodb, read_speech
from training.data.ferplus import NO_EXPRESSION, VOTE_NAMES, load_ferplus
from training.data.photos import load_photos
from training.data.root import DEV_SHARE, HELD_OUT_SHARE, unit_hash


def test_unit_hash_is_fixed() -> None:
    """The split is the same on every machine."""
    assert unit_hash("a") == int("ca978112", 16) / 0xFFFFFFFF


def test_ferplus_keeps_a_tenth_for_selection(made_root: Path) -> None:
    """Train and dev are disjoint, cover the file, and follow the hash."""
    train, dev = (load_ferplus(made_root, part).names for part in ("train", "dev"))
    assert not set(train) & set(dev)
    assert len(train) + len(dev) == 60
    assert {unit_hash(name) < DEV_SHARE for name in dev} == {True}
    assert {unit_hash(name) < DEV_SHARE for name in train} == {False}
    assert len(load_ferplus(made_root, "valid").names) == 60


def test_ferplus_drops_single_votes(made_root: Path) -> None:
    """One vote is noise: set to 0."""
    data = load_ferplus(made_root, "valid")
    assert set(np.unique(data.votes)) == {0.0, 8.0}
    assert data.soft_labels.sum(axis=1) == pytest.approx(1)


def test_ferplus_skips_unvoted_pictures_and_takes_the_first_on_a_tie(
    tmp_path: Path, made_root: Path
) -> None:
    """A picture of single votes is left out; a tie goes to the table's first."""
    shutil.copytree(made_root / "ferplus", tmp_path / "ferplus")
    header = ",".join(("image", *VOTE_NAMES, *NO_EXPRESSION))
    rows = ["one.jpg,1,1,1,0,0,0,0,0,0,0", "tie.jpg,0,4,4,0,0,0,0,0,0,0"]
    (tmp_path / "ferplus/valid.csv").write_text("\n".join((header, *rows)))
    data = load_ferplus(tmp_path, "valid")
    assert data.names == ["tie.jpg"]
    assert VOTE_NAMES[data.labels[0]] == "happiness"
    assert data.ties.tolist() == [True]


def test_ferplus_majority_counts_every_vote(tmp_path: Path, made_root: Path) -> None:
    """Over half of all votes must be for the expression, single ones left out."""
    shutil.copytree(made_root / "ferplus", tmp_path / "ferplus")
    header = ",".join(("image", *VOTE_NAMES, *NO_EXPRESSION))
    rows = [
        "kept.jpg,0,5,0,0,0,0,0,0,4,1",
        "half.jpg,0,5,0,0,0,0,0,0,5,0",
        "unknown.jpg,0,3,0,0,0,0,0,0,7,0",
    ]
    (tmp_path / "ferplus/valid.csv").write_text("\n".join((header, *rows)))
    data = load_ferplus(tmp_path, "valid")
    assert data.majority.tolist() == [True, False, False]
    assert data.ties.tolist() == [False] * 3


def test_held_out_parts_follow_the_hash(made_root: Path) -> None:
    """A fifth of DiffusionFER and of the photographs is never trained on."""
    pictures, photos = (
        [load(made_root, part).names for part in ("train", "valid")]
        for load in (load_diffusionfer, load_photos)
    )
    for train, valid in (pictures, photos):
        assert train
        assert valid
        assert all(unit_hash(name) >= HELD_OUT_SHARE for name in train)
        assert all(unit_hash(name) < HELD_OUT_SHARE for name in valid)


def test_photos_come_as_they_are(made_root: Path) -> None:
    """Originals keep their size and colour."""
    photos = load_photos(made_root, "valid")
    pictures = list(photos.archive.originals(photos.names))
    assert {picture.shape for picture in pictures} == {(80, 80, 3)}


def test_emodb_is_split_by_speaker(made_root: Path) -> None:
    """No speaker is in both parts."""
    train, valid = (
        {utterance.speaker for utterance in load_emodb(made_root, part)}
        for part in ("train", "valid")
    )
    assert (train, valid) == ({"03", "09"}, {"08"})


def test_emodb_reads_mono_sound(made_root: Path) -> None:
    """One second is 16,000 samples in range."""
    sound = read_speech(load_emodb(made_root, "train")[0])
    assert sound.shape == (16_000,)
    assert sound.dtype == np.float32
    assert np.abs(sound).max() <= 1


@pytest.mark.parametrize(
    "load",
    [
        lambda root: load_ferplus(root, "train"),
        lambda root: load_diffusionfer(root, "train"),
        lambda root: load_photos(root, "train"),
        lambda root: load_emodb(root, "train"),
    ],
)
def test_readers_refuse_an_empty_root(
    load: Callable[[Path], object], tmp_path: Path
) -> None:
    """The error is one line and names the file."""
    with pytest.raises(DataError, match=r"\.csv: is not there") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def _break_table(root: Path) -> None:
    (root / "ferplus/train.csv").write_text("image,happy\na.jpg,1\n")


def _break_archive(root: Path) -> None:
    (root / "ferplus/train.zip").write_bytes(b"no zip")


def _drop_archive(root: Path) -> None:
    (root / "ferplus/train.zip").unlink()


@pytest.mark.parametrize("damage", [_break_table, _break_archive, _drop_archive])
def test_ferplus_refuses_damaged_files(
    damage: Callable[[Path], None], made_root: Path, tmp_path: Path
) -> None:
    """A wrong header, a damaged and a missing archive are one clear line each."""
    shutil.copytree(made_root / "ferplus", tmp_path / "ferplus")
    damage(tmp_path)
    with pytest.raises(DataError, match=r"ferplus/train\.(csv|zip)"):
        data = load_ferplus(tmp_path, "train")
        data.archive.read(data.names, 48, grey=True)


def test_emodb_refuses_damaged_sound(made_root: Path, tmp_path: Path) -> None:
    """A file that is no sound is one clear line."""
    shutil.copytree(made_root / "emodb", tmp_path / "emodb")
    utterance = load_emodb(tmp_path, "train")[0]
    utterance.path.write_bytes(b"no sound")
    with pytest.raises(DataError, match=r"\.flac: cannot be read"):
        read_speech(utterance)


def test_emodb_refuses_an_unknown_emotion(tmp_path: Path) -> None:
    """The message lists what is known."""
    (tmp_path / "emodb").mkdir()
    (tmp_path / "emodb/labels.csv").write_text(
        "file,speaker,text,emotion,split\na.flac,03,a01,glee,train\n"
    )
    with pytest.raises(DataError, match="glee"):
        load_emodb(tmp_path, "train")
