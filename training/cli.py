"""The command ``python -m training``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_affect.errors import EdgeAffectError, UsageError

DATA_VARIABLE = "EDGE_AFFECT_DATA"
"""Environment variable that names the data root when ``--data`` does not."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One line of ``list`` and what stands behind it."""

    summary: str
    """What it teaches, from what."""
    train: Callable[[argparse.Namespace, Path], Path]
    """Trains; returns the best checkpoint's path."""
    evaluate: Callable[[argparse.Namespace, Path], dict[str, float]]
    """Returns figures of a checkpoint."""


def _with_epochs(config: Any, arguments: argparse.Namespace) -> Any:
    if arguments.epochs is None:
        return config
    if arguments.epochs < 1:
        raise UsageError(f"--epochs: got {arguments.epochs}, expected 1 or more")
    return replace(config, epochs=arguments.epochs)


# torch takes seconds to import: each command brings only what it runs.


def _train_face(arguments: argparse.Namespace, root: Path) -> Path:
    from training.recipes.face import FaceTraining, train_face

    return train_face(_with_epochs(FaceTraining(), arguments), root, arguments.out)


def _train_voice(arguments: argparse.Namespace, root: Path) -> Path:
    from training.recipes.voice import VoiceTraining, train_voice

    return train_voice(_with_epochs(VoiceTraining(), arguments), root, arguments.out)


def _frozen(arguments: argparse.Namespace) -> tuple[Path, Path]:
    if arguments.face is None or arguments.voice is None:
        raise UsageError(
            "affect: got no --face or no --voice; expected the best.safetensors of "
            "both recipes, which embed what it trains on"
        )
    return arguments.face, arguments.voice


def _train_affect(arguments: argparse.Namespace, root: Path) -> Path:
    from training.recipes.affect import AffectTraining, train_affect

    config = _with_epochs(AffectTraining(), arguments)
    return train_affect(config, root, arguments.out, *_frozen(arguments))


def _evaluate_face(arguments: argparse.Namespace, root: Path) -> dict[str, float]:
    from training.evaluate import evaluate_face

    return evaluate_face(arguments.checkpoint, root)


def _evaluate_voice(arguments: argparse.Namespace, root: Path) -> dict[str, float]:
    from training.evaluate import evaluate_voice

    return evaluate_voice(arguments.checkpoint, root)


def _evaluate_affect(arguments: argparse.Namespace, root: Path) -> dict[str, float]:
    from training.evaluate import evaluate_affect

    cache = arguments.checkpoint.parent / "cache"
    return evaluate_affect(arguments.checkpoint, root, cache, *_frozen(arguments))


RECIPES = {
    "face": Recipe(
        "expression from FER+ votes, valence and arousal from DiffusionFER",
        _train_face,
        _evaluate_face,
    ),
    "voice": Recipe(
        "emotion from EmoDB, speech against noise made in code; causal",
        _train_voice,
        _evaluate_voice,
    ),
    "affect": Recipe(
        "both over time, from composed clips and the simulated driver; causal",
        _train_affect,
        _evaluate_affect,
    ),
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m training", description="Train the networks and measure them."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name the recipes")
    train = commands.add_parser("train", help="train a recipe, or go on with it")
    evaluate = commands.add_parser("evaluate", help="measure a checkpoint")
    condense = commands.add_parser(
        "condense", help="keep a checkpoint's averaged weights alone, in half floats"
    )
    for command in (train, evaluate, condense):
        command.add_argument("recipe", choices=tuple(RECIPES))
    for command in (train, evaluate):
        command.add_argument(
            "--data",
            type=Path,
            help=f"data root (default: the environment's {DATA_VARIABLE})",
        )
        command.add_argument("--face", type=Path, help="affect: the face checkpoint")
        command.add_argument("--voice", type=Path, help="affect: the voice checkpoint")
        command.add_argument(
            "--threads", type=int, help="threads of torch (default: torch's own)"
        )
    train.add_argument("--out", type=Path, required=True, help="folder of the run")
    train.add_argument("--epochs", type=int, help="default: the recipe's")
    for command in (evaluate, condense):
        command.add_argument("--checkpoint", type=Path, required=True)
    condense.add_argument("--out", type=Path, required=True, help="file to write")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code: 0 done, 1 failed, 2 wrong usage."""
    arguments = build_parser().parse_args(argv)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr
    )
    try:
        _run(arguments)
    except EdgeAffectError as error:
        sys.stderr.write(f"training: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("training: stopped; the same command goes on from here\n")
        return 130
    return 0


def _run(arguments: argparse.Namespace) -> None:
    if arguments.command == "list":
        for name, recipe in RECIPES.items():
            sys.stdout.write(f"{name:8} {recipe.summary}\n")
        return
    if arguments.command == "condense":
        from training.checkpoint import condense, load_checkpoint, save_checkpoint

        whole = load_checkpoint(arguments.checkpoint, arguments.recipe)
        save_checkpoint(arguments.out, condense(whole))
        return
    recipe = RECIPES[arguments.recipe]
    root = _data_root(arguments)
    if arguments.threads is not None:
        import torch

        if arguments.threads < 1:
            raise UsageError(f"--threads: got {arguments.threads}, expected 1 or more")
        torch.set_num_threads(arguments.threads)
    if arguments.command == "train":
        sys.stdout.write(f"{recipe.train(arguments, root)}\n")
    else:
        figures = recipe.evaluate(arguments, root)
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")


def _data_root(arguments: argparse.Namespace) -> Path:
    named = arguments.data or os.environ.get(DATA_VARIABLE)
    if not named:
        raise UsageError(
            f"--data: got none; expected the data root's folder, or {DATA_VARIABLE} set"
        )
    return Path(named)
