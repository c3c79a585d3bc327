"""Measure network and baseline in all folds, and write one result file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError
from edge_affect.labels import VOICE_EMOTIONS
from edge_affect.types import SAMPLE_RATE_HZ
from training.data.emodb import PARTS, Utterance, load_emodb, read_speech
from training.engine.files import written_whole
from training.engine.progress import progress
from training.folds.baseline import COSTS, fit_and_tell, functionals
from training.folds.network import train_and_tell
from training.folds.split import FOLDS, PROTOCOLS, SENTENCES, folds
from training.metrics import bootstrap, uar
from training.provenance import source_commit

Ints = NDArray[np.int64]
_CLASSES = len(VOICE_EMOTIONS)
_BASELINE, _NETWORK = "functionals_svm", "network"
ARMS = (_BASELINE, _NETWORK)
"""What is measured: the baseline, and the network trained in each fold."""


def measure_folds(
    data: Path,
    results: Path,
    work: Path,
    arms: Sequence[str] = ARMS,
    protocols: Sequence[str] = PROTOCOLS,
) -> Path:
    """Measure ``arms`` in the folds and put them into ``folds-voice.json``.

    What the file holds of other arms and protocols stays in it.

    Args:
        data: Data root with EmoDB.
        results: Folder of result files.
        work: Folder of the network's runs; what is there is gone on with.
        arms: Some of ``ARMS``.
        protocols: Some of ``PROTOCOLS``.

    Raises:
        DataError: EmoDB is not usable, or has speakers or sentences in no fold, or
            ``work`` holds other runs.
    """
    utterances = [u for part in PARTS for u in load_emodb(data, part)]
    path = results / "folds-voice.json"
    records = [
        record
        for record in _records(path)
        if record["arm"] not in arms or record["protocol"] not in protocols
    ]
    for protocol in protocols:
        told = {arm: _TELL[arm](utterances, protocol, work) for arm in arms}
        for place, at in enumerate(("end", "1s")):
            said = {arm: answers[place] for arm, answers in told.items()}
            records += [_record(utterances, protocol, at, arm, said) for arm in arms]
    stored = {
        "folds": FOLDS,
        "sentences": SENTENCES,
        "costs": COSTS,
        "records": records,
    }
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    return path


def _records(path: Path) -> list[dict[str, Any]]:
    """Return what is in the file already."""
    try:
        records: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["records"]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a readable result ({error}); remove it"
        ) from error
    return records


def _truth(utterances: Sequence[Utterance]) -> Ints:
    return np.array([VOICE_EMOTIONS.index(u.emotion) for u in utterances], np.int64)


def _baseline(
    utterances: Sequence[Utterance], protocol: str, _: Path
) -> tuple[Ints, Ints]:
    """Return what the SVM says at each utterance's end and after its first second."""
    sounds = [read_speech(u) for u in progress(utterances, "utterances read")]
    whole = np.stack([functionals(sound) for sound in sounds])
    begun = np.stack([functionals(sound[:SAMPLE_RATE_HZ]) for sound in sounds])
    truth = _truth(utterances)
    end, early = np.full_like(truth, -1), np.full_like(truth, -1)
    for fold in progress(list(folds(utterances, protocol)), f"folds, {protocol}"):
        train, test = np.array(fold.train), np.array(fold.test)
        speakers = [utterances[row].speaker for row in fold.train]
        end[test], early[test] = fit_and_tell(
            whole[train], truth[train], speakers, (whole[test], begun[test])
        )
    return end, early


def _network(
    utterances: Sequence[Utterance], protocol: str, work: Path
) -> tuple[Ints, Ints]:
    """Return what the networks say, each of the speakers that it never heard."""
    end, early = np.full((2, len(utterances)), -1, np.int64)
    for number, fold in enumerate(folds(utterances, protocol)):
        heard, asked = (
            [utterances[row] for row in rows] for rows in (fold.train, fold.test)
        )
        rows = np.array(fold.test)
        folder = work / f"{protocol}-{number}"
        end[rows], early[rows] = train_and_tell(heard, asked, folder)
    return end, early


def _record(
    utterances: Sequence[Utterance],
    protocol: str,
    at: str,
    arm: str,
    said: Mapping[str, Ints],
) -> dict[str, Any]:
    """Return the figure over all folds, each fold's and each speaker's.

    Beside the baseline's answers another arm's has the difference from it as well.
    """
    truth = _truth(utterances)
    speakers = np.array([u.speaker for u in utterances])

    def of(names: Sequence[str], arm: str = arm) -> float:
        rows = np.concatenate([np.flatnonzero(speakers == name) for name in names])
        return uar(truth[rows], said[arm][rows], _CLASSES)

    def less_baseline(pick: Ints) -> float:
        drawn = [names[i] for i in pick]
        return of(drawn) - of(drawn, _BASELINE)

    names = sorted(set(speakers.tolist()))
    interval = bootstrap(lambda pick: of([names[i] for i in pick]), len(names))
    paired = {}
    if arm != _BASELINE and _BASELINE in said:
        paired = {"less_baseline": asdict(bootstrap(less_baseline, len(names)))}
    return {
        "arm": arm,
        "protocol": protocol,
        "at": at,
        "metric": "uar",
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "n": len(truth),
        "commit": source_commit(),
        **paired,
        "folds": {" ".join(pair): of(pair) for pair in FOLDS},
        "speakers": {name: of([name]) for name in names},
    }


_TELL = {_BASELINE: _baseline, _NETWORK: _network}
