"""The students of voice and affect: grid, hops, losses, kill, checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("soundfile")

import numpy as np
import torch
from safetensors.torch import load_file

from edge_affect.errors import DataError
from edge_affect.labels import EXPRESSIONS
from tests.training.clips import make_clips
from training.composed.material import Frozen
from training.data.emodb import load_emodb
from training.engine.loop import Trainer, run
from training.features.base import newest_by
from training.features.clips import ClipFeatures
from training.inputs import Inputs
from training.models.affect import AffectConfig, AffectNet, AffectOutput
from training.models.face import FACE_EXPRESSIONS, FaceConfig
from training.models.load import load_affect_net, load_voice_net
from training.models.voice import VoiceConfig
from training.recipes.face import FaceTraining
from training.recipes.face import train as train_face
from training.recipes.student.affect import (
    AffectStudentTrainer,
    Lesson,
    clips_figures,
    estimate_clip,
)
from training.recipes.student.clips import (
    Told,
    cell_of_frames,
    class_shares,
    frame_of_cells,
    frame_of_hops,
    read_told,
    to_sequence,
    voice_hops,
)
from training.recipes.student.config import AffectStudent, VoiceStudent
from training.recipes.student.voice import Heard, VoiceStudentTrainer, to_int16
from training.targets.folder import begin_targets
from training.targets.soft_targets import SoftTargets, Teacher, clip_digest

pytestmark = pytest.mark.torch
TEACHER = Teacher("made", "0123456789abcdef", EXPRESSIONS)
AFFECT = AffectStudent(
    epochs=2, batch=2, cells=30, net=AffectConfig(face=5, voice=3, width=8)
)
VOICE = VoiceStudent(
    epochs=2,
    repeats=1,
    batch=4,
    clip_hops=12,
    clip_batch=3,
    dev_speakers=("03",),
    net=VoiceConfig(channels=(2, 2), width=6, embedding=5),
)


class KilledError(Exception):
    """Stands for a kill at the start of the second epoch."""


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Make every trainer die after its first epoch, until called."""
    train_epoch = Trainer.train_epoch

    def dies(trainer: Trainer[Any, Any], epoch: int) -> float:
        if epoch:
            raise KilledError
        return train_epoch(trainer, epoch)

    monkeypatch.setattr(Trainer, "train_epoch", dies)
    return monkeypatch.undo


def _told(rows: int, seed: int = 0) -> Told:
    random = np.random.default_rng(seed)
    return Told(
        random.normal(size=(rows, 8)).astype(np.float32),
        random.uniform(-1, 1, (rows, 2)).astype(np.float32),
    )


def _affect(config: AffectStudent = AFFECT) -> AffectStudentTrainer:
    lessons = []
    for clip in make_clips(6, 60):
        sequence = to_sequence(clip)
        lessons.append(Lesson(sequence, _told(len(sequence.face))))
    torch.manual_seed(config.seed)
    net = AffectNet(config.net)
    return AffectStudentTrainer(config, net, lessons, make_clips(3, 50, seed=1))


def _voice(root: Path) -> VoiceStudentTrainer:
    random = np.random.default_rng(0)
    heard = [
        Heard(to_int16(random.normal(0, 0.1, h * 1600).astype(np.float32)), _told(h, h))
        for h in (9, 20, 30)
    ]
    return VoiceStudentTrainer(VOICE, load_emodb(root, "train"), heard)


def _same(one: Path, two: Path) -> None:
    unbroken, resumed = load_file(one), load_file(two)
    assert unbroken.keys() == resumed.keys()
    for name, value in unbroken.items():
        assert torch.equal(value, resumed[name]), name


def test_cells_hold_frames_as_a_stream_lays_them() -> None:
    """At 30 a second each frame has its cell, at 15 every other, at 60 they share."""
    assert cell_of_frames(4, 30.0).tolist() == [0, 1, 2, 3]
    assert cell_of_frames(4, 15.0).tolist() == [0, 2, 4, 6]
    assert frame_of_cells(3, 15.0).tolist() == [0, 0, 1, 1, 2]
    assert cell_of_frames(4, 60.0).tolist() == [0, 1, 1, 2]
    assert frame_of_cells(4, 60.0).tolist() == [0, 2, 3]


def test_frame_of_hops_looks_back_from_the_hops_end() -> None:
    """A hop of 100 ms at 30 a second ends with frame 3, at 25 after frame 2."""
    assert frame_of_hops(3, 10, 30.0).tolist() == [3, 6, 9]
    assert frame_of_hops(3, 10, 25.0).tolist() == [2, 5, 7]
    assert frame_of_hops(3, 6, 25.0).tolist() == [2, 5, -1]


@pytest.mark.parametrize("fps", [24.0, 25.0, 30.0, 29.97])
def test_voice_hops_come_back_from_the_frames(fps: float) -> None:
    """What each frame heard last gives every hop once."""
    hops = np.arange(1, 41, dtype=np.float32)[:, None]
    count = int(4 * fps)
    heard = newest_by(hops, 0.1, np.arange(count) / fps, 1)
    clip = replace(make_clips(1, count)[0], fps=fps, sound=heard)
    found = voice_hops(clip)[:, 0]
    np.testing.assert_array_equal(found, hops[: len(found), 0])
    assert len(found) >= 38


def test_voice_hops_of_a_clip_shorter_than_one_are_silence() -> None:
    """There is one row to index, and it is zero."""
    assert voice_hops(make_clips(1, 2)[0]).tolist() == [[0, 0, 0]]


def test_to_sequence_shows_no_frame_twice() -> None:
    """A cell without a frame of its own, or without a face, is not shown."""
    clip = replace(make_clips(1, 20)[0], fps=15.0)
    clip.present[4] = False
    found = to_sequence(clip)
    assert found.shown[:10].tolist() == [True, False] * 4 + [False, False]
    np.testing.assert_array_equal(found.affect[5], clip.valence_arousal[2])


def test_class_shares_knows_no_other_and_no_label() -> None:
    """Both are zeros; anger is anger though its number differs."""
    found = class_shares(np.array([-1, EXPRESSIONS.index("other"), 1], np.int64))
    assert found[:2].sum() == 0
    assert found[2, FACE_EXPRESSIONS.index("anger")] == 1


def test_read_told_gives_nan_where_the_teacher_has_no_head(tmp_path: Path) -> None:
    """An EXPR teacher says nothing of valence, an AU teacher nothing of use."""
    clip = make_clips(1)[0]
    folder, data = begin_targets(tmp_path, TEACHER), clip_digest(clip)
    names = tuple(f"{clip.name}/{n:05}" for n in range(40))
    logits = np.ones((40, 8), np.float32)
    folder.write("clips/train/clip00", SoftTargets(TEACHER, data, names, logits))
    told = read_told(folder.finish(), "train", clip)
    assert np.isnan(told.affect).all()
    assert not np.isnan(told.expression).any()
    nothing = SoftTargets(
        TEACHER, data, names, action_units=np.ones((40, 12), np.float32)
    )
    folder.write("clips/train/clip00", nothing)
    with pytest.raises(DataError, match="without valence"):
        read_told(folder.finish(), "train", clip)


def test_affect_goes_on_after_a_kill_and_loads(
    tmp_path: Path, kill: Callable[[], None]
) -> None:
    """Killed after an epoch and run again equals never killed, to the bit."""
    with pytest.raises(KilledError):
        run(_affect(), tmp_path / "two")
    kill()
    best = run(_affect(), tmp_path / "one")
    run(_affect(), tmp_path / "two")
    _same(tmp_path / "one" / "last.safetensors", tmp_path / "two" / "last.safetensors")
    assert load_affect_net(best).config == AFFECT.net


def test_affect_learns_what_the_teacher_says_alone() -> None:
    """Without any label the student's estimates come to follow the teacher's."""
    config = replace(AFFECT, epochs=1, batch=8, kd_share=1.0, learning_rate=1e-2)
    lessons = []
    for clip in make_clips(8, 90, seed=3):
        sequence = to_sequence(clip)
        told = Told(np.full((len(sequence.face), 8), np.nan), sequence.affect)
        unlabelled = replace(sequence, affect=np.full_like(sequence.affect, np.nan))
        lessons.append(Lesson(unlabelled, told))
    dev = make_clips(3, 90, seed=3)
    torch.manual_seed(0)
    net = AffectNet(config.net)
    trainer = AffectStudentTrainer(config, net, lessons, dev)
    before = clips_figures(net.eval(), dev)["p_va"]
    trainer.steps = 60
    trainer.train_epoch(0)
    assert clips_figures(net.eval(), dev)["p_va"] > before + 0.3


def test_told_loss_is_zero_when_the_student_says_the_same() -> None:
    """Equal estimates and equal logits up to a constant cost nothing."""
    trainer = _affect()
    cells, random = 30, np.random.default_rng(0)
    told = _told(cells)
    mine, its = trainer.columns
    logits = torch.full((1, cells, 8), 7.0)
    logits[..., mine] = torch.from_numpy(told.expression)[None][..., its] + 3
    affect = torch.from_numpy(told.affect)[None]
    ahead = torch.cat([affect[:, 10:], torch.zeros(1, 10, 2)], dim=1)
    output = AffectOutput(affect, affect, ahead, logits)
    assert float(trainer.told_loss(output, [told])) == pytest.approx(0, abs=1e-5)
    other = replace(told, affect=random.uniform(-1, 1, (cells, 2)).astype(np.float32))
    assert float(trainer.told_loss(output, [other])) > 0.5


def test_affect_refuses_clips_that_are_too_short() -> None:
    """A sequence has one length."""
    with pytest.raises(DataError, match="no clip of 99 cells"):
        _affect(replace(AFFECT, cells=99))


def test_estimate_clip_speaks_of_every_frame_and_never_says_other() -> None:
    """As many estimates as frames, at any rate."""
    clips: list[ClipFeatures] = make_clips(3, 50)
    net = AffectNet(AFFECT.net).eval()
    for clip in clips:
        affect, scores = estimate_clip(net, clip)
        assert (affect.shape, scores.shape) == ((50, 2), (50, 8))
        assert np.isneginf(scores[:, EXPRESSIONS.index("other")]).all()
    assert set(clips_figures(net, clips)) >= {"p_va", "p_expr"}


def test_voice_goes_on_after_a_kill_and_loads(
    made_root: Path, tmp_path: Path, kill: Callable[[], None]
) -> None:
    """Killed equals never killed; the affect recipe takes the student as any voice."""
    with pytest.raises(KilledError):
        run(_voice(made_root), tmp_path / "two")
    kill()
    best = run(_voice(made_root), tmp_path / "one")
    run(_voice(made_root), tmp_path / "two")
    _same(tmp_path / "one" / "last.safetensors", tmp_path / "two" / "last.safetensors")
    assert load_voice_net(best).config == VOICE.net
    net = FaceConfig(widths=(4, 4, 4, 4), blocks=(1, 1, 1), embedding=6)
    config = FaceTraining(epochs=1, batch=16, synthetic_batch=4, net=net)
    face = train_face(config, Inputs(made_root, tmp_path / "face"), tmp_path / "face")
    assert Frozen.load(face, best).dev_speakers == ("03",)


def test_voice_pieces_beyond_the_clip_are_not_asked(made_root: Path) -> None:
    """A clip shorter than a piece is followed by silence without a target."""
    trainer = _voice(made_root)
    sound, told = trainer._cut(trainer.heard[0], np.random.default_rng(0))
    assert sound.shape == (12 * 1600,)
    # Hops 5 to 8 of the clip's 9, then nothing up to the piece's 12.
    assert np.isnan(told.affect).any(axis=1).tolist() == [False] * 4 + [True] * 3
    np.testing.assert_array_equal(told.affect[:4], trainer.heard[0].told.affect[5:9])


def test_voice_refuses_to_learn_from_no_clip(made_root: Path) -> None:
    """Clips without sound leave nothing to distil."""
    with pytest.raises(DataError, match="no clip with sound"):
        VoiceStudentTrainer(VOICE, load_emodb(made_root, "train"), [])
