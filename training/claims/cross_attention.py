"""What crossing two senses does for the expression, and what the text loss does.

Every arm has as many weights as ``cross``, within two in a hundred.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from training.claims.base import Claim, Material, Study, train_and_test
from training.recipes.cross_attention import PRESETS, CrossAttentionTrainer

_CROSS = PRESETS["small"]
_FIGURE = "p_expr"


def run_arm(arm: str, config: Any, material: Material, out: Path) -> dict[str, float]:  # noqa: ARG001
    """Train and test one arm.

    Raises:
        DataError: The run failed.
    """
    return train_and_test(CrossAttentionTrainer, config, material, out)


def _cross_beats(other: str, what: str) -> Claim:
    return Claim(
        f"Bi-directional cross-attention beats {what}",
        ("cross", _FIGURE),
        (other, _FIGURE),
    )


def _prototypes_beat(other: str, what: str) -> Claim:
    return Claim(
        f"A text loss on class prototypes beats {what}",
        ("cross", _FIGURE),
        (other, _FIGURE),
    )


STUDY = Study(
    name="cross_attention",
    arms={
        "cross": _CROSS,
        "face": replace(_CROSS, modality="face"),
        "sound": replace(_CROSS, modality="sound"),
        "late": replace(_CROSS, fusion="late"),
        "shuffled_sound": replace(_CROSS, fusion="shuffled_sound"),
        "no_text": replace(_CROSS, text_weight=0.0),
        "orthonormal": replace(_CROSS, text="orthonormal"),
        "shuffled_prompts": replace(_CROSS, text="shuffled:prototypes"),
    },
    claims=(
        _cross_beats("face", "the face alone with as many weights"),
        _cross_beats("sound", "sound alone with as many weights"),
        _cross_beats("late", "late fusion"),
        _cross_beats("shuffled_sound", "itself with another clip's sound"),
        _prototypes_beat("no_text", "no text loss"),
        _prototypes_beat("orthonormal", "one on orthonormal vectors"),
    ),
    controls=(
        _prototypes_beat("shuffled_prompts", "one on another class's prototypes"),
    ),
    run=run_arm,
    notes=(
        "Mechanism only: the text vectors are random class prototypes, which know "
        "nothing of the classes (so shuffling them is a null control), and the "
        "backbones are our small students; the paper's claim needs CLIP, Wav2Vec 2.0 "
        "and Aff-Wild2 and was not run."
    ),
)
"""Arms and claims."""
