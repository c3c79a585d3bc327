"""What recipes on clips share before they train."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("torch")

import torch

from edge_affect.errors import DataError
from tests.training.clips import make_clips
from training.clips.recipe import refuse_overlap
from training.clips.tape import Tape
from training.engine.checkpoint import Checkpoint, save_checkpoint
from training.recipes import capnet, cross_attention, mtl_kd, soft_prompt

pytestmark = pytest.mark.torch


def _tape(*names: str) -> Tape:
    clips = make_clips(len(names), 5)
    named = [replace(c, name=n) for c, n in zip(clips, names, strict=True)]
    return Tape.join(named)


def test_a_video_in_both_parts_is_refused() -> None:
    """Under another subject's name too: it is the same recording."""
    with pytest.raises(DataError, match="video drive7: got it in the training part"):
        refuse_overlap(_tape("drive1", "drive7_left"), _tape("drive7_right", "drive9"))


def test_parts_of_other_videos_are_taken() -> None:
    """Names that only begin alike are other videos."""
    refuse_overlap(_tape("drive1", "drive7"), _tape("drive77", "drive11"))


@pytest.mark.parametrize(
    ("recipe", "module", "trainer"),
    [
        ("capnet", capnet, "TemporalTrainer"),
        ("cross_attention", cross_attention, "CrossAttentionTrainer"),
        ("soft_prompt", soft_prompt, "SoftPromptTrainer"),
        ("mtl_kd", mtl_kd, "StudentTrainer"),
        ("mtl_kd_teacher", mtl_kd, "TeacherTrainer"),
    ],
)
def test_a_checkpoint_leads_to_its_trainer(
    recipe: str, module: ModuleType, trainer: str, tmp_path: Path
) -> None:
    """Teacher and student of one recipe are told apart; another recipe is refused."""
    weights = {"weight": torch.zeros(1)}
    for name in (recipe, "face"):
        stored = Checkpoint(name, {}, 1, weights, weights)
        save_checkpoint(tmp_path / name, stored)
    assert module.trainer_of(tmp_path / recipe).__name__ == trainer
    with pytest.raises(DataError, match="got a checkpoint of recipe 'face'"):
        module.trainer_of(tmp_path / "face")
