"""Figures of the voice graph on spoken sentences, streamed hop by hop."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.progress import Progress
from benchmarks.records import Record
from benchmarks.split import Split, of_classes
from benchmarks.subject import hear, known_classes
from edge_affect.labels import VOICE_EMOTIONS
from training.data.emodb import load_emodb, read_speech
from training.metrics import accuracy, uar

_CLASSES = len(VOICE_EMOTIONS)


def measure_emodb(split: Split, data: Path, progress: Progress) -> list[Record]:
    """Measure the emotion estimated at the end of each sentence, by speaker."""
    if "voice_emotion" not in split.subject.manifest.heads:
        return []
    listed = load_emodb(data, split.part)
    clips = [listed[row] for row in split.choose(len(listed))]
    heard = [
        hear(split.subject, read_speech(clip))
        for clip in progress.track(clips, len(clips), split.label)
    ]
    emotions = [VOICE_EMOTIONS.index(clip.emotion) for clip in clips]
    truth = np.array(emotions, np.int64)
    estimate = known_classes(np.array(heard, np.int64), _CLASSES)
    speakers = [clip.speaker for clip in clips]
    records = []
    for metric, figure in (("uar", uar), ("accuracy", accuracy)):
        records += split.over_units(
            "voice",
            metric,
            of_classes(figure, truth, estimate, _CLASSES + 1),
            speakers,
        )
    return records
