"""Labelling: a teacher's word on every frame and picture, resumed after a kill."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from edge_affect.errors import DataError, UsageError
from edge_affect.labels import EXPRESSIONS
from tests.training.clips import make_clips
from training.challenge import Estimates
from training.clips.settings import ClipTraining
from training.clips.tape import Tape
from training.clips.trainer import ClipTrainer
from training.engine import distributed
from training.engine.checkpoint import load_checkpoint
from training.engine.loop import run
from training.features.clips import ClipFeatures
from training.inputs import Inputs
from training.models.face import FACE_EXPRESSIONS, FaceConfig
from training.models.load import load_face_net
from training.recipes.face import FaceTraining, run_face
from training.recipes.face import train as train_face
from training.targets import label
from training.targets.folder import TargetFolder, begin_targets, open_targets
from training.targets.label import (
    binary_logits,
    label_clips,
    label_pictures,
    picture_part,
    to_logits,
)
from training.targets.pictures import located, read_pictures

pytestmark = pytest.mark.torch
# Half floats, and probabilities there and back.
NEAR = 2e-3


@dataclass(frozen=True, slots=True)
class Settings(ClipTraining):
    epochs: int = 1
    batch: int = 16
    hop: int = 2
    learning_rate: float = 1e-2
    schedule: str = "constant"
    patience: int | None = None
    weight_decay: float = 0.0
    average: float = 0.0
    seed: int = 1


class TinyTrainer(ClipTrainer[Settings, nn.Linear]):
    """Reads all three tasks from the face of half a second ago."""

    recipe = "tiny"
    selection = "p_va"
    task = "VA"
    config_type = Settings

    @classmethod
    def new_net(cls, config: Settings, face: int, sound: int) -> nn.Linear:
        return nn.Linear(face, 2 + 8 + 12)

    @classmethod
    def estimate(
        cls, config: Settings, net: nn.Linear, tape: Tape, rows: Tensor
    ) -> Estimates:
        said = net(tape.face[tape.past(rows, (0.5,))[0][:, 0]])
        return Estimates(
            torch.tanh(said[:, :2]).numpy(),
            torch.softmax(said[:, 2:10], dim=1).numpy(),
            torch.sigmoid(said[:, 10:]).numpy(),
        )

    def batch_loss(self, rows: Tensor, random: torch.Generator) -> Tensor:
        affect = torch.tanh(self.net(self.train.face[rows])[:, :2])
        return (affect - self.train.valence_arousal[rows]).square().mean()


@pytest.fixture
def clips() -> list[ClipFeatures]:
    """Return clips of which one never shows a face."""
    made = make_clips(4)
    unseen = replace(made[2], present=np.zeros_like(made[2].present))
    return [*made[:2], unseen, made[3]]


@pytest.fixture
def checkpoint(
    clips: list[ClipFeatures], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Return a tiny teacher, known to the registry as ``tiny``."""
    module = SimpleNamespace(trainer_of=lambda _: TinyTrainer)
    modules: dict[str, Any] = {"tiny": module, "deaf": SimpleNamespace()}
    monkeypatch.setattr(label, "open_recipe", modules.__getitem__)
    monkeypatch.setattr(label, "load_clips", lambda *_: clips)
    tape = Tape.join(clips)
    return run(TinyTrainer(Settings(), tape, tape), tmp_path / "teacher")


def _label(checkpoint: Path, out: Path) -> TargetFolder:
    inputs = Inputs(Path("made"), Path("made"))
    return label_clips("tiny", checkpoint, inputs, "train", out)


def test_label_clips_keeps_what_the_teacher_says_of_every_frame(
    clips: list[ClipFeatures], checkpoint: Path, tmp_path: Path
) -> None:
    """A clip by itself gets what it gets among others; logits come from either form."""
    folder = _label(checkpoint, tmp_path / "out")
    assert len(folder.files) == 4
    net = nn.Linear(5, 22)
    net.load_state_dict(load_checkpoint(checkpoint, "tiny").average)
    tape = Tape.join(clips)
    with torch.no_grad():
        said = net(tape.face[tape.past(torch.arange(160), (0.5,))[0][:, 0]]).numpy()
    for number, clip in enumerate(clips):
        found = folder.read(f"clips/train/{clip.name}")
        mine = said[number * 40 : (number + 1) * 40]
        assert found.teacher.classes == EXPRESSIONS
        assert found.names[39] == f"{clip.name}/00040"
        assert found.expression is not None
        assert found.action_units is not None
        assert found.valence_arousal is not None
        np.testing.assert_allclose(
            found.valence_arousal, np.tanh(mine[:, :2]), atol=NEAR
        )
        even = found.expression - found.expression.mean(axis=1, keepdims=True)
        logits = mine[:, 2:10] - mine[:, 2:10].mean(axis=1, keepdims=True)
        np.testing.assert_allclose(even, logits, atol=5 * NEAR)
        np.testing.assert_allclose(found.action_units, mine[:, 10:], atol=5 * NEAR)


def test_label_clips_goes_on_after_a_kill(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was labelled is not estimated again, and the outcome is the same."""
    whole = _label(checkpoint, tmp_path / "one")
    write, estimates, asked = TargetFolder.write, label._estimates, []

    def dies(folder: TargetFolder, part: str, targets: Any) -> None:
        if part.endswith("02"):
            raise KeyboardInterrupt
        write(folder, part, targets)

    monkeypatch.setattr(TargetFolder, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        _label(checkpoint, tmp_path / "two")
    monkeypatch.setattr(TargetFolder, "write", write)

    def counted(kind: Any, config: Any, net: Any, clip: ClipFeatures) -> Estimates:
        asked.append(clip.name)
        return estimates(kind, config, net, clip)

    monkeypatch.setattr(label, "_estimates", counted)
    resumed = _label(checkpoint, tmp_path / "two")
    assert asked == ["clip02", "clip03"]
    for part in whole.files:
        one, two = whole.read(part), resumed.read(part)
        assert one.names == two.names
        np.testing.assert_array_equal(one.valence_arousal, two.valence_arousal)


def test_label_clips_refuses_a_folder_of_another_teacher(
    clips: list[ClipFeatures], checkpoint: Path, tmp_path: Path
) -> None:
    """Another checkpoint of the same recipe is another teacher."""
    _label(checkpoint, tmp_path / "out")
    tape = Tape.join(clips)
    other = run(TinyTrainer(Settings(seed=2), tape, tape), tmp_path / "other")
    with pytest.raises(DataError, match="one folder holds one teacher's"):
        _label(other, tmp_path / "out")


def test_label_clips_refuses_a_recipe_without_the_hook(
    checkpoint: Path, tmp_path: Path
) -> None:
    """A recipe that is not trained on clips cannot label them."""
    with pytest.raises(UsageError, match="got the recipe 'deaf'"):
        label_clips("deaf", checkpoint, Inputs(tmp_path, tmp_path), "train", tmp_path)


def test_label_clips_splits_the_clips_over_processes(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two processes labels every other clip and leaves the index."""
    out = tmp_path / "out"
    _label(checkpoint, tmp_path / "one")
    begin_targets(out, open_targets(tmp_path / "one").teacher)
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    assert not _label(checkpoint, out).files
    found = sorted(path.stem for path in out.rglob("*.npz"))
    assert found == ["clip01", "clip03"]


def test_label_pictures_keeps_heads_and_embedding(
    made_root: Path, tmp_path: Path
) -> None:
    """Every training picture of a set, none of the selection part; mirrored as well."""
    net = FaceConfig(widths=(4, 4, 4, 4), blocks=(1, 1, 1), embedding=6)
    config = FaceTraining(epochs=1, batch=16, synthetic_batch=4, net=net)
    best = train_face(
        config, Inputs(made_root, tmp_path / "teacher"), tmp_path / "teacher"
    )
    folder = label_pictures([best], made_root, ("ferplus", "diffusionfer"), tmp_path)
    assert sorted(folder.files) == ["pictures/diffusionfer", "pictures/ferplus"]
    found, read = folder.read("pictures/ferplus"), read_pictures("ferplus", made_root)
    assert found.names == read.names
    assert found.teacher.classes == FACE_EXPRESSIONS
    luma = torch.from_numpy(read.luma)
    teacher = load_face_net(best)
    plain, mirrored = run_face(teacher, luma), run_face(teacher, luma.flip(-1))
    for head, one, other in zip(
        (found.embedding, found.expression, found.valence_arousal),
        plain,
        mirrored,
        strict=True,
    ):
        assert head is not None
        np.testing.assert_allclose(head, (one + other).numpy() / 2, atol=NEAR)


def test_label_pictures_asks_several_networks_together(
    made_root: Path, tmp_path: Path
) -> None:
    """Kept is the mean of what both say, under a name of both; no embedding."""
    net = FaceConfig(widths=(4, 4, 4, 4), blocks=(1, 1, 1), embedding=6)
    config = FaceTraining(epochs=1, batch=16, synthetic_batch=4, net=net)
    inputs = Inputs(made_root, tmp_path / "cache")
    teachers = [
        train_face(replace(config, seed=seed), inputs, tmp_path / str(seed))
        for seed in (1, 2)
    ]
    alone = [
        label_pictures([one], made_root, ("ferplus",), tmp_path / f"of-{number}")
        for number, one in enumerate(teachers)
    ]
    both = label_pictures(teachers, made_root, ("ferplus",), tmp_path / "of-both")
    said = [folder.read("pictures/ferplus") for folder in (*alone, both)]
    values = [one.expression for one in said]
    assert values[0] is not None
    assert values[1] is not None
    assert values[2] is not None
    np.testing.assert_allclose(values[2], (values[0] + values[1]) / 2, atol=NEAR)
    assert said[2].embedding is None
    assert both.teacher not in [folder.teacher for folder in alone]
    label_pictures(teachers[::-1], made_root, ("ferplus",), tmp_path / "of-both")


def test_read_pictures_refuses_an_unknown_set(made_root: Path) -> None:
    """The error lists the sets."""
    with pytest.raises(UsageError, match="expected one of ferplus"):
        read_pictures("faces", made_root)


def test_a_folder_of_faces_is_a_set(made_root: Path, tmp_path: Path) -> None:
    """Its pictures are named by their path; a damaged one and an empty one are told."""
    (tmp_path / "faces" / "joy").mkdir(parents=True)
    with pytest.raises(DataError, match="got no picture"):
        read_pictures("folder:faces", tmp_path)
    grey = np.full((80, 80), 7, np.uint8)
    cv2.imwrite(str(tmp_path / "faces" / "joy" / "b.png"), grey)
    cv2.imwrite(str(tmp_path / "faces" / "a.jpg"), grey)
    found = read_pictures("folder:faces", tmp_path)
    assert found.names == ("a.jpg", "joy/b.png")
    assert (found.luma[1] == 7).all()
    assert picture_part("folder:faces") == "pictures/folder-faces"
    (tmp_path / "faces" / "c.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"c\.jpg: not a picture"):
        read_pictures("folder:faces", tmp_path)


def test_located_leaves_out_pictures_without_a_face(made_root: Path) -> None:
    """Noise shows no face."""
    assert read_pictures("photos", made_root).names == ()
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (64, 64, 3), np.uint8)
    assert located(["a"], iter([noise])).luma.shape == (0, 56, 56)


def test_to_logits_tells_probabilities_from_logits() -> None:
    """Rows that sum to one lose to a logarithm; logits stay as they are."""
    shares = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]], np.float32)
    found = to_logits(shares)
    assert found[0, 0] - found[0, 1] == pytest.approx(np.log(2))
    assert found[1, 1] == pytest.approx(np.log(1e-4))
    logits = np.array([[0.5, 0.25, 0.25], [2.0, 0.0, 0.0]], np.float32)
    assert to_logits(logits) is logits


def test_binary_logits_are_finite() -> None:
    """A sure yes and a sure no stay within the floor."""
    found = binary_logits(np.array([[0.0, 0.5, 1.0]], np.float32))
    np.testing.assert_allclose(found, [[-9.21024, 0.0, 9.21024]], atol=1e-3)
