"""The options of the command ``python -m training``."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.registry import RECIPES

DATA_VARIABLE = "EDGE_AFFECT_DATA"
"""Environment variable that names the data root when ``--data`` does not."""
DEFAULT_CACHE = Path("runs/features")
"""Where features are kept when ``--cache`` does not say."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m training", description="Train the networks and measure them."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name the recipes and their presets")
    show = commands.add_parser(
        "show", help="print a recipe's settings as JSON, fit for --config"
    )
    show.add_argument("recipe", choices=tuple(RECIPES))
    show.add_argument("--preset", help="configuration to begin with (see list)")
    _add_settings(show)
    _add_train(commands.add_parser("train", help="train a recipe, or go on with it"))
    evaluate = commands.add_parser("evaluate", help="measure a checkpoint")
    evaluate.add_argument("recipe", choices=tuple(RECIPES))
    evaluate.add_argument("--checkpoint", type=Path, required=True)
    _add_inputs(evaluate)
    condense = commands.add_parser(
        "condense", help="keep a checkpoint's averaged weights alone, in half floats"
    )
    condense.add_argument("recipe", choices=tuple(RECIPES))
    condense.add_argument("--checkpoint", type=Path, required=True)
    condense.add_argument("--out", type=Path, required=True, help="file to write")
    label = commands.add_parser(
        "label", help="let a checkpoint label clips or pictures: soft targets"
    )
    label.add_argument("recipe", choices=tuple(RECIPES))
    label.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        action="append",
        dest="checkpoints",
        help="the teacher; face: may come several times, the mean of all is kept",
    )
    label.add_argument("--out", type=Path, required=True, help="folder of targets")
    label.add_argument(
        "--split", default="train", choices=("train", "valid"), help="part of the clips"
    )
    label.add_argument(
        "--set",
        action="append",
        dest="sets",
        help="face: a picture set, may come several times (default: ferplus)",
    )
    _add_inputs(label)
    distill = commands.add_parser(
        "distill", help="train one of the product's networks on soft targets"
    )
    distill.add_argument("part", choices=("face", "voice", "affect"))
    distill.add_argument("--targets", type=Path, help="folder made by label")
    _add_run(distill)
    validate = commands.add_parser(
        "validate", help="say what an Aff-Wild2 root holds, refuse what is wrong"
    )
    _add_data(validate)
    _add_synthesize(
        commands.add_parser(
            "synthesize", help="film simulated drivers into Aff-Wild2's layout"
        )
    )
    _add_claims(
        commands.add_parser(
            "claims", help="try the papers' claims: all arms, five seeds, unattended"
        )
    )
    folds = commands.add_parser(
        "folds", help="train the voice and a baseline on speakers; ask about others"
    )
    folds.add_argument("part", choices=("voice",))
    _add_data(folds)
    folds.add_argument(
        "--results",
        type=Path,
        default=Path("benchmarks/results"),
        help="folder of result files (default: %(default)s)",
    )
    folds.add_argument(
        "--work",
        type=Path,
        default=Path("runs/folds"),
        help="folder of the network's runs, gone on with (default: %(default)s)",
    )
    folds.add_argument(
        "--arm",
        action="append",
        dest="arms",
        help="one of functionals_svm (seconds) and network (an hour), may come twice "
        "(default: both)",
        choices=("functionals_svm", "network"),
    )
    folds.add_argument(
        "--protocol",
        action="append",
        dest="protocols",
        help="speakers, or sentences as well: unheard (default: both)",
        choices=("speakers", "sentences"),
    )
    _add_threads(folds)
    return parser


def _add_train(train: argparse.ArgumentParser) -> None:
    train.add_argument("recipe", choices=tuple(RECIPES))
    train.add_argument("--preset", help="configuration to begin with (see list)")
    _add_run(train)


def _add_run(train: argparse.ArgumentParser) -> None:
    train.add_argument("--out", type=Path, required=True, help="folder of the run")
    _add_settings(train)
    _add_inputs(train)


def _add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, help="JSON file over the preset")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one setting over both; may come several times",
    )


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data",
        type=Path,
        help=f"data root (default: the environment's {DATA_VARIABLE})",
    )


def _add_threads(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--threads", type=int, help="threads of torch (default: torch's own)"
    )


def _add_inputs(command: argparse.ArgumentParser) -> None:
    _add_data(command)
    command.add_argument(
        "--cache",
        type=Path,
        default=DEFAULT_CACHE,
        help="folder of computed features (default: %(default)s)",
    )
    command.add_argument("--face", type=Path, help="affect: the face checkpoint")
    command.add_argument("--voice", type=Path, help="affect: the voice checkpoint")
    _add_threads(command)


def _add_synthesize(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=Path, required=True, help="folder to fill")
    command.add_argument(
        "--family", choices=("A", "B"), required=True, help="A trains, B tests"
    )
    command.add_argument("--clips", type=int, required=True, help="how many")
    command.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    command.add_argument(
        "--workers", type=int, default=1, help="processes (default: %(default)s)"
    )


def _add_claims(command: argparse.ArgumentParser) -> None:
    command.add_argument("study", nargs="*", help="recipes (default: all of them)")
    _add_data(command)
    command.add_argument(
        "--work",
        type=Path,
        default=Path("runs/claims"),
        help="folder of films, features and runs (default: %(default)s)",
    )
    command.add_argument(
        "--results",
        type=Path,
        default=Path("benchmarks/results"),
        help="folder of result files (default: %(default)s)",
    )
    command.add_argument(
        "--page",
        type=Path,
        default=Path("docs/claims.md"),
        help="page to write (default: %(default)s)",
    )
    command.add_argument(
        "--seeds", type=int, default=5, help="runs of each arm (default: %(default)s)"
    )
    command.add_argument(
        "--workers", type=int, default=1, help="processes that film (default: 1)"
    )
    command.add_argument(
        "--tune",
        action="store_true",
        help="byel: compare settings by cross-validation on drawn faces, nothing else; "
        "writes byel-tuning.json",
    )
    _add_threads(command)
