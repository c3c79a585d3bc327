"""The command ``python -m quantize``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from pathlib import Path

from edge_affect.errors import EdgeAffectError, UsageError, missing_package

DATA_VARIABLE = "EDGE_AFFECT_DATA"
"""Environment variable that names the data root when ``--data`` does not."""
GRAPH_NAMES = ("locator", "face", "voice", "affect")
STREAMED_NAMES = ("voice", "affect")
"""Graphs with state."""
FLOAT_NAMES = (*GRAPH_NAMES, "pointcloud")
"""Graphs that are exported; the last one is float alone."""
TARGETS = ("cpu-fp32", "cpu-int8", "trt-int8", "trt-fp16")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m quantize",
        description="Turn checkpoints into the graphs of each target.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (
        ("ptq", "quantize a checkpoint: ranges from training material"),
        ("qat", "quantize, then train to say what the float network says"),
        ("sensitivity", "measure what each layer costs at 8 and at 4 bits"),
    ):
        command = commands.add_parser(name, help=told)
        _add_network(command)
        _add_material(command)
        command.add_argument("--out", required=True, type=Path, help="file to write")
        if name != "sensitivity":
            command.add_argument(
                "--scheme",
                default="W8A8_PER_CHANNEL",
                help="W8A8_PER_CHANNEL (default), W8A8_PER_TENSOR, W4A8, or a file "
                "that sensitivity wrote, for its MIXED",
            )
        if name == "qat":
            command.add_argument(
                "--steps",
                type=_positive,
                default=400,
                help="batches to train on (default: %(default)s)",
            )
        if name == "sensitivity":
            command.add_argument("--plot", type=Path, help="SVG file to write as well")
    export = commands.add_parser(
        "export",
        help="write a graph for a target and compare it with torch",
        description="Write GRAPH.TARGET.onnx, check it and compare it with torch over "
        "200 steps; print one JSON line.",
    )
    _add_network(export, FLOAT_NAMES)
    _add_target(export)
    export.add_argument(
        "--out", required=True, type=Path, help="folder that receives the graph"
    )
    parity = commands.add_parser("parity", help="compare a graph with torch again")
    _add_network(parity, FLOAT_NAMES)
    _add_target(parity)
    parity.add_argument("--file", required=True, type=Path, help="the graph")
    parity.add_argument(
        "--steps", type=_positive, default=200, help="default: %(default)s"
    )
    _add_drift(commands.add_parser("drift", help="look whether int8 state wanders off"))
    check = commands.add_parser("check", help="prove the rules of a target on a file")
    check.add_argument("file", type=Path, help="an ONNX graph")
    check.add_argument(
        "--target", choices=TARGETS, required=True, help="what it is made for"
    )
    return parser


def _add_drift(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Run the float network and a file side by side on training material, then on "
        "silence, each with its own state; write the differences of every output and "
        "state by 1,000 steps, and print them."
    )
    _add_network(command, STREAMED_NAMES)
    _add_material(command)
    command.add_argument("--file", required=True, type=Path, help="the int8 graph")
    command.add_argument(
        "--steps", type=_positive, default=10_000, help="default: %(default)s"
    )
    command.add_argument("--out", required=True, type=Path, help="file to write")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected 1 or more")
    return int(text)


def _add_network(
    command: argparse.ArgumentParser, graphs: tuple[str, ...] = GRAPH_NAMES
) -> None:
    command.add_argument("graph", choices=graphs)
    command.add_argument(
        "--checkpoint", required=True, type=Path, help="the float network"
    )


def _add_target(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--target",
        choices=TARGETS,
        default="cpu-fp32",
        help="what the file is made for (default: %(default)s)",
    )
    command.add_argument(
        "--quantized", type=Path, help="int8 targets: what ptq or qat wrote"
    )
    command.add_argument(
        "--heads",
        choices=("all", "signals"),
        default="all",
        help="signals: no emotions, for bundles of the purpose fleet",
    )


def _add_material(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data",
        type=Path,
        help=f"data root (default: the environment's {DATA_VARIABLE})",
    )
    command.add_argument("--face", type=Path, help="affect: the face checkpoint")
    command.add_argument("--voice", type=Path, help="affect: the voice checkpoint")


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code: 0 done, 1 failed, 2 wrong usage."""
    arguments = build_parser().parse_args(argv)
    try:
        told = _run(arguments)
    except EdgeAffectError as error:
        sys.stderr.write(f"quantize: {error}\n")
        return error.exit_code
    except ModuleNotFoundError as error:
        absent = missing_package(error, "quantize", arguments.command)
        sys.stderr.write(f"quantize: {absent}\n")
        return absent.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("quantize: stopped\n")
        return 130
    table = told.pop("table", "")
    sys.stdout.write(str(table) + json.dumps(told) + "\n")
    return 0


def _run(arguments: argparse.Namespace) -> dict[str, object]:
    if "data" in arguments:
        named = arguments.data or os.environ.get(DATA_VARIABLE)
        if not named:
            raise UsageError(
                "--data: got none; expected the data root's folder, "
                f"or {DATA_VARIABLE} set"
            )
        arguments.data = Path(named)
    with warnings.catch_warnings():
        # Brevitas warns of itself when it is imported, and of what it will remove.
        warnings.filterwarnings("ignore", module="brevitas")
        # torch takes seconds to import: --help and wrong usage do not wait for it.
        from quantize import commands

        told: dict[str, object] = getattr(commands, arguments.command)(arguments)
    return told
