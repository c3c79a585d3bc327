"""Masks in training against faces lost at run time; focal loss against weighted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from training.challenge import challenge_figures
from training.claims.base import Claim, Material, Study, train_and_test
from training.clips.recipe import load_net
from training.clips.tape import Tape
from training.clips.trainer import estimate_rows
from training.models.masked_transformer import MASKS
from training.recipes.masked_transformer import (
    PRESETS,
    TRAINERS,
    MaskedTraining,
    VaTrainer,
)

_RATES = (0.2, 0.5, 0.8)
_BURST_S = 1.0
_DROPS = ("independent", "burst")
_TEST_HOP = 3
"""Drops are tested on every third frame: six tests would outlast the training."""


def drop_faces(tape: Tape, kind: str, rate: float, seed: int) -> Tape:
    """Return ``tape`` with a share of its frames' faces gone, and their features 0.

    A frame's face is there or gone by a chain of two states for each clip. With
    ``independent`` drops each frame is drawn by itself; in a ``burst`` faces stay away
    for 1 s on average, and for as long between as gives the rate.

    Args:
        tape: Clips.
        kind: ``independent`` or ``burst``.
        rate: Expected share of frames, above 0 and below 1.
        seed: Of the draws.
    """
    draws = np.random.default_rng(seed).random(len(tape.present))
    first = tape.start.numpy() == np.arange(len(draws))
    fps = tape.fps.numpy()
    back = 1 / (_BURST_S * fps) if kind == "burst" else np.full(len(fps), 1 - rate)
    away = back * rate / (1 - rate)
    gone = np.zeros(len(draws), np.bool_)
    for row, draw in enumerate(draws):
        if first[row]:
            gone[row] = draw < rate
        elif gone[row - 1]:
            gone[row] = draw >= back[row]
        else:
            gone[row] = draw < away[row]
    lost = torch.from_numpy(gone)
    return replace(
        tape,
        face=tape.face.masked_fill(lost[:, None], 0),
        present=tape.present & ~lost,
    )


def _run(
    arm: str,  # noqa: ARG001 - the configuration says it all
    config: MaskedTraining,
    material: Material,
    out: Path,
) -> dict[str, float]:
    kind = TRAINERS[config.task]
    figures = train_and_test(kind, config, material, out)
    if kind is VaTrainer:
        figures |= _under_drops(config, out / "best.safetensors", material.test)
    return figures


def _under_drops(
    config: MaskedTraining, checkpoint: Path, test: Tape
) -> dict[str, float]:
    net = load_net(VaTrainer, checkpoint, test)
    rows = test.labelled(VaTrainer.task)[::_TEST_HOP]
    figures: dict[str, float] = {}
    for kind in _DROPS:
        for rate in _RATES:
            lossy = drop_faces(test, kind, rate, config.seed)
            estimates = estimate_rows(VaTrainer, config, net, lossy, rows)
            told = challenge_figures(test.labels(rows), estimates)
            figures[f"p_va_{kind}_{rate}"] = told["p_va"]
        figures[f"p_va_{kind}"] = float(
            np.mean([figures[f"p_va_{kind}_{rate}"] for rate in _RATES])
        )
    return figures


def _arms() -> dict[str, MaskedTraining]:
    small = PRESETS["small"]
    arms = {"none": replace(small, mask_probability=0.0)}
    for mask in MASKS:
        for rate in _RATES:
            arms[f"{mask}_{rate}"] = replace(small, mask=mask, mask_probability=rate)
    for task in ("EXPR", "AU"):
        focal = replace(small, task=task)
        arms[f"{task}_focal"] = focal
        arms[f"{task}_weighted"] = replace(focal, alpha=1.0, gamma=0.0)
    return arms


def _claims(arms: Mapping[str, MaskedTraining]) -> tuple[Claim, ...]:
    masked = [arm for arm, c in arms.items() if c.task == "VA" and c.mask_probability]
    claims = [
        Claim(
            f"Masking ({arm}) helps when faces are lost ({kind} drops)",
            (arm, f"p_va_{kind}"),
            ("none", f"p_va_{kind}"),
        )
        for kind in _DROPS
        for arm in masked
    ]
    claims += [
        Claim(f"Masking ({arm}) costs on clean input", ("none", "p_va"), (arm, "p_va"))
        for arm in masked
    ]
    claims += [
        Claim(
            f"Masking frames beats masking elements at {rate} ({kind} drops)",
            (f"frame_{rate}", f"p_va_{kind}"),
            (f"element_{rate}", f"p_va_{kind}"),
        )
        for kind in _DROPS
        for rate in _RATES
    ]
    claims += [
        Claim(
            f"Focal loss beats weighted cross-entropy on {task}",
            (f"{task}_focal", figure),
            (f"{task}_weighted", figure),
        )
        for task, figure in (("EXPR", "p_expr"), ("AU", "p_au"))
    ]
    return tuple(claims)


_ARMS = _arms()
STUDY = Study(
    name="masked_transformer",
    arms=_ARMS,
    claims=_claims(_ARMS),
    run=_run,
    notes=(
        "Mechanism only: simulated faces through our own small face network; the "
        "paper's figures would need ViT features of Aff-Wild2. p_va_independent and "
        "p_va_burst are means over 20, 50 and 80 % of faces lost."
    ),
)
