"""The validator: what it counts, what it points out, and that it refuses."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import pytest

from edge_affect.errors import DataError
from tests.training.aff_wild2_tree import (
    AU_HEADER,
    FRAMES,
    write_crops,
    write_labels,
    write_video,
)
from training.data.aff_wild2 import format_report, validate
from training.data.aff_wild2.report import Finding

VA_TRAIN = "VA_Estimation_Challenge/Train_Set"


def _found(root: Path, text: str) -> Finding:
    """Return the one finding that holds ``text``."""
    (finding,) = [found for found in validate(root).findings if text in found.text]
    return finding


def test_validate_counts_what_is_there(aff_wild2_tree: Path) -> None:
    """Clips, frames, labels and their spread, for each set and split."""
    report = validate(aff_wild2_tree)
    parts = {(part.name, part.split): part for part in report.parts}
    assert len(parts) == 8
    expr, affect = parts[("EXPR", "train")], parts[("VA", "valid")]
    assert (expr.clips, expr.frames, expr.labelled, expr.unseen) == (2, 24, 22, 2)
    assert "happiness 22" in expr.distribution
    assert affect.distribution == "valence +0.50 ± 0.00, arousal -0.25 ± 0.00"
    assert "AU1 100%, AU2 0%" in parts[("AU", "train")].distribution
    mixed = parts[("MTL", "train")]
    assert (mixed.clips, mixed.frames, mixed.labelled) == (1, 5, 3)
    assert report.clips_without_video == 12


def test_validate_counts_partly_labelled_units(aff_wild2_tree: Path) -> None:
    """A frame with one valid unit is labelled; shares are of valid ones."""
    file = aff_wild2_tree / "AU_Detection_Challenge/Train_Set/au-train-0.txt"
    write_labels(file, AU_HEADER, ["1" + ",-1" * 11, ",".join(["-1"] * 12)])
    (aff_wild2_tree / "AU_Detection_Challenge/Train_Set/au-train-1.txt").unlink()
    (part,) = [
        part
        for part in validate(aff_wild2_tree).parts
        if (part.name, part.split) == ("AU", "train")
    ]
    assert part.labelled == 1
    assert part.distribution.startswith("AU1 100%, AU2 0%")


@pytest.mark.parametrize(
    ("rows", "line", "text"),
    [
        (20, FRAMES + 2, "20 labels for 12 frames: the last labels are cut off"),
        (7, None, "7 labels for 12 frames: the last frames are cut off"),
    ],
)
def test_validate_notes_labels_that_do_not_fit(
    aff_wild2_tree: Path, rows: int, line: int | None, text: str
) -> None:
    """At the file, and at the first line that is cut off."""
    file = aff_wild2_tree / VA_TRAIN / "va-train-1.txt"
    write_labels(file, "valence,arousal", ["0,0"] * rows)
    assert _found(aff_wild2_tree, " labels for ") == Finding("note", file, line, text)


def test_validate_names_the_clip_of_a_multi_task_file(aff_wild2_tree: Path) -> None:
    """One file speaks of many clips."""
    row = "va-train-0/00099.jpg,0,0,0" + ",0" * 12
    file = aff_wild2_tree / "MTL_Challenge" / "train_set.txt"
    write_labels(file, "image,valence,arousal,expression,aus", [row])
    finding = _found(aff_wild2_tree, " labels for ")
    assert finding.file == file
    assert finding.text.startswith("va-train-0: 99 labels for 12 frames")


def test_validate_warns_of_missing_crops(aff_wild2_tree: Path) -> None:
    """Of a clip without any, and of one without most."""
    shutil.rmtree(aff_wild2_tree / "cropped_aligned" / "va-train-1")
    assert _found(aff_wild2_tree, "no crops").file.name == "va-train-1"
    write_crops(aff_wild2_tree, "va-train-1", [1, 12])
    finding = _found(aff_wild2_tree, "have no crop")
    assert finding.text == "9 of 11 labelled frames have no crop"
    assert finding.severity == "warning"


def test_validate_warns_of_an_assumed_frame_rate(aff_wild2_tree: Path) -> None:
    """Whether 30 is a guess, and whether there is any sound."""
    (aff_wild2_tree / "videos" / "va-train-1.wav").unlink()
    header = "valence,arousal"
    write_labels(aff_wild2_tree / VA_TRAIN / "1-24-640x480.txt", header, ["0,0"])
    texts = {found.file.name: found.text for found in validate(aff_wild2_tree).findings}
    assert texts["va-train-0"] == (
        "no video va-train-0: 30 frames a second are assumed"
    )
    assert texts["va-train-1"] == (
        "no video va-train-1: no sound, and 30 frames a second are assumed"
    )
    known = _found(aff_wild2_tree, "no video 1-24-640x480")
    assert known.text.endswith("24 frames a second are known from its name")


def test_validate_is_content_with_a_whole_clip(tmp_path: Path) -> None:
    """As many crops as labels as frames: only the other sets are missing."""
    pytest.importorskip("av")
    for split in ("Train_Set", "Validation_Set"):
        file = tmp_path / "VA_Estimation_Challenge" / split / f"{split}.txt"
        write_labels(file, "valence,arousal", ["0,0"] * 4)
        write_crops(tmp_path, split, [1, 2, 3, 4])
        write_video(tmp_path, split, 4, Fraction(25))
    report = validate(tmp_path)
    assert report.clips_without_video == 0
    assert [found.text.split(",")[0] for found in report.findings] == [
        "no EXPR labels",
        "no AU labels",
        "no MTL labels",
    ]
    assert {found.severity for found in report.findings} == {"note"}


def test_validate_says_which_part_is_missing(aff_wild2_tree: Path) -> None:
    """A whole set is a note, half a set a warning; both say what was expected."""
    shutil.rmtree(aff_wild2_tree / "EXPR_Classification_Challenge")
    shutil.rmtree(aff_wild2_tree / "AU_Detection_Challenge" / "Validation_Set")
    whole = _found(aff_wild2_tree, "no EXPR labels")
    half = _found(aff_wild2_tree, "no AU valid labels")
    assert (whole.severity, half.severity) == ("note", "warning")
    expected = "expected AU_Detection_Challenge/{Train_Set,Validation_Set}"
    assert half.text.endswith(expected)


def test_validate_warns_of_a_video_in_both_splits(aff_wild2_tree: Path) -> None:
    """The other subject of a video counts: the sound is the same."""
    folder = aff_wild2_tree / "AU_Detection_Challenge" / "Validation_Set"
    write_labels(folder / "va-train-0_left.txt", AU_HEADER, [",".join("0" * 12)])
    finding = _found(aff_wild2_tree, "test frames")
    assert finding.text.startswith("va-train-0 is in train (VA, MTL) and valid (AU)")


def test_validate_refuses_the_first_wrong_label(aff_wild2_tree: Path) -> None:
    """With file and line."""
    file = aff_wild2_tree / VA_TRAIN / "va-train-1.txt"
    write_labels(file, "valence,arousal", ["0,0", "0,1.3"])
    with pytest.raises(DataError, match=r"va-train-1\.txt:3: got valence, arousal 0,"):
        validate(aff_wild2_tree)


def test_format_report_puts_warnings_first_and_stops(aff_wild2_tree: Path) -> None:
    """No more than twenty findings are shown, all are counted."""
    for number in range(30):
        file = aff_wild2_tree / VA_TRAIN / f"x{number:02}.txt"
        write_labels(file, "valence,arousal", ["0,0"])
    file = aff_wild2_tree / VA_TRAIN / "va-train-1.txt"
    write_labels(file, "valence,arousal", ["0,0"] * 20)
    report = validate(aff_wild2_tree)
    severities = [found.severity for found in report.findings]
    assert severities == ["warning"] * 72 + ["note"]
    text = format_report(report)
    assert text.count("\nwarning: ") == 20
    assert "\n… and 53 more\n" in text
    assert text.endswith("readable; warnings: 72, notes: 1\n")


def test_a_finding_shows_its_line() -> None:
    """As compilers do, so that editors jump there."""
    place = Path("a.txt")
    assert str(Finding("note", place, 7, "odd")) == "note: a.txt:7: odd"
    assert str(Finding("warning", place, None, "odd")) == "warning: a.txt: odd"
