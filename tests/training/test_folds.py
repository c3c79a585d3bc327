"""EmoDB's folds, and the baseline that is measured in them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from edge_affect.errors import DataError
from edge_affect.labels import VOICE_EMOTIONS
from training.cli import main
from training.data.emodb import Utterance
from training.folds.split import FOLDS, PROTOCOLS, SENTENCES, folds

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


def test_baseline_is_measured_on_every_speaker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Emotions told by pitch alone are found, and each speaker has a figure."""
    pytest.importorskip("sklearn")
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
    assert (
        main(["folds", "voice", "--data", str(tmp_path), "--results", str(tmp_path)])
        == 0
    )
    assert capsys.readouterr().out.strip().endswith("folds-voice.json")
    stored = json.loads((tmp_path / "folds-voice.json").read_text(encoding="utf-8"))
    assert [r["at"] for r in stored["records"]] == ["end", "1s"] * len(PROTOCOLS)
    for record in stored["records"]:
        assert record["value"] > 0.8
        assert sorted(record["speakers"]) == SPEAKERS
