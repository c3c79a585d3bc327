"""What was found under a root, as values and as text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SEVERITIES = ("warning", "note")
"""Worth mending, and worth knowing; what cannot be read is an error, not a finding."""
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a user should know that does not stop the reading."""

    severity: str
    """One of ``SEVERITIES``."""
    file: Path
    """What it is about, a file or a folder."""
    line: int | None
    """1-based line of the file, when it is about one."""
    text: str
    """What was found and what follows from it."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else f"{self.file}"
        return f"{self.severity}: {place}: {self.text}"


@dataclass(frozen=True, slots=True)
class Part:
    """One set and split."""

    name: str
    """VA, EXPR, AU or MTL."""
    split: str
    """``train`` or ``valid``."""
    clips: int
    """Number of clips."""
    frames: int
    """Frames of these clips that the set's labels reach to."""
    labelled: int
    """Of these, frames with a valid label of any kind."""
    unseen: int
    """Labelled frames without a crop."""
    distribution: str
    """How the labels spread, in one line; empty when there are none."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a root holds."""

    root: Path
    """The data root."""
    parts: tuple[Part, ...]
    """Sets and splits that were found."""
    clips_without_video: int
    """Clips whose sound is unknown, and whose frame rate only a name can tell."""
    findings: tuple[Finding, ...]
    """Warnings first."""


def format_report(report: Report) -> str:
    """Return the report as text, the findings last."""
    lines = [f"{report.root}", ""]
    for part in report.parts:
        lines.append(
            f"{part.name:4} {part.split:5} {part.clips:4} clips {part.frames:8} frames "
            f"{part.labelled:8} labelled, {part.unseen} of them without a crop"
        )
        lines += [f"     {part.distribution}"] if part.distribution else []
    lines.append("")
    if report.clips_without_video:
        lines += [f"clips without a video: {report.clips_without_video}", ""]
    shown = report.findings[:_MOST_SHOWN]
    lines += map(str, shown)
    if len(report.findings) > len(shown):
        lines.append(f"… and {len(report.findings) - len(shown)} more")
    severities = [finding.severity for finding in report.findings]
    counts = [f"{name}s: {severities.count(name)}" for name in SEVERITIES]
    lines.append(f"readable; {', '.join(counts)}")
    return "\n".join(lines) + "\n"
