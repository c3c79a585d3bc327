"""The layouts of the editions, and what unpacking and linking make of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_affect.errors import DataError
from tests.training.aff_wild2_tree import (
    AU_HEADER,
    EXPR_HEADER,
    write_crops,
    write_labels,
)
from training.data.aff_wild2 import load_aff_wild2
from training.data.aff_wild2.layout import find_layout

MTL_HEADER = "image,valence,arousal,expression,aus"
MTL_ROW = "va-train-0/00001.jpg,0,0,6" + ",1" * 12
TASKS = {
    "VA": ("valence,arousal", "0,0"),
    "EXPR": (EXPR_HEADER, "0"),
    "AU": (AU_HEADER, "0" + ",0" * 11),
}


@pytest.mark.parametrize(
    ("task", "folder", "split"),
    [
        ("VA", "annotations/VA_Set/Training_Set", "train"),
        ("EXPR", "annotations/EXPR_Set/Validation_Set", "valid"),
        ("AU", "annotations/AU_Set/Train_Set", "train"),
        ("EXPR", "EXPR_Classification_Challenge/Train_Set", "train"),
        ("EXPR", "6th ABAW Annotations/EXPR_Recognition_Challenge/Train_Set", "train"),
        ("VA", "5th_ABAW_Annotations/VA_Estimation_Challenge/Train_Set", "train"),
        ("AU", "AU Detection Challenge/Validation Set", "valid"),
        ("VA", "va_estimation_challenge/validation_set", "valid"),
    ],
)
def test_folders_of_every_edition_are_known(
    tmp_path: Path, task: str, folder: str, split: str
) -> None:
    """Other words, spaces and capitals, under whatever folder they lie."""
    header, row = TASKS[task]
    write_labels(tmp_path / folder / "a.txt", header, [row])
    write_crops(tmp_path, "a", [1])
    (clip,) = load_aff_wild2(tmp_path, split)
    assert clip.label_sets == (task,)


@pytest.mark.parametrize(
    "file",
    [
        "MTL_Challenge/train_set.txt",
        "MTL Challenge/Train Set.txt",
        "annotations/training_set_annotations.txt",
        "training_set_annotations.txt",
    ],
)
def test_multi_task_files_of_every_edition_are_known(
    aff_wild2_tree: Path, file: str
) -> None:
    """In a folder of their own, or anywhere under a name of their own."""
    shutil.rmtree(aff_wild2_tree / "MTL_Challenge")
    write_labels(aff_wild2_tree / file, MTL_HEADER, [MTL_ROW])
    (clip,) = load_aff_wild2(aff_wild2_tree, "train", ("MTL",))
    assert clip.name == "va-train-0"


@pytest.mark.parametrize(
    "folder",
    [
        "cropped_aligned_new_50_vids",
        "batch2/cropped_aligned",
        "cropped_aligned/cropped_aligned",
        "cropped_aligned/cropped_aligned_new_50_vids",
        "cropped_aligned_images/cropped_aligned",
    ],
)
def test_crops_may_lie_in_several_folders(aff_wild2_tree: Path, folder: str) -> None:
    """As the archives unpack; a clip's crops are in one of them."""
    (aff_wild2_tree / folder).mkdir(parents=True)
    crops = aff_wild2_tree / "cropped_aligned" / "va-train-1"
    shutil.move(crops, aff_wild2_tree / folder / "va-train-1")
    clips = load_aff_wild2(aff_wild2_tree, "train")
    assert [int(clip.present.sum()) for clip in clips] == [11] * 6
    assert clips[-1].crops == aff_wild2_tree / folder / "va-train-1"


def test_crops_that_are_not_aligned_are_passed_over(aff_wild2_tree: Path) -> None:
    """``cropped`` holds other pictures of the same names."""
    crops = aff_wild2_tree / "cropped_aligned" / "va-train-1"
    shutil.copytree(crops, aff_wild2_tree / "cropped" / "va-train-1")
    assert find_layout(aff_wild2_tree).crops_of("va-train-1") == crops


def test_linked_folders_are_followed(aff_wild2_tree: Path, tmp_path: Path) -> None:
    """Large parts lie on other disks; a link back to the root ends nowhere."""
    for name in ("cropped_aligned", "videos", "VA_Estimation_Challenge"):
        target = tmp_path / "disk" / name
        shutil.move(aff_wild2_tree / name, target)
        (aff_wild2_tree / name).symlink_to(target)
    (aff_wild2_tree / "back").symlink_to(aff_wild2_tree)
    clips = load_aff_wild2(aff_wild2_tree, "train")
    assert [int(clip.present.sum()) for clip in clips] == [11] * 6
    assert all(clip.sound is not None for clip in clips)


def test_what_other_systems_leave_behind_is_passed_over(aff_wild2_tree: Path) -> None:
    """Shadow folders and hidden files hold no labels."""
    for folder in ("__MACOSX/VA_Set/Train_Set", "VA_Estimation_Challenge/Train_Set"):
        path = aff_wild2_tree / folder / "._va-train-0.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0\5\x16\7\xff")
    assert len(load_aff_wild2(aff_wild2_tree, "train")) == 6


def test_two_editions_under_one_root_are_refused(aff_wild2_tree: Path) -> None:
    """Their labels differ, and which ones count would be chance."""
    path = aff_wild2_tree / "old" / "VA_Set" / "Training_Set" / "va-train-0.txt"
    write_labels(path, "valence,arousal", ["0,0"])
    with pytest.raises(DataError, match=r"VA train a second time, after .* only one"):
        load_aff_wild2(aff_wild2_tree, "train")


def test_a_root_may_be_named_as_a_part_is(tmp_path: Path) -> None:
    """The root's own name says nothing."""
    root = tmp_path / "cropped"
    write_labels(root / "VA_Set/Train_Set/a.txt", "valence,arousal", ["0,0"])
    write_crops(root, "a", [1])
    assert len(load_aff_wild2(root, "train")) == 1


def test_a_second_subjects_own_video_comes_first(aff_wild2_tree: Path) -> None:
    """Where a file has the side in its name, it is the one."""
    for name in ("two", "two_left"):
        (aff_wild2_tree / "videos" / f"{name}.mp4").touch()
    layout = find_layout(aff_wild2_tree)
    videos = [layout.video_of(f"two{side}") for side in ("", "_left", "_right")]
    assert [video.stem for video in videos if video] == ["two", "two_left", "two"]
    assert layout.video_of("three_left") is None
