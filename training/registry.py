"""The recipes by name, and what each of their modules offers.

A recipe's module has ``PRESETS`` (name → configuration, the default first),
``train(config, inputs, out) -> Path`` and ``evaluate(checkpoint, inputs) -> figures``.
It is imported when it is used: torch takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from edge_affect.errors import UsageError
from training.inputs import Inputs


class RecipeModule(Protocol):
    """What a recipe's module offers."""

    PRESETS: Mapping[str, Any]

    def train(self, config: Any, inputs: Inputs, out: Path) -> Path:
        """Train, or go on; return the best checkpoint's path."""

    def evaluate(self, checkpoint: Path, inputs: Inputs) -> dict[str, float]:
        """Return the checkpoint's figures on the part for reporting or selection."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One line of ``list`` and where its code is."""

    summary: str
    """What it teaches, from what."""
    module: str
    """Module that ``open_recipe`` imports."""
    presets: tuple[str, ...] = ("small", "paper")
    """Names in the module's ``PRESETS``, the default first."""


RECIPES: dict[str, Recipe] = {
    "locator": Recipe(
        "student: boxes and five points of faces, taught by YuNet on pasted scenes",
        "training.recipes.locator",
        ("default",),
    ),
    "face": Recipe(
        "student: expression from FER+ votes, valence and arousal from DiffusionFER",
        "training.recipes.face",
        ("default",),
    ),
    "voice": Recipe(
        "student: emotion from EmoDB, speech against noise made in code; causal",
        "training.recipes.voice",
        ("default",),
    ),
    "affect": Recipe(
        "student: both over time, from composed clips and the simulated driver",
        "training.recipes.affect",
        ("default",),
    ),
    "student": Recipe(
        "the product's networks, distilled from soft targets (see distill)",
        "training.recipes.student",
        ("face", "voice", "affect"),
    ),
    "byel": Recipe(
        "pre-training on drawn faces, fine-tuning, test on real ones; six emotions",
        "training.recipes.byel",
    ),
    "mtl_kd": Recipe(
        "VA, EXPR and AU at once: teacher, student by soft labels, discriminator",
        "training.recipes.mtl_kd",
    ),
    "cross_attention": Recipe(
        "EXPR from face and sound: TCN, cross-attention both ways, text loss",
        "training.recipes.cross_attention",
    ),
    "soft_prompt": Recipe(
        "VA with soft labels of nine described regions; GRUs, gated fusion",
        "training.recipes.soft_prompt",
    ),
    "masked_transformer": Recipe(
        "VA, EXPR or AU from a window with masked frames",
        "training.recipes.masked_transformer",
    ),
    "capnet": Recipe(
        "VA from past faces only, the newest 1/3 s old",
        "training.recipes.capnet",
    ),
    "pu_mfa": Recipe(
        "point clouds: 256 points to 1,024, from shapes made in code",
        "training.recipes.pu_mfa",
        ("edge", "paper"),
    ),
}


def open_recipe(name: str) -> RecipeModule:
    """Import a recipe's module.

    Raises:
        UsageError: There is no such recipe.
    """
    if name not in RECIPES:
        raise UsageError(f"recipe: got {name!r}, expected one of {', '.join(RECIPES)}")
    return cast(RecipeModule, import_module(RECIPES[name].module))
