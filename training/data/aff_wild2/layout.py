"""Where the editions of the challenge keep what: folder names, videos, crops."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from edge_affect.errors import DataError

UNI_TASK_SETS = ("VA", "EXPR", "AU")
"""Sets with one file of labels for each clip."""
SPLITS = ("train", "valid")
"""The parts that come with labels."""
VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm")
"""Containers that the videos come in."""
# Letters alone, lower case: editions differ in spaces, underscores and capitals.
_SET_FOLDERS = {
    "VA": ("vaestimationchallenge", "vaset", "va"),
    "EXPR": (
        "exprclassificationchallenge",
        "exprrecognitionchallenge",
        "exprset",
        "expressionset",
        "expr",
    ),
    "AU": ("audetectionchallenge", "auset", "au"),
    "MTL": ("mtlchallenge", "multitasklearningchallenge", "mtl"),
}
_SPLIT_NAMES = {
    "train": ("trainset", "trainingset", "train"),
    "valid": ("validationset", "valset", "validset", "validation", "val", "valid"),
}
_SUBJECT = re.compile(r"_(left|right)(_\d+)?$")


@dataclass(frozen=True, slots=True)
class Layout:
    """What was found under one data root."""

    root: Path
    """The data root."""
    labels: dict[tuple[str, str], dict[str, Path]]
    """(set, split) → clip → its file; for MTL the one file, under the name ''."""
    crops: Path
    """Folder with a folder of crops for each clip."""
    videos: dict[str, Path]
    """Name without suffix → video file."""
    sounds: dict[str, Path]
    """Name without suffix → WAV file."""

    def video_of(self, clip: str) -> Path | None:
        """Return the video of a clip; a second subject's is named without its side."""
        return _of(clip, self.videos)

    def sound_of(self, clip: str) -> Path | None:
        """Return the WAV file of a clip, named as its video is."""
        return _of(clip, self.sounds)


def _of(clip: str, files: dict[str, Path]) -> Path | None:
    return files.get(clip) or files.get(_SUBJECT.sub("", clip))


def find_layout(root: Path) -> Layout:
    """Look through a data root.

    Raises:
        DataError: It is no folder, has no labels at all, or has no crops.
    """
    if not root.is_dir():
        raise DataError(
            f"{root}: got no folder, expected Aff-Wild2's root with its "
            "VA_Estimation_Challenge, EXPR_…, AU_… or MTL_Challenge and cropped_aligned"
        )
    labels: dict[tuple[str, str], dict[str, Path]] = {}
    videos: dict[str, Path] = {}
    sounds: dict[str, Path] = {}
    crops: Path | None = None
    for folder, below, files in os.walk(root):
        here = Path(folder)
        if _plain(here.name) in {"croppedaligned", "croppedalignedimages"}:
            crops = _innermost(here)
            below.clear()  # millions of pictures
            continue
        below.sort()
        _note_labels(here, files, labels)
        for file in sorted(files):
            path = here / file
            if path.suffix.lower() in VIDEO_SUFFIXES:
                videos.setdefault(path.stem, path)
            elif path.suffix.lower() == ".wav":
                sounds.setdefault(path.stem, path)
    if not labels:
        raise DataError(
            f"{root}: got no folder of labels, expected VA_Estimation_Challenge, "
            "EXPR_Classification_Challenge, AU_Detection_Challenge or MTL_Challenge "
            "with Train_Set and Validation_Set in it"
        )
    if crops is None:
        raise DataError(
            f"{root}: got no folder cropped_aligned, expected one with a folder of "
            "crops for each clip"
        )
    return Layout(root, labels, crops, videos, sounds)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _set_of(name: str) -> str | None:
    plain = _plain(name)
    return next((s for s, names in _SET_FOLDERS.items() if plain in names), None)


def _split_of(name: str) -> str | None:
    plain = _plain(name)
    return next((s for s, names in _SPLIT_NAMES.items() if plain in names), None)


def _note_labels(
    here: Path, files: list[str], labels: dict[tuple[str, str], dict[str, Path]]
) -> None:
    texts = [file for file in sorted(files) if file.lower().endswith(".txt")]
    if _set_of(here.name) == "MTL":
        for file in texts:
            split = _split_of(Path(file).stem)
            if split is not None:
                labels[("MTL", split)] = {"": here / file}
        return
    kind, split = _set_of(here.parent.name), _split_of(here.name)
    if kind in UNI_TASK_SETS and split is not None and texts:
        found = labels.setdefault((kind, split), {})
        found.update({Path(file).stem: here / file for file in texts})


def _innermost(crops: Path) -> Path:
    """Follow a folder that holds only itself again, as the archives unpack."""
    inner = [p for p in crops.iterdir() if p.is_dir()]
    if len(inner) == 1 and _plain(inner[0].name) == _plain(crops.name):
        return inner[0]
    return crops
