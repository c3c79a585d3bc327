"""A recording in two parts is refused by every recipe on clips, before it trains."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("soundfile")

from edge_affect.errors import DataError
from tests.training.aff_wild2_tree import write_crops
from training.inputs import Inputs
from training.recipes import (
    capnet,
    cross_attention,
    masked_transformer,
    mtl_kd,
    soft_prompt,
    student,
)

pytestmark = pytest.mark.torch
_OWN_CNN = replace(capnet.PRESETS["small"], face_backbone="capnet", batch=4, hop=1)


@pytest.mark.parametrize(
    ("train", "config"),
    [
        pytest.param(train, config, id=name)
        for name, train, config in (
            ("capnet", capnet.train, capnet.PRESETS["small"]),
            ("capnet from crops", capnet.train, _OWN_CNN),
            (
                "cross_attention",
                cross_attention.train,
                cross_attention.PRESETS["small"],
            ),
            (
                "masked_transformer",
                masked_transformer.train,
                masked_transformer.PRESETS["small"],
            ),
            ("mtl_kd", mtl_kd.train, mtl_kd.PRESETS["small"]),
            ("soft_prompt", soft_prompt.train, soft_prompt.PRESETS["small"]),
            (
                "student affect",
                student.train,
                replace(student.PRESETS["affect"], kd_share=0.0),
            ),
        )
    ],
)
def test_a_recording_in_two_parts_is_refused(
    train: Callable[[Any, Inputs, Path], Path],
    config: Any,
    aff_wild2_tree: Path,
    tmp_path: Path,
) -> None:
    """The other person in its picture counts too, and nothing is trained before."""
    labels = aff_wild2_tree / "VA_Estimation_Challenge"
    shutil.copy(
        labels / "Train_Set" / "va-train-0.txt",
        labels / "Validation_Set" / "va-train-0_right.txt",
    )
    write_crops(aff_wild2_tree, "va-train-0_right", [1, 2, 4, 5])
    inputs = Inputs(aff_wild2_tree, tmp_path / "cache")
    with pytest.raises(DataError, match="video va-train-0: got it in the training"):
        train(config, inputs, tmp_path / "run")
    assert not (tmp_path / "run").exists()
