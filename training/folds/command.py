"""Measure the baseline in all folds, and write one result file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.labels import VOICE_EMOTIONS
from edge_affect.types import SAMPLE_RATE_HZ
from training.data.emodb import PARTS, Utterance, load_emodb, read_speech
from training.engine.files import written_whole
from training.engine.progress import progress
from training.folds.baseline import COSTS, fit_and_tell, functionals
from training.folds.split import FOLDS, PROTOCOLS, SENTENCES, folds
from training.metrics import bootstrap, uar
from training.provenance import source_commit

Ints = NDArray[np.int64]
_CLASSES = len(VOICE_EMOTIONS)


def measure_folds(data: Path, results: Path) -> Path:
    """Fit the baseline once per fold and write ``folds-voice.json`` in ``results``.

    Raises:
        DataError: EmoDB is not usable, or has speakers or sentences in no fold.
    """
    utterances = [u for part in PARTS for u in load_emodb(data, part)]
    sounds = [read_speech(u) for u in progress(utterances, "utterances read")]
    whole = np.stack([functionals(sound) for sound in sounds])
    begun = np.stack([functionals(sound[:SAMPLE_RATE_HZ]) for sound in sounds])
    records = []
    for protocol in PROTOCOLS:
        end, early = _tell(utterances, protocol, whole, begun)
        records += [
            _record(utterances, protocol, "end", end),
            _record(utterances, protocol, "1s", early),
        ]
    path = results / "folds-voice.json"
    stored = {
        "commit": source_commit(),
        "folds": FOLDS,
        "sentences": SENTENCES,
        "costs": COSTS,
        "records": records,
    }
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    return path


def _truth(utterances: Sequence[Utterance]) -> Ints:
    return np.array([VOICE_EMOTIONS.index(u.emotion) for u in utterances], np.int64)


def _tell(
    utterances: Sequence[Utterance],
    protocol: str,
    whole: NDArray[np.float64],
    begun: NDArray[np.float64],
) -> tuple[Ints, Ints]:
    """Return what is said at each utterance's end and after its first second."""
    truth = _truth(utterances)
    end, early = np.full_like(truth, -1), np.full_like(truth, -1)
    for fold in progress(list(folds(utterances, protocol)), f"folds, {protocol}"):
        train, test = np.array(fold.train), np.array(fold.test)
        speakers = [utterances[row].speaker for row in fold.train]
        end[test], early[test] = fit_and_tell(
            whole[train], truth[train], speakers, (whole[test], begun[test])
        )
    return end, early


def _record(
    utterances: Sequence[Utterance], protocol: str, at: str, estimate: Ints
) -> dict[str, Any]:
    """Return the figure over all folds, each fold's and each speaker's."""
    truth = _truth(utterances)
    speakers = np.array([u.speaker for u in utterances])

    def of(names: Sequence[str]) -> float:
        rows = np.concatenate([np.flatnonzero(speakers == name) for name in names])
        return uar(truth[rows], estimate[rows], _CLASSES)

    names = sorted(set(speakers.tolist()))
    interval = bootstrap(lambda pick: of([names[i] for i in pick]), len(names))
    return {
        "arm": "functionals_svm",
        "protocol": protocol,
        "at": at,
        "metric": "uar",
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "n": len(truth),
        "folds": {" ".join(pair): of(pair) for pair in FOLDS},
        "speakers": {name: of([name]) for name in names},
    }
