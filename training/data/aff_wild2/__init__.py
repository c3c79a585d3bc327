"""Aff-Wild2 as its owners hand it out: labels, crops, videos with sound."""

from training.data.aff_wild2.clips import LabelledClip, load_aff_wild2
from training.data.aff_wild2.media import NoSoundError, read_crops, read_sound
from training.data.aff_wild2.report import Report, format_report
from training.data.aff_wild2.validate import validate

__all__ = [
    "LabelledClip",
    "NoSoundError",
    "Report",
    "format_report",
    "load_aff_wild2",
    "read_crops",
    "read_sound",
    "validate",
]
