"""Clips of Aff-Wild2: what is put together, cut off, seen and heard."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from edge_affect.errors import DataError, MissingDependencyError
from tests.training.aff_wild2_tree import (
    FRAMES,
    write_crops,
    write_labels,
    write_video,
)
from training.data.aff_wild2 import (
    LabelledClip,
    load_aff_wild2,
    read_crops,
    read_sound,
)

VA_TRAIN = "VA_Estimation_Challenge/Train_Set"


def _load(root: Path, name: str, split: str = "train") -> LabelledClip:
    """Return the clip of that name."""
    (clip,) = [clip for clip in load_aff_wild2(root, split) if clip.name == name]
    return clip


def test_load_reads_every_set_of_a_split(aff_wild2_tree: Path) -> None:
    """Six clips, sorted, each with its set's labels and no other."""
    clips = load_aff_wild2(aff_wild2_tree, "train", ("VA", "EXPR", "AU"))
    assert [clip.name for clip in clips][:2] == ["au-train-0", "au-train-1"]
    assert {clip.label_sets for clip in clips} == {("VA",), ("EXPR",), ("AU",)}
    expr = next(clip for clip in clips if clip.name == "expr-train-1")
    assert expr.expression.tolist() == [4, -1, *[4] * 10]
    assert np.isnan(expr.valence_arousal).all()
    assert expr.split == "train"


def test_load_gives_the_types_it_promises(aff_wild2_tree: Path) -> None:
    """Shapes and dtypes of one clip."""
    clip = _load(aff_wild2_tree, "va-train-0")
    assert clip.present.dtype == np.bool_
    assert clip.present.shape == (12,)
    assert clip.valence_arousal.dtype == clip.action_units.dtype == np.float32
    assert clip.valence_arousal.shape == (12, 2)
    assert clip.action_units.shape == (12, 12)
    assert clip.expression.dtype == np.int64


def test_load_turns_invalid_marks_into_no_label(aff_wild2_tree: Path) -> None:
    """-5 becomes NaN, for both values."""
    clip = _load(aff_wild2_tree, "va-valid-1", "valid")
    assert np.isnan(clip.valence_arousal[1]).all()
    assert clip.valence_arousal[0].tolist() == [0.5, -0.25]


def test_load_puts_sets_together_by_name(aff_wild2_tree: Path) -> None:
    """The uni-task label of a frame counts before the multi-task one."""
    clip = _load(aff_wild2_tree, "va-train-0")
    assert clip.label_sets == ("VA", "MTL")
    assert clip.valence_arousal[0].tolist() == [0.5, -0.25]
    assert clip.valence_arousal[1] == pytest.approx([0.1, 0.2])
    assert clip.expression.tolist() == [6, 6, -1, -1, 6, *[-1] * 7]


def test_load_marks_missing_crops(aff_wild2_tree: Path) -> None:
    """Frame 3 has none; the row is there all the same."""
    clip = load_aff_wild2(aff_wild2_tree, "train")[0]
    assert np.flatnonzero(~clip.present).tolist() == [2]
    assert len(clip.present) == FRAMES
    assert clip.crop_path(0).name == "00001.jpg"


def test_load_marks_only_crops_that_can_be_opened(aff_wild2_tree: Path) -> None:
    """Other suffixes, other widths and frame 0 are no crops of a frame."""
    folder = aff_wild2_tree / "cropped_aligned" / "va-train-1"
    for old, new in (("00001", "00001.JPEG"), ("00002", "2.jpg"), ("00004", "x.jpg")):
        (folder / f"{old}.jpg").rename(folder / new)
    (folder / "00005.jpg").rename(folder / "00000.jpg")
    clip = _load(aff_wild2_tree, "va-train-1")
    assert np.flatnonzero(clip.present).tolist() == [5, 6, 7, 8, 9, 10, 11]
    rows = np.flatnonzero(clip.present).tolist()
    assert all(clip.crop_path(row).is_file() for row in rows)


@pytest.mark.parametrize(("rows", "frames"), [(20, FRAMES), (7, 7), (12, 12)])
def test_load_cuts_to_the_shorter(aff_wild2_tree: Path, rows: int, frames: int) -> None:
    """More labels than crops, fewer, and as many."""
    file = aff_wild2_tree / VA_TRAIN / "va-train-1.txt"
    write_labels(file, "valence,arousal", ["0,0"] * rows)
    clip = _load(aff_wild2_tree, "va-train-1")
    assert len(clip.present) == len(clip.valence_arousal) == frames


def test_load_keeps_labels_of_faceless_last_frames(aff_wild2_tree: Path) -> None:
    """The video is longer than the crops: its frames count, seen or not."""
    pytest.importorskip("av")
    file = aff_wild2_tree / VA_TRAIN / "va-train-1.txt"
    write_labels(file, "valence,arousal", ["0,0"] * 20)
    write_video(aff_wild2_tree, "va-train-1", 15, Fraction(30))
    clip = _load(aff_wild2_tree, "va-train-1")
    assert len(clip.present) == 15
    assert not clip.present[FRAMES:].any()
    assert not np.isnan(clip.valence_arousal).any()


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(24000, 1001)])
def test_load_takes_the_rate_from_the_video(
    aff_wild2_tree: Path, fps: Fraction
) -> None:
    """Not every video has 30 frames a second, nor a whole number of them."""
    pytest.importorskip("av")
    write_video(aff_wild2_tree, "va-train-0", FRAMES, fps)
    clip = _load(aff_wild2_tree, "va-train-0")
    assert clip.fps == pytest.approx(float(fps), rel=1e-4)
    assert clip.video == aff_wild2_tree / "videos" / "va-train-0.mp4"


@pytest.mark.parametrize(
    ("name", "fps"),
    [("10-60-1280x720", 60), ("135-24-1920x1080_right", 24), ("video12", 30)],
)
def test_load_takes_the_rate_from_the_name(
    aff_wild2_tree: Path, name: str, fps: float
) -> None:
    """Some names hold it; else it is 30."""
    file = aff_wild2_tree / VA_TRAIN / f"{name}.txt"
    write_labels(file, "valence,arousal", ["0,0"])
    assert _load(aff_wild2_tree, name).fps == fps


def test_load_refuses_a_damaged_video(aff_wild2_tree: Path) -> None:
    """It is named."""
    pytest.importorskip("av")
    (aff_wild2_tree / "videos" / "va-train-0.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match=r"va-train-0\.mp4: no video that can be"):
        load_aff_wild2(aff_wild2_tree, "train")


@pytest.mark.parametrize("side", ["_left", "_right"])
def test_load_finds_the_sound_of_a_second_subject(
    aff_wild2_tree: Path, side: str
) -> None:
    """The side is in the names of labels and crops, not in the file's."""
    file = aff_wild2_tree / VA_TRAIN / f"va-train-0{side}.txt"
    write_labels(file, "valence,arousal", ["0,0"] * 3)
    write_crops(aff_wild2_tree, f"va-train-0{side}", [1, 2, 3])
    clip = _load(aff_wild2_tree, f"va-train-0{side}")
    assert clip.sound is not None
    assert clip.sound.name == "va-train-0.wav"
    assert clip.crops.name == f"va-train-0{side}"


def test_load_says_which_part_a_root_lacks(tmp_path: Path) -> None:
    """No folder, no labels, no crops, no such split, no such words."""
    with pytest.raises(DataError, match="got no folder, expected Aff-Wild2's root"):
        load_aff_wild2(tmp_path / "nowhere", "train")
    with pytest.raises(DataError, match="got no folder of labels"):
        load_aff_wild2(tmp_path, "train")
    write_labels(tmp_path / "VA_Set/Train_Set/a.txt", "valence,arousal", ["0,0"])
    with pytest.raises(DataError, match="got no folder cropped_aligned"):
        load_aff_wild2(tmp_path, "train")
    write_crops(tmp_path, "a", [1])
    with pytest.raises(DataError, match="got no valid part of VA; expected VA_Est"):
        load_aff_wild2(tmp_path, "valid", ("VA",))
    with pytest.raises(DataError, match="split: got 'test'"):
        load_aff_wild2(tmp_path, "test")
    with pytest.raises(DataError, match="set: got 'va'"):
        load_aff_wild2(tmp_path, "train", ("va",))


def test_read_crops_are_rgb_of_the_asked_size(aff_wild2_tree: Path) -> None:
    """Enlarged to what a backbone takes; red stays red."""
    import cv2

    clip = load_aff_wild2(aff_wild2_tree, "train")[0]
    red = np.full((16, 16, 3), (0, 0, 255), np.uint8)
    clip.crop_path(4).write_bytes(cv2.imencode(".jpg", red)[1].tobytes())
    crops = read_crops(clip, np.array([0, 4]), 32)
    assert crops.shape == (2, 32, 32, 3)
    assert crops.dtype == np.uint8
    assert crops[1, 16, 16].tolist() == pytest.approx([255, 0, 0], abs=3)


@pytest.mark.parametrize("keep", [0, 2, 300, -60, -2])
def test_a_corrupt_crop_is_named(aff_wild2_tree: Path, keep: int) -> None:
    """Empty, cut short at once, in the head, in the picture, or at the very end."""
    path = load_aff_wild2(aff_wild2_tree, "train")[0].crop_path(4)
    path.write_bytes(path.read_bytes()[:keep])
    clip = load_aff_wild2(aff_wild2_tree, "train")[0]
    with pytest.raises(DataError, match=r"00005\.jpg: not a picture"):
        read_crops(clip, np.array([4]), 32)


def test_a_crop_that_is_not_there_is_named(aff_wild2_tree: Path) -> None:
    """Whoever asks for a frame that is not present is told."""
    clip = load_aff_wild2(aff_wild2_tree, "train")[0]
    with pytest.raises(DataError, match=r"00003\.jpg: cannot be read \(No such file"):
        read_crops(clip, np.array([2]), 32)


def test_read_sound_is_mono_of_16_khz(aff_wild2_tree: Path) -> None:
    """One second of 8 kHz becomes 16,000 samples, the tone as loud as it was."""
    pytest.importorskip("av")
    sound = read_sound(load_aff_wild2(aff_wild2_tree, "train")[0])
    assert sound.dtype == np.float32
    assert len(sound) == pytest.approx(16_000, abs=50)
    assert float(np.sqrt((sound[2000:14000] ** 2).mean())) == pytest.approx(
        0.5 / np.sqrt(2), rel=0.02
    )


def test_read_sound_of_a_video(aff_wild2_tree: Path) -> None:
    """Its audio stream, where no WAV file lies beside it."""
    pytest.importorskip("av")
    (aff_wild2_tree / "videos" / "va-train-0.wav").unlink()
    write_video(aff_wild2_tree, "va-train-0", FRAMES, Fraction(12))
    sound = read_sound(_load(aff_wild2_tree, "va-train-0"))
    assert len(sound) == pytest.approx(16_000, abs=2048)  # AAC pads to its blocks
    assert not sound.any()


def test_a_video_without_sound_is_named(aff_wild2_tree: Path) -> None:
    """It says so."""
    pytest.importorskip("av")
    (aff_wild2_tree / "videos" / "va-train-0.wav").unlink()
    write_video(aff_wild2_tree, "va-train-0", FRAMES, Fraction(12), sound=False)
    with pytest.raises(DataError, match=r"va-train-0\.mp4: has no sound"):
        read_sound(_load(aff_wild2_tree, "va-train-0"))


def test_a_clip_without_sound_is_named(aff_wild2_tree: Path) -> None:
    """Neither video nor WAV."""
    (aff_wild2_tree / "videos" / "au-train-0.wav").unlink()
    with pytest.raises(DataError, match="au-train-0: got neither a video nor a WAV"):
        read_sound(load_aff_wild2(aff_wild2_tree, "train")[0])


def test_damaged_sound_is_named(aff_wild2_tree: Path) -> None:
    """A WAV file that is none, and one that holds no sample."""
    pytest.importorskip("av")
    path = aff_wild2_tree / "videos" / "au-train-0.wav"
    header = path.read_bytes()[:40] + bytes(4)
    clip = load_aff_wild2(aff_wild2_tree, "train")[0]
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"au-train-0\.wav: its sound cannot be"):
        read_sound(clip)
    path.write_bytes(header)
    with pytest.raises(DataError, match=r"au-train-0\.wav: its sound "):
        read_sound(clip)


def test_without_pyav_the_extra_is_named(
    aff_wild2_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a video's rate and for sound; labels alone need neither."""
    clip = load_aff_wild2(aff_wild2_tree, "train")[0]
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"pip install .\.\[train\]"):
        read_sound(clip)
    assert load_aff_wild2(aff_wild2_tree, "train")
    (aff_wild2_tree / "videos" / "au-train-0.mp4").touch()
    with pytest.raises(MissingDependencyError, match="'av'"):
        load_aff_wild2(aff_wild2_tree, "train")
