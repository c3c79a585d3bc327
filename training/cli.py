"""The command ``python -m training``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_affect.errors import EdgeAffectError, UsageError, missing_package
from training.arguments import DATA_VARIABLE, build_parser
from training.engine.config import read_config, to_plain
from training.inputs import Inputs
from training.registry import RECIPES, RecipeModule, open_recipe

# torch takes seconds to import: each command brings only what it runs.


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code: 0 done, 1 failed, 2 wrong usage."""
    arguments = build_parser().parse_args(argv)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr
    )
    try:
        _COMMANDS[arguments.command](arguments)
    except EdgeAffectError as error:
        sys.stderr.write(f"training: {error}\n")
        return error.exit_code
    except ModuleNotFoundError as error:
        absent = missing_package(error, "train", arguments.command)
        sys.stderr.write(f"training: {absent}\n")
        return absent.exit_code
    except KeyboardInterrupt:
        goes_on = arguments.command in _RESUMABLE
        sys.stderr.write(
            "training: stopped"
            + ("; the same command goes on from here\n" if goes_on else "\n")
        )
        return 130
    return 0


def _list(_: argparse.Namespace) -> None:
    for name, recipe in RECIPES.items():
        presets = ", ".join(recipe.presets)
        sys.stdout.write(f"{name:18} {recipe.summary} [{presets}]\n")


def _train(arguments: argparse.Namespace) -> None:
    inputs = _inputs(arguments)
    recipe = open_recipe(arguments.recipe)
    config = _config(recipe, arguments)
    with _processes(arguments):
        best = recipe.train(config, inputs, arguments.out)
        _tell(f"{best}\n")


def _show(arguments: argparse.Namespace) -> None:
    config = _config(open_recipe(arguments.recipe), arguments)
    sys.stdout.write(json.dumps(to_plain(config), indent=2) + "\n")


def _config(recipe: RecipeModule, arguments: argparse.Namespace) -> Any:
    name = arguments.preset or next(iter(recipe.PRESETS))
    if name not in recipe.PRESETS:
        raise UsageError(
            f"--preset: got {name!r}, expected one of {', '.join(recipe.PRESETS)}"
        )
    return read_config(recipe.PRESETS[name], arguments.config, arguments.set)


def _tell(text: str) -> None:
    """Write the result, once however many processes there are."""
    from training.engine.distributed import rank

    if rank() == 0:
        sys.stdout.write(text)


def _evaluate(arguments: argparse.Namespace) -> None:
    inputs = _inputs(arguments)
    with _processes(arguments):
        figures = open_recipe(arguments.recipe).evaluate(arguments.checkpoint, inputs)
        _tell(json.dumps(figures, indent=2) + "\n")


def _label(arguments: argparse.Namespace) -> None:
    from training.targets.label import label_clips, label_pictures

    inputs, checkpoints = _inputs(arguments), arguments.checkpoints
    if arguments.recipe != "face" and len(checkpoints) > 1:
        raise UsageError(
            f"--checkpoint: got {len(checkpoints)}, expected one: clips are labelled "
            "by one network"
        )
    with _processes(arguments):
        if arguments.recipe == "face":
            sets = arguments.sets or ["ferplus"]
            label_pictures(checkpoints, inputs.data, sets, arguments.out)
        else:
            label_clips(
                arguments.recipe, checkpoints[0], inputs, arguments.split, arguments.out
            )
        _tell(f"{arguments.out}\n")


def _distill(arguments: argparse.Namespace) -> None:
    from training.recipes import student

    preset = student.PRESETS[arguments.part]
    config = read_config(preset, arguments.config, arguments.set)
    with _processes(arguments):
        inputs = _inputs(arguments)
        best = student.distill(config, inputs, arguments.targets, arguments.out)
    sys.stdout.write(f"{best}\n")


def _condense(arguments: argparse.Namespace) -> None:
    from training.engine.checkpoint import condense, load_checkpoint, save_checkpoint

    whole = load_checkpoint(arguments.checkpoint, arguments.recipe)
    save_checkpoint(arguments.out, condense(whole))


def _validate(arguments: argparse.Namespace) -> None:
    from training.data.aff_wild2 import format_report, validate

    sys.stdout.write(format_report(validate(_data_root(arguments))))


def _synthesize(arguments: argparse.Namespace) -> None:
    from training.synthetic.synthesize import synthesize

    manifest = synthesize(
        arguments.out,
        arguments.family,
        arguments.clips,
        arguments.seed,
        workers=arguments.workers,
    )
    sys.stdout.write(f"{manifest}\n")


def _claims(arguments: argparse.Namespace) -> None:
    from training.claims.command import Claims, run_claims, tune_claims

    named = arguments.data or os.environ.get(DATA_VARIABLE)
    claims = Claims(
        Path(named) if named else None,
        arguments.work,
        arguments.results,
        arguments.page,
        arguments.seeds,
        arguments.workers,
    )
    with _processes(arguments):
        if arguments.tune:
            tune_claims(arguments.study, claims)
        else:
            run_claims(arguments.study, claims)


def _folds(arguments: argparse.Namespace) -> None:
    from training.folds.command import ARMS, measure_folds
    from training.folds.split import PROTOCOLS

    with _processes(arguments):
        path = measure_folds(
            _data_root(arguments),
            arguments.results,
            arguments.work,
            arguments.arms or ARMS,
            arguments.protocols or PROTOCOLS,
        )
    sys.stdout.write(f"{path}\n")


_RESUMABLE = ("train", "label", "distill", "synthesize", "claims")
"""Commands that keep what is finished and go on with the rest."""
_COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "list": _list,
    "show": _show,
    "train": _train,
    "evaluate": _evaluate,
    "condense": _condense,
    "label": _label,
    "distill": _distill,
    "validate": _validate,
    "synthesize": _synthesize,
    "claims": _claims,
    "folds": _folds,
}


def _inputs(arguments: argparse.Namespace) -> Inputs:
    return Inputs(
        _data_root(arguments), arguments.cache, arguments.face, arguments.voice
    )


def _data_root(arguments: argparse.Namespace) -> Path:
    named = arguments.data or os.environ.get(DATA_VARIABLE)
    if not named:
        raise UsageError(
            f"--data: got none; expected the data root's folder, or {DATA_VARIABLE} set"
        )
    return Path(named)


@contextmanager
def _processes(arguments: argparse.Namespace) -> Iterator[None]:
    """Set torch's threads, and join the other processes under torchrun."""
    import torch

    from training.engine import distributed

    if arguments.threads is not None:
        if arguments.threads < 1:
            raise UsageError(f"--threads: got {arguments.threads}, expected 1 or more")
        torch.set_num_threads(arguments.threads)
    distributed.start()
    try:
        yield
    finally:
        distributed.stop()
