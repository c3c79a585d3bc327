"""Say what an Aff-Wild2 root holds, and refuse what cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_affect.labels import ACTION_UNITS, EXPRESSIONS
from training.data.aff_wild2.clips import crop_numbers, fps_of, gather_labels
from training.data.aff_wild2.labels import Labels
from training.data.aff_wild2.layout import SPLITS, UNI_TASK_SETS, Layout, find_layout

_MOST_FINDINGS = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a user should know that does not stop the reading."""

    file: Path
    """What it is about."""
    text: str
    """What was found."""


@dataclass(frozen=True, slots=True)
class Part:
    """One set and split."""

    name: str
    """VA, EXPR, AU or MTL."""
    split: str
    """``train`` or ``valid``."""
    clips: int
    """Number of clips."""
    rows: int
    """Rows of labels, those of no frame too."""
    labelled: int
    """Rows with a valid label of any kind."""
    distribution: str
    """How the labels spread, in one line."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a root holds."""

    root: Path
    """The data root."""
    parts: tuple[Part, ...]
    """Sets and splits that were found."""
    clips_without_video: int
    """Clips whose sound and frame rate are unknown."""
    findings: tuple[Finding, ...]
    """In the order they were met."""


def validate(root: Path) -> Report:
    """Read every label and look at every folder of crops.

    Raises:
        DataError: A file cannot be read or holds what cannot be a label; the message
            names file and line.
    """
    layout = find_layout(root)
    parts, findings, silent = [], [], set()
    for split in SPLITS:
        for name in (*UNI_TASK_SETS, "MTL"):
            said = gather_labels(layout, split, (name,))
            if not said:
                continue
            labels = [part for clip in said.values() for _, part in clip]
            parts.append(_part(name, split, labels))
            for clip, ((_, label),) in sorted(said.items()):
                findings += _look_at(layout, clip, len(label.expression))
                if layout.video_of(clip) is None:
                    silent.add(clip)
    return Report(root, tuple(parts), len(silent), tuple(dict.fromkeys(findings)))


def _part(name: str, split: str, labels: list[Labels]) -> Part:
    affect = np.concatenate([part.valence_arousal for part in labels])
    classes = np.concatenate([part.expression for part in labels])
    units = np.concatenate([part.action_units for part in labels])
    known = ~np.isnan(affect).any(axis=1), classes >= 0, ~np.isnan(units).any(axis=1)
    told = []
    if known[0].any():
        valence, arousal = affect[known[0]].mean(axis=0)
        told.append(f"mean valence {valence:+.2f}, arousal {arousal:+.2f}")
    if known[1].any():
        counts = np.bincount(classes[known[1]], minlength=len(EXPRESSIONS))
        named = zip(EXPRESSIONS, counts, strict=True)
        told.append(", ".join(f"{word} {count}" for word, count in named))
    if known[2].any():
        shares = units[known[2]].mean(axis=0)
        named_units = zip(ACTION_UNITS, shares, strict=True)
        told.append(", ".join(f"{unit} {share:.0%}" for unit, share in named_units))
    labelled = int((known[0] | known[1] | known[2]).sum())
    return Part(name, split, len(labels), len(classes), labelled, "; ".join(told))


def _look_at(layout: Layout, clip: str, rows: int) -> list[Finding]:
    folder = layout.crops / clip
    crops = crop_numbers(folder)
    if not len(crops):
        return [
            Finding(folder, "no crops: the clip has labels that nothing is seen of")
        ]
    findings = []
    last = int(crops.max()) + 1
    if rows > last:
        findings.append(
            Finding(folder, f"{rows} labels, last crop is {last}: labels are cut off")
        )
    elif last > rows:
        findings.append(
            Finding(folder, f"{rows} labels, last crop is {last}: crops are cut off")
        )
    shown = int((crops < rows).sum())
    if shown < 0.5 * min(rows, last):
        findings.append(Finding(folder, f"{shown} crops for {rows} labels"))
    fps_of(clip, layout.video_of(clip))  # refuses a video that cannot be opened
    return findings


def format_report(report: Report) -> str:
    """Return the report as text, the findings last."""
    lines = [f"{report.root}", ""]
    for part in report.parts:
        lines.append(
            f"{part.name:5} {part.split:6} {part.clips:5} clips {part.rows:9} rows "
            f"{part.labelled:9} labelled"
        )
        lines.append(f"      {part.distribution}")
    lines.append("")
    if report.clips_without_video:
        lines.append(
            f"{report.clips_without_video} clips have no video: no sound, and 30 "
            "frames a second unless their name tells"
        )
    shown = report.findings[:_MOST_FINDINGS]
    lines += [f"{finding.file}: {finding.text}" for finding in shown]
    if len(report.findings) > len(shown):
        lines.append(f"… and {len(report.findings) - len(shown)} more")
    lines.append("readable")
    return "\n".join(lines) + "\n"
