"""Aff-Wild2's layouts: what is read, what is cut off, what is refused and where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_affect.errors import DataError
from tests.training.aff_wild2_tree import (
    AU_HEADER,
    EXPR_HEADER,
    FRAMES,
    write_crops,
    write_labels,
    write_tree,
)
from training.data.aff_wild2 import (
    format_report,
    load_aff_wild2,
    read_crops,
    read_sound,
    validate,
)
from training.data.aff_wild2.clips import fps_of
from training.data.aff_wild2.labels import read_multi_task, read_uni_task

MTL_HEADER = "image,valence,arousal,expression,aus"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a whole tiny root that a test may change."""
    return write_tree(tmp_path)


def test_load_reads_every_set_of_a_split(root: Path) -> None:
    """Six clips, sorted, each with its set's labels and no other."""
    clips = load_aff_wild2(root, "train", ("VA", "EXPR", "AU"))
    assert [clip.name for clip in clips][:2] == ["au-train-0", "au-train-1"]
    assert {clip.label_sets for clip in clips} == {("VA",), ("EXPR",), ("AU",)}
    expr = next(clip for clip in clips if clip.name == "expr-train-1")
    assert expr.expression.tolist() == [4, -1, *[4] * 10]
    assert np.isnan(expr.valence_arousal).all()


def test_load_turns_invalid_marks_into_no_label(root: Path) -> None:
    """-5 becomes NaN, for both values."""
    (clip,) = [c for c in load_aff_wild2(root, "valid") if c.name == "va-valid-1"]
    assert np.isnan(clip.valence_arousal[1]).all()
    assert clip.valence_arousal[0].tolist() == [0.5, -0.25]


def test_load_puts_sets_together_by_name(root: Path) -> None:
    """The uni-task label of a frame counts before the multi-task one."""
    (clip,) = [c for c in load_aff_wild2(root, "train") if c.name == "va-train-0"]
    assert clip.label_sets == ("VA", "MTL")
    assert clip.valence_arousal[0].tolist() == [0.5, -0.25]
    assert clip.valence_arousal[1] == pytest.approx([0.1, 0.2])
    assert clip.expression.tolist() == [6, 6, -1, -1, 6, *[-1] * 7]


def test_load_marks_missing_crops(root: Path) -> None:
    """Frame 3 has none; the row is there all the same."""
    clip = load_aff_wild2(root, "train")[0]
    assert np.flatnonzero(~clip.present).tolist() == [2]
    assert len(clip.present) == FRAMES
    assert clip.crop_path(0).name == "00001.jpg"


@pytest.mark.parametrize(("rows", "frames"), [(20, FRAMES), (7, 7)])
def test_load_cuts_to_the_shorter(root: Path, rows: int, frames: int) -> None:
    """More labels than crops, or fewer: both are said by the validator."""
    file = root / "VA_Estimation_Challenge/Train_Set/va-train-1.txt"
    write_labels(file, "valence,arousal", ["0,0"] * rows)
    (clip,) = [c for c in load_aff_wild2(root, "train") if c.name == "va-train-1"]
    assert len(clip.present) == len(clip.valence_arousal) == frames
    assert f"{rows} labels, last crop is 12" in format_report(validate(root))


def test_load_finds_the_sound_of_a_second_subject(root: Path) -> None:
    """``_left`` is not in the file's name."""
    file = root / "VA_Estimation_Challenge/Train_Set/va-train-0_left.txt"
    write_labels(file, "valence,arousal", ["0,0"] * 3)
    write_crops(root, "va-train-0_left", [1, 2, 3])
    (clip,) = [c for c in load_aff_wild2(root, "train") if c.name.endswith("_left")]
    assert clip.sound is not None
    assert clip.sound.name == "va-train-0.wav"


@pytest.mark.parametrize(
    "folder",
    [
        "EXPR_Recognition_Challenge",
        "EXPR_Classification_Challenge",
        "EXPR Set",
        "expr_set",
    ],
)
def test_load_knows_the_folders_of_other_editions(tmp_path: Path, folder: str) -> None:
    """Names with spaces, other words and other capitals."""
    file = tmp_path / "annotations" / folder / "Training_Set" / "a.txt"
    write_labels(file, EXPR_HEADER.replace(",", ", "), ["0", "7"])
    write_crops(tmp_path, "a", [1, 2])
    (clip,) = load_aff_wild2(tmp_path, "train")
    assert clip.expression.tolist() == [0, 7]


def test_multi_task_rows_may_name_each_unit(tmp_path: Path) -> None:
    """The later header has a column for every unit."""
    header = "image,valence,arousal,expression," + AU_HEADER
    row = "a_right/00002.jpg,-0.5,0.5,-1" + ",0" * 11 + ",-1"
    file = write_labels(tmp_path / "train_set.txt", header, [row])
    frames, labels = read_multi_task(file)["a_right"]
    assert frames.tolist() == [1]
    assert labels.expression.tolist() == [-1]
    assert np.isnan(labels.action_units[0, 11])


@pytest.mark.parametrize(
    ("task", "header", "rows", "told"),
    [
        ("VA", "valence,arousal", ["0,0", "1.3,0"], ":3: got valence, arousal 1.3, 0"),
        ("VA", "valence,arousal", ["0,nan"], ":2: got 'nan'"),
        ("VA", "valence,arousal", ["0,0", "0"], ":3: got 1 values, expected 2"),
        ("VA", "valence,arousal", ["0,x"], ":2: got 'x', expected a number"),
        ("VA", "arousal,valence", ["0,0"], ":1: got the header 'arousal,valence'"),
        ("EXPR", EXPR_HEADER, ["8"], ":2: got the class 8"),
        ("EXPR", EXPR_HEADER, ["1.5"], ":2: got the class 1.5"),
        ("AU", AU_HEADER, ["2" + ",0" * 11], ":2: got the action unit 2"),
        ("AU", AU_HEADER, ["", "0" + ",0" * 11], ":2: got 1 values, expected 12"),
    ],
)
def test_a_wrong_row_is_named(
    task: str, header: str, rows: list[str], told: str, tmp_path: Path
) -> None:
    """File and line, what was found, in one line."""
    file = write_labels(tmp_path / "bad.txt", header, rows)
    with pytest.raises(DataError) as refused:
        read_uni_task(file, task)
    assert f"bad.txt{told}" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("clip00001.jpg,0,0,0" + ",0" * 12, "expected CLIP/00001.jpg"),
        ("clip/00000.jpg,0,0,0" + ",0" * 12, "expected CLIP/00001.jpg"),
        ("clip/00001.jpg,0,0,0" + ",0" * 11, "got 14 values, expected 15"),
        ("clip/00001.jpg,0,0,9" + ",0" * 12, "got the class 9"),
    ],
)
def test_a_wrong_multi_task_row_is_named(row: str, told: str, tmp_path: Path) -> None:
    """The same for the file of all tasks."""
    file = write_labels(tmp_path / "train_set.txt", MTL_HEADER, [row])
    with pytest.raises(DataError, match=r"train_set\.txt:2: ") as refused:
        read_multi_task(file)
    assert told in str(refused.value)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    """Not even a header."""
    (tmp_path / "a.txt").write_text("\n\n")
    with pytest.raises(DataError, match=r"a\.txt: got an empty file"):
        read_uni_task(tmp_path / "a.txt", "VA")


@given(
    st.lists(
        st.tuples(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32)), min_size=1
    )
)
def test_any_valid_file_comes_back(rows: list[tuple[float, float]]) -> None:
    """What is written with full precision is read without a change."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        text = [f"{valence!r},{arousal!r}" for valence, arousal in rows]
        file = write_labels(Path(folder) / "a.txt", "valence,arousal", text)
        read = read_uni_task(file, "VA").valence_arousal
    assert np.array_equal(read, np.array(rows, np.float32))


def test_load_says_which_part_a_root_lacks(root: Path, tmp_path: Path) -> None:
    """No folder, no labels, no crops, no such split."""
    with pytest.raises(DataError, match="got no folder, expected Aff-Wild2's root"):
        load_aff_wild2(root / "nowhere", "train")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="got no folder of labels"):
        load_aff_wild2(empty, "train")
    write_labels(empty / "VA_Set/Train_Set/a.txt", "valence,arousal", ["0,0"])
    with pytest.raises(DataError, match="got no folder cropped_aligned"):
        load_aff_wild2(empty, "train")
    write_crops(empty, "a", [1])
    with pytest.raises(DataError, match="got no valid part of VA"):
        load_aff_wild2(empty, "valid", ("VA",))


def test_read_crops_are_rgb_of_the_asked_size(root: Path) -> None:
    """Enlarged to what a backbone takes."""
    clip = load_aff_wild2(root, "train")[0]
    crops = read_crops(clip, np.array([0, 4]), 32)
    assert crops.shape == (2, 32, 32, 3)


def test_a_corrupt_crop_is_named(root: Path) -> None:
    """The message has the file."""
    clip = load_aff_wild2(root, "train")[0]
    clip.crop_path(4).write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"00005\.jpg: not a picture"):
        read_crops(clip, np.array([4]), 32)


def test_read_sound_is_mono_of_16_khz(root: Path) -> None:
    """One second of 8 kHz becomes 16,000 samples, the tone as loud as it was."""
    pytest.importorskip("av")
    sound = read_sound(load_aff_wild2(root, "train")[0])
    assert len(sound) == pytest.approx(16_000, abs=50)
    assert float(np.sqrt((sound[2000:14000] ** 2).mean())) == pytest.approx(
        0.5 / np.sqrt(2), rel=0.02
    )


def test_a_clip_without_sound_is_named(root: Path) -> None:
    """Neither video nor WAV."""
    (root / "videos" / "au-train-0.wav").unlink()
    with pytest.raises(DataError, match="au-train-0"):
        read_sound(load_aff_wild2(root, "train")[0])


def test_frame_rate_is_told_by_names(tmp_path: Path) -> None:
    """Some names hold it; else it is 30."""
    assert fps_of("10-60-1280x720", None) == 60
    assert fps_of("135-24-1920x1080_right", None) == 24
    assert fps_of("video12", None) == 30


def test_validate_counts_what_is_there(root: Path) -> None:
    """Rows, labels and shares of each set and split."""
    report = validate(root)
    parts = {(part.name, part.split): part for part in report.parts}
    assert parts[("EXPR", "train")].clips == 2
    assert parts[("EXPR", "train")].labelled == 22
    assert "happiness 22" in parts[("EXPR", "train")].distribution
    assert report.clips_without_video == 12
    assert "readable" in format_report(report)
