"""What soft labels of nine regions do for valence and arousal, by their width."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from training.claims.base import Claim, Material, Study
from training.clips.recipe import load_net
from training.engine.loop import run
from training.recipes.soft_prompt import (
    PRESETS,
    SoftPromptTrainer,
    soft_prompt_figures,
)

SIGMAS = {"1/6": 1 / 6, "1/3": 1 / 3, "1/2": 1 / 2, "2/3": 2 / 3}
"""Widths of the Gaussian labels; the reconstruction's is 1/3."""
_GAUSSIAN = PRESETS["small"]
_FIGURE = "p_va"


def run_arm(arm: str, config: Any, material: Material, out: Path) -> dict[str, float]:  # noqa: ARG001
    """Train and test one arm; the region head's own figures come with it.

    Raises:
        DataError: The run failed.
    """
    kind = SoftPromptTrainer
    best = run(kind(config, material.train, material.dev), out)
    net = load_net(kind, best, material.test)
    on_dev = soft_prompt_figures(config, net, material.dev)
    return soft_prompt_figures(config, net, material.test) | {
        f"dev_{name}": value for name, value in on_dev.items()
    }


def _gaussian_beats(other: str, what: str) -> Claim:
    return Claim(
        f"Gaussian region labels (σ 1/3) beat {what}",
        ("gaussian 1/3", _FIGURE),
        (other, _FIGURE),
    )


STUDY = Study(
    name="soft_prompt",
    arms={
        "none": replace(_GAUSSIAN, labels="none"),
        "one_hot": replace(_GAUSSIAN, labels="one_hot"),
        **{
            f"gaussian {name}": replace(_GAUSSIAN, sigma=sigma)
            for name, sigma in SIGMAS.items()
        },
        "orthonormal": replace(_GAUSSIAN, text="orthonormal"),
        "shuffled_prompts": replace(_GAUSSIAN, text="shuffled:prototypes"),
    },
    claims=(
        _gaussian_beats("none", "none"),
        _gaussian_beats("one_hot", "the nearest region alone"),
        *(
            _gaussian_beats(f"gaussian {name}", f"wider or narrower ones (σ {name})")
            for name in SIGMAS
            if name != "1/3"
        ),
        _gaussian_beats("orthonormal", "themselves with orthonormal texts"),
    ),
    controls=(
        _gaussian_beats(
            "shuffled_prompts", "themselves with other regions' prototypes"
        ),
    ),
    run=run_arm,
    notes=(
        "Mechanism only: the text vectors are random prototypes of the regions, which "
        "know nothing of them (so shuffling them is a null control), and the backbones "
        "are our small students; the paper's claim needs CLIP, AST and Aff-Wild2 and "
        "was not run."
    ),
)
"""Arms and claims."""
