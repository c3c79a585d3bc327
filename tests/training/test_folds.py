"""EmoDB's folds, and the baseline that is measured in them."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_affect.errors import DataError
from edge_affect.labels import VOICE_EMOTIONS
from training.cli import main
from training.data.emodb import Utterance
from training.folds.split import FOLDS, PROTOCOLS, SENTENCES, folds
from training.models.voice import VoiceConfig
from training.recipes.voice import PRESETS, Spoken, VoiceTraining, read_spoken

SPEAKERS = sorted(name for pair in FOLDS for name in pair)
TEXTS = sorted(name for half in SENTENCES for name in half)


def _emotion(speaker: int, text: int) -> str:
    return VOICE_EMOTIONS[(speaker + text) % len(VOICE_EMOTIONS)]


def _utterances() -> list[Utterance]:
    return [
        Utterance(Path(f"{speaker}{text}.flac"), speaker, text, _emotion(i, j))
        for i, speaker in enumerate(SPEAKERS)
        for j, text in enumerate(TEXTS)
    ]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_folds_test_each_utterance_once(protocol: str) -> None:
    """No utterance is left out of the figures or counted twice."""
    utterances = _utterances()
    tested = [row for fold in folds(utterances, protocol) for row in fold.test]
    assert sorted(tested) == list(range(len(utterances)))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tested_speakers_are_unheard(protocol: str) -> None:
    """Training holds no utterance of the two speakers of the test."""
    utterances = _utterances()
    for fold in folds(utterances, protocol):
        tested = {utterances[row].speaker for row in fold.test}
        assert len(tested) == 2
        assert not tested & {utterances[row].speaker for row in fold.train}


def test_tested_sentences_are_unheard() -> None:
    """In the sentence-disjoint protocol training holds none of the test's sentences."""
    utterances = _utterances()
    for fold in folds(utterances, "sentences"):
        heard = {utterances[row].text for row in fold.train}
        assert heard
        assert not heard & {utterances[row].text for row in fold.test}


def test_an_unknown_speaker_is_refused() -> None:
    """A speaker whom no fold tests is named, not left out in silence."""
    other = Utterance(Path("x.flac"), "13", "a01", "anger")
    with pytest.raises(DataError, match="13"):
        list(folds([*_utterances(), other], "speakers"))


@pytest.fixture
def emodb(tmp_path: Path) -> Path:
    """Return a data root whose emotions are told by pitch alone."""
    soundfile = pytest.importorskip("soundfile")
    (tmp_path / "emodb").mkdir()
    random = np.random.default_rng(0)
    time_s = np.arange(20_000) / 16_000
    with (tmp_path / "emodb" / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "speaker", "text", "emotion", "split"])
        for u in _utterances():
            pitch_hz = 200 * 1.5 ** VOICE_EMOTIONS.index(u.emotion)
            sound = 0.2 * np.sin(2 * np.pi * pitch_hz * time_s)
            sound += 0.01 * random.standard_normal(len(sound))
            soundfile.write(tmp_path / "emodb" / u.path, sound, 16_000)
            table.writerow([u.path, u.speaker, u.text, u.emotion, "train"])
    return tmp_path


def _measured(root: Path, *options: str) -> list[dict[str, Any]]:
    given = ["--data", str(root), "--results", str(root), "--work", str(root / "work")]
    assert main(["folds", "voice", *given, *options]) == 0
    stored = json.loads((root / "folds-voice.json").read_text(encoding="utf-8"))
    records: list[dict[str, Any]] = stored["records"]
    return records


def test_baseline_is_measured_on_every_speaker(
    emodb: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Emotions told by pitch alone are found, and each speaker has a figure."""
    pytest.importorskip("sklearn")
    records = _measured(emodb, "--arm", "functionals_svm")
    assert capsys.readouterr().out.strip().endswith("folds-voice.json")
    assert [r["at"] for r in records] == ["end", "1s"] * len(PROTOCOLS)
    for record in records:
        assert record["value"] > 0.8
        assert sorted(record["speakers"]) == SPEAKERS


def test_network_is_trained_once_per_fold_and_paired_with_the_baseline(
    emodb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No run hears the speakers it is asked about; a second call trains nothing."""
    pytest.importorskip("sklearn")
    small = VoiceTraining(
        epochs=1,
        repeats=1,
        batch=8,
        clip_hops=12,
        net=VoiceConfig(channels=(2, 2), width=6, embedding=5),
    )
    monkeypatch.setitem(PRESETS, "default", small)
    heard: list[set[str]] = []

    def asked(utterances: Sequence[Utterance]) -> list[Spoken]:
        heard.append({u.speaker for u in utterances})
        return read_spoken(utterances)

    monkeypatch.setattr("training.folds.network.read_spoken", asked)
    records = _measured(emodb)
    assert [r["arm"] for r in records] == ["functionals_svm", "network"] * 4
    of_network = records[1::2]
    assert all("less_baseline" in record for record in of_network)
    assert all("less_baseline" not in record for record in records[::2])
    assert heard == [set(pair) for pair in FOLDS] + [
        set(pair) for pair in FOLDS for _ in SENTENCES
    ]
    runs = sorted((emodb / "work").iterdir())
    assert len(runs) == 12
    kept = [(run / "last.safetensors").stat().st_mtime_ns for run in runs]
    assert _measured(emodb)[1::2] == of_network
    assert [(run / "last.safetensors").stat().st_mtime_ns for run in runs] == kept


def test_what_is_measured_later_joins_what_is_there(emodb: Path) -> None:
    """An arm that takes hours does not cost the one that takes seconds."""
    pytest.importorskip("sklearn")
    for protocol in ("sentences", "speakers", "speakers"):
        given = ["--arm", "functionals_svm", "--protocol", protocol]
        records = _measured(emodb, *given)
    told = [(record["protocol"], record["at"]) for record in records]
    assert told == [(p, at) for p in ("sentences", "speakers") for at in ("end", "1s")]
    (emodb / "folds-voice.json").write_text("{}", encoding="utf-8")
    given = ["--data", str(emodb), "--results", str(emodb)]
    assert main(["folds", "voice", *given, "--arm", "functionals_svm"]) > 0
