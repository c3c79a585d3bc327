"""Each recipe on a made data root: trains, resumes exactly, measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("soundfile")

import numpy as np
import torch
from safetensors.torch import load_file

from edge_affect.errors import DataError
from training.composed.material import MaterialConfig
from training.composed.tracks import VOICE_PARTNERS, partner
from training.engine.loop import Trainer
from training.evaluate import evaluate_affect, evaluate_face, evaluate_voice
from training.inputs import Inputs
from training.models.affect import AffectConfig
from training.models.face import FACE_EXPRESSIONS, FaceConfig
from training.models.load import load_face_net, load_voice_net
from training.models.voice import VoiceConfig
from training.recipes.affect import AffectTraining, train_affect
from training.recipes.face import FaceTraining, to_class_labels
from training.recipes.face import train as train_face
from training.recipes.voice import (
    VoiceTraining,
    false_speech,
    speech_in_hops,
    train_voice,
)

pytestmark = pytest.mark.torch
FACE = FaceTraining(
    epochs=2,
    batch=16,
    synthetic_batch=4,
    net=FaceConfig(widths=(4, 4, 4, 4), blocks=(1, 1, 1), embedding=6),
)
VOICE = VoiceTraining(
    epochs=2,
    repeats=1,
    batch=4,
    clip_hops=12,
    dev_speakers=("03",),
    net=VoiceConfig(channels=(2, 2), width=6, embedding=5),
)
AFFECT = AffectTraining(
    epochs=2,
    batch=2,
    cells=30,
    material=MaterialConfig(4, 2, 60, 2, 1, 1, 1.0),
    net=AffectConfig(face=6, voice=5, width=8),
)


class KilledError(Exception):
    """Stands for a kill at the start of the second epoch."""


@pytest.fixture
def killing(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Make every trainer die after its first epoch, until undone."""
    train_epoch = Trainer.train_epoch

    def dies(trainer: Trainer[Any, Any], epoch: int) -> float:
        if epoch:
            raise KilledError
        return train_epoch(trainer, epoch)

    monkeypatch.setattr(Trainer, "train_epoch", dies)
    return monkeypatch


@pytest.fixture(scope="session")
def runs(made_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an unbroken run of every recipe."""
    out = tmp_path_factory.mktemp("runs")
    face = train_face(FACE, Inputs(made_root, out / "face"), out / "face")
    voice = train_voice(VOICE, made_root, out / "voice")
    train_affect(AFFECT, made_root, out / "affect", face, voice)
    return out


def _train(recipe: str, root: Path, out: Path, runs: Path) -> None:
    if recipe == "face":
        train_face(FACE, Inputs(root, out), out)
    elif recipe == "voice":
        train_voice(VOICE, root, out)
    else:
        best = (runs / name / "best.safetensors" for name in ("face", "voice"))
        train_affect(AFFECT, root, out, *best)


@pytest.mark.parametrize("recipe", ["face", "voice", "affect"])
def test_a_killed_run_goes_on_to_the_same_weights(
    recipe: str,
    made_root: Path,
    runs: Path,
    tmp_path: Path,
    killing: pytest.MonkeyPatch,
) -> None:
    """Killed after an epoch and run again equals never killed, to the bit."""
    with pytest.raises(KilledError):
        _train(recipe, made_root, tmp_path, runs)
    killing.undo()
    _train(recipe, made_root, tmp_path, runs)
    unbroken = load_file(runs / recipe / "last.safetensors")
    resumed = load_file(tmp_path / "last.safetensors")
    assert unbroken.keys() == resumed.keys()
    for name, value in unbroken.items():
        assert torch.equal(value, resumed[name]), name


def test_evaluate_gives_finite_figures_of_every_part(
    made_root: Path, runs: Path
) -> None:
    """The selection parts and the reported parts are all there."""
    face, voice, affect = (
        runs / name / "best.safetensors" for name in ("face", "voice", "affect")
    )
    figures = {
        **evaluate_face(face, made_root),
        **evaluate_voice(voice, made_root),
        **evaluate_affect(affect, made_root, runs / "affect" / "cache", face, voice),
    }
    assert np.isfinite(list(figures.values())).all()
    assert {
        "ferplus_valid_accuracy",
        "diffusionfer_valid_valence_ccc",
        "emodb_valid_uar",
        "composed_accuracy_affect",
        "composed_accuracy_frame",
        "sim_valence_ccc_affect",
        "still_expression_temperature",
    } <= figures.keys()


def test_load_refuses_another_recipes_checkpoint(runs: Path) -> None:
    """A voice checkpoint is no face network."""
    with pytest.raises(DataError, match="expected 'face'"):
        load_face_net(runs / "voice" / "best.safetensors")


def test_to_class_labels_keeps_the_tables_decision_on_a_tie() -> None:
    """Only the numbering changes: happiness stays happiness."""
    happiness_in_the_table = 1
    found = to_class_labels(np.array([happiness_in_the_table]))
    assert FACE_EXPRESSIONS[found[0]] == "happiness"


def test_speech_in_hops_tells_speech_from_pause() -> None:
    """Loud hops hold speech, silent ones none, and between the two nobody knows."""
    random = np.random.default_rng(0)
    sound = random.normal(size=4 * 1600).astype(np.float32) * 0.1
    sound[1600:3200] = 0
    sound[3200:4800] *= 10 ** (-38 / 20)
    speech = speech_in_hops(sound)
    assert speech[[0, 1, 3]].tolist() == [1, 0, 1]
    assert np.isnan(speech[2])


def test_speech_in_hops_of_silence_is_no_speech() -> None:
    """There is no loudest hop to measure against."""
    assert not speech_in_hops(np.zeros(3200, np.float32)).any()


def test_false_speech_is_a_share(runs: Path) -> None:
    """Between none and all hops of noise are taken for speech."""
    net = load_voice_net(runs / "voice" / "best.safetensors")
    assert 0 <= false_speech(net, seconds=1) <= 1


def test_partner_agrees_as_often_as_it_says() -> None:
    """70 % by choice and a seventh of the rest by chance; none for surprise."""
    random = np.random.default_rng(0)
    anger = FACE_EXPRESSIONS.index("anger")
    drawn = np.array([partner(anger, random) for _ in range(5_000)])
    # "anger" is number 1 of VOICE_EMOTIONS.
    assert (drawn == 1).mean() == pytest.approx(0.7 + 0.3 / 7, abs=0.02)
    assert "surprise" not in VOICE_PARTNERS
    surprise = FACE_EXPRESSIONS.index("surprise")
    heard = np.bincount([partner(surprise, random) for _ in range(7_000)])
    assert heard / 7_000 == pytest.approx(1 / 7, abs=0.02)
