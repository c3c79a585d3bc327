"""Where the editions of the challenge keep what: folder names, videos, crops."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge_affect.errors import DataError

UNI_TASK_SETS = ("VA", "EXPR", "AU")
"""Sets with one file of labels for each clip."""
SETS = (*UNI_TASK_SETS, "MTL")
"""All sets; where two speak of one frame, the first one here counts."""
SPLITS = ("train", "valid")
"""The parts that come with labels."""
EXPECTED = {
    "VA": "VA_Estimation_Challenge/{Train_Set,Validation_Set}",
    "EXPR": "EXPR_Classification_Challenge/{Train_Set,Validation_Set}",
    "AU": "AU_Detection_Challenge/{Train_Set,Validation_Set}",
    "MTL": "MTL_Challenge/{train_set,validation_set}.txt",
}
"""What each set looks like in the newer editions, for messages."""
VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm")
"""Containers that the videos come in."""
# Letters alone, lower case: editions differ in spaces, underscores and capitals.
_SET_FOLDERS = {
    "vaestimationchallenge": "VA",  # ABAW 3 to 10
    "vaset": "VA",  # ABAW 2
    "va": "VA",
    "exprclassificationchallenge": "EXPR",  # ABAW 3 and 5
    "exprrecognitionchallenge": "EXPR",  # ABAW 6 to 10
    "exprset": "EXPR",  # ABAW 2
    "expressionset": "EXPR",
    "expr": "EXPR",
    "audetectionchallenge": "AU",  # ABAW 3 to 10
    "auset": "AU",  # ABAW 2
    "au": "AU",
    "mtlchallenge": "MTL",  # ABAW 3
    "multitasklearningchallenge": "MTL",
    "mtl": "MTL",
}
_SPLIT_NAMES = {
    "trainset": "train",
    "trainingset": "train",  # ABAW 2
    "train": "train",
    "validationset": "valid",
    "validation": "valid",
    "valset": "valid",
    "validset": "valid",
    "val": "valid",
    "valid": "valid",
}
_MTL_FILES = {
    # ABAW 4 and 7: the files lie anywhere, with no folder of their own.
    "trainingsetannotations": "train",
    "trainsetannotations": "train",
    "validationsetannotations": "valid",
}
_SUBJECT = re.compile(r"_(left|right)(_\d+)?$")


@dataclass(frozen=True, slots=True)
class Layout:
    """What was found under one data root."""

    root: Path
    """The data root."""
    labels: dict[tuple[str, str], dict[str, Path]] = field(default_factory=dict)
    """(set, split) → clip → its file; for MTL the one file, under the name ''."""
    crops: dict[str, Path] = field(default_factory=dict)
    """Clip → folder of its crops."""
    videos: dict[str, Path] = field(default_factory=dict)
    """Name without suffix → video file."""
    sounds: dict[str, Path] = field(default_factory=dict)
    """Name without suffix → WAV file."""

    def crops_of(self, clip: str) -> Path:
        """Return the folder of a clip's crops, or where it would be."""
        return self.crops.get(clip, self.root / "cropped_aligned" / clip)

    def video_of(self, clip: str) -> Path | None:
        """Return the video of a clip; a second subject's is named without its side."""
        return _of(clip, self.videos)

    def sound_of(self, clip: str) -> Path | None:
        """Return the WAV file of a clip, named as its video is."""
        return _of(clip, self.sounds)


def video_name(clip: str) -> str:
    """Return the name of a clip's video: without ``_left`` or ``_right``."""
    return _SUBJECT.sub("", clip)


def _of(clip: str, files: dict[str, Path]) -> Path | None:
    return files.get(clip) or files.get(video_name(clip))


def find_layout(root: Path) -> Layout:
    """Look through a data root, symbolic links included.

    Raises:
        DataError: It is no folder, has no labels at all, or has no crops; two folders
            hold labels of one set and split; a folder cannot be read.
    """
    if not root.is_dir():
        raise DataError(
            f"{root}: got no folder, expected Aff-Wild2's root with its "
            "VA_Estimation_Challenge, EXPR_…, AU_… or MTL_Challenge and cropped_aligned"
        )
    layout = Layout(root)
    for here, files in _folders(root, layout.crops):
        _note_labels(here, files, layout)
        for path in map(here.joinpath, files):
            if path.suffix.lower() in VIDEO_SUFFIXES:
                layout.videos.setdefault(path.stem, path)
            elif path.suffix.lower() == ".wav":
                layout.sounds.setdefault(path.stem, path)
    if not layout.labels:
        raise DataError(
            f"{root}: got no folder of labels, expected one of "
            f"{', '.join(EXPECTED.values())}"
        )
    if not layout.crops:
        raise DataError(
            f"{root}: got no folder cropped_aligned with crops, expected one with a "
            "folder of crops for each clip, such as cropped_aligned/CLIP/00001.jpg"
        )
    return layout


def _folders(root: Path, crops: dict[str, Path]) -> Iterator[tuple[Path, list[str]]]:
    """Yield folders with their files; those of crops are noted, never listed."""
    seen: set[str] = set()
    for folder, below, files in os.walk(root, followlinks=True, onerror=_unreadable):
        here = Path(folder)
        real = os.path.realpath(folder)
        if real in seen:  # a link back to where we came from
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if _is_ours(name))
        if here != root and _is_crops(here.name):
            # Archives unpack into a folder of their own name; the rest is millions of
            # pictures.
            clips = [name for name in below if not _is_crops(name)]
            below[:] = [name for name in below if _is_crops(name)]
            if "aligned" in _plain(here.name):
                for name in clips:
                    crops.setdefault(name, here / name)
        yield here, sorted(filter(_is_ours, files))


def _is_crops(name: str) -> bool:
    """Return whether a folder is one such as ``cropped_aligned_new_50_vids``."""
    return _plain(name).startswith("cropped")


def _is_ours(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"


def _unreadable(error: OSError) -> None:
    raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _note_labels(here: Path, files: list[str], layout: Layout) -> None:
    texts = {Path(file).stem: here / file for file in files if _is_text(file)}
    for stem, path in texts.items():
        split = _MTL_FILES.get(_plain(stem))
        if split is None and _SET_FOLDERS.get(_plain(here.name)) == "MTL":
            split = _SPLIT_NAMES.get(_plain(stem))
        if split is not None:
            _note(layout, ("MTL", split), {"": path}, path)
    kind = _SET_FOLDERS.get(_plain(here.parent.name))
    split = _SPLIT_NAMES.get(_plain(here.name))
    if kind in UNI_TASK_SETS and split is not None and texts:
        _note(layout, (kind, split), texts, here)


def _is_text(file: str) -> bool:
    return file.lower().endswith(".txt")


def _note(
    layout: Layout, part: tuple[str, str], found: dict[str, Path], place: Path
) -> None:
    if part in layout.labels:
        first = next(iter(layout.labels[part].values()))
        raise DataError(
            f"{place}: got labels of {part[0]} {part[1]} a second time, after {first}; "
            "expected those of one edition, keep only one under a root"
        )
    layout.labels[part] = found
