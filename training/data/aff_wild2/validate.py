"""Say what an Aff-Wild2 root holds, and refuse what cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import ACTION_UNITS, EXPRESSIONS
from training.data.aff_wild2.clips import gather_labels
from training.data.aff_wild2.footage import Footage, look_at
from training.data.aff_wild2.labels import Labels
from training.data.aff_wild2.layout import (
    EXPECTED,
    SETS,
    SPLITS,
    Layout,
    find_layout,
    video_name,
)
from training.data.aff_wild2.report import SEVERITIES, Finding, Part, Report

Said = Mapping[str, list[tuple[str, Labels]]]


def validate(root: Path) -> Report:
    """Read every label, look at every folder of crops and open every video.

    Raises:
        DataError: A part is missing, or a file cannot be read or holds what cannot be
            a label; the message names file and line.
        MissingDependencyError: There are videos, and PyAV is not installed.
    """
    layout = find_layout(root)
    said = {split: gather_labels(layout, split, SETS) for split in SPLITS}
    clips = {clip for split in SPLITS for clip in said[split]}
    footage = {clip: look_at(layout, clip) for clip in sorted(clips)}
    parts, findings = [], list(_lacking(layout))
    for split in SPLITS:
        for name in SETS:
            labels = {
                clip: part
                for clip, spoken in sorted(said[split].items())
                for kind, part in spoken
                if kind == name
            }
            if labels:
                parts.append(_part(name, split, labels, footage))
            files = layout.labels.get((name, split), {})
            for clip, part in labels.items():
                file = files[""] if name == "MTL" else files[clip]
                findings += _compare(name, clip, file, part, footage[clip])
    for clip, found in footage.items():
        findings += _seen_and_heard(clip, found)
    findings += _shared(layout, said)
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    silent = sum(found.video is None for found in footage.values())
    return Report(root, tuple(parts), silent, tuple(findings))


def _part(
    name: str, split: str, labels: dict[str, Labels], footage: dict[str, Footage]
) -> Part:
    kept, present = [], []
    for clip, part in labels.items():
        frames = footage[clip].frames(len(part.expression))
        kept.append(part.first(frames))
        present.append(footage[clip].present(frames))
    together = Labels(
        np.concatenate([part.valence_arousal for part in kept]),
        np.concatenate([part.expression for part in kept]),
        np.concatenate([part.action_units for part in kept]),
    )
    known, seen = _is_labelled(together), np.concatenate(present)
    return Part(
        name,
        split,
        len(labels),
        len(known),
        int(known.sum()),
        int((known & ~seen).sum()),
        _distribution(together),
    )


def _is_labelled(labels: Labels) -> NDArray[np.bool_]:
    rated = ~np.isnan(labels.valence_arousal).any(axis=1)
    coded = ~np.isnan(labels.action_units).all(axis=1)
    return np.asarray(rated | coded | (labels.expression >= 0), np.bool_)


def _distribution(labels: Labels) -> str:
    told = []
    affect = labels.valence_arousal[~np.isnan(labels.valence_arousal).any(axis=1)]
    if len(affect):
        named = zip(
            ("valence", "arousal"), affect.mean(axis=0), affect.std(axis=0), strict=True
        )
        told += [f"{word} {mean:+.2f} ± {spread:.2f}" for word, mean, spread in named]
    classes = labels.expression[labels.expression >= 0]
    if len(classes):
        counts = np.bincount(classes, minlength=len(EXPRESSIONS))
        told += [f"{w} {n}" for w, n in zip(EXPRESSIONS, counts, strict=True)]
    rated = ~np.isnan(labels.action_units)
    if rated.any():
        active = (labels.action_units == 1).sum(axis=0) / np.maximum(rated.sum(0), 1)
        told += [f"{u} {s:.0%}" for u, s in zip(ACTION_UNITS, active, strict=True)]
    return ", ".join(told)


def _lacking(layout: Layout) -> Iterator[Finding]:
    for name in SETS:
        there = [split for split in SPLITS if (name, split) in layout.labels]
        lacking = name
        if there and len(there) < len(SPLITS):
            (absent,) = set(SPLITS) - set(there)
            lacking = f"{name} {absent}"
        if len(there) < len(SPLITS):
            severity = "warning" if there else "note"
            text = f"no {lacking} labels, expected {EXPECTED[name]}"
            yield Finding(severity, layout.root, None, text)


def _compare(
    name: str, clip: str, file: Path, labels: Labels, footage: Footage
) -> Iterator[Finding]:
    """Yield where labels and frames of a clip do not fit."""
    rows, length = len(labels.expression), footage.length
    whose = f"{clip}: " if name == "MTL" else ""
    if length is None:
        return
    if rows > length:
        line = None if name == "MTL" else length + 2
        text = f"{whose}{rows} labels for {length} frames: the last labels are cut off"
        yield Finding("note", file, line, text)
    elif rows < length and name != "MTL":
        text = f"{rows} labels for {length} frames: the last frames are cut off"
        yield Finding("note", file, None, text)
    known = np.flatnonzero(_is_labelled(labels)[: footage.frames(rows)])
    unseen = len(known) - int(footage.present(rows)[known].sum())
    if len(footage.crops) and 2 * unseen > len(known):
        text = f"{whose}{unseen} of {len(known)} labelled frames have no crop"
        yield Finding("warning", file, None, text)


def _seen_and_heard(clip: str, footage: Footage) -> Iterator[Finding]:
    if not len(footage.crops):
        text = "no crops: nothing is seen of the clip's labels"
        yield Finding("warning", footage.folder, None, text)
    origin = "known from its name" if footage.fps_is_known else "assumed"
    rate = f"{footage.fps:g} frames a second are {origin}"
    if footage.video is None:
        sound = "" if footage.sound is not None else "no sound, and "
        text = f"no video {video_name(clip)}: {sound}{rate}"
        yield Finding("warning", footage.folder, None, text)
    elif not footage.fps_is_known:
        text = f"states no frame rate: {rate}"
        yield Finding("warning", footage.video, None, text)


def _shared(layout: Layout, said: Mapping[str, Said]) -> Iterator[Finding]:
    """Yield videos that one set trains on and another one tests on."""
    uses: dict[str, dict[str, set[str]]] = {}
    for split in SPLITS:
        for clip, spoken in said[split].items():
            kinds = uses.setdefault(video_name(clip), {}).setdefault(split, set())
            kinds.update(kind for kind, _ in spoken)
    for video, splits in sorted(uses.items()):
        if len(splits) == len(SPLITS):
            where = " and ".join(
                f"{split} ({', '.join(s for s in SETS if s in splits[split])})"
                for split in SPLITS
            )
            text = f"{video} is in {where}: what is trained on both sees test frames"
            yield Finding("warning", layout.root, None, text)
