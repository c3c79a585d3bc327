"""The command ``python -m quantize``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from edge_affect.errors import EdgeAffectError


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m quantize",
        description="Turn checkpoints into the graphs of each target.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    export = commands.add_parser(
        "export",
        help="write a checkpoint's graph and compare it with torch",
        description="Write GRAPH.TARGET.onnx, check it and compare it with torch over "
        "200 steps; print one JSON line.",
    )
    export.add_argument("graph", choices=("face", "voice", "affect"))
    export.add_argument(
        "--checkpoint", required=True, type=Path, help="best.safetensors of the recipe"
    )
    export.add_argument(
        "--out", required=True, type=Path, help="folder that receives the graph"
    )
    export.add_argument("--target", choices=("cpu-fp32",), default="cpu-fp32")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code: 0 done, 1 failed, 2 wrong usage."""
    arguments = build_parser().parse_args(argv)
    try:
        told = _export(arguments)
    except EdgeAffectError as error:
        sys.stderr.write(f"quantize: {error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


def _export(arguments: argparse.Namespace) -> dict[str, object]:
    # torch takes seconds to import: --help and wrong usage do not wait for it.
    from quantize.export import export_graph
    from quantize.graphs import LOADERS
    from quantize.parity import check_parity

    graph = LOADERS[arguments.graph](arguments.checkpoint)
    path = arguments.out / f"{arguments.graph}.{arguments.target}.onnx"
    export_graph(graph, path, arguments.target)
    parity = check_parity(graph, path)
    return {
        "graph": arguments.graph,
        "target": arguments.target,
        "file": str(path),
        "bytes": path.stat().st_size,
        "steps": parity.steps,
        "largest_difference": parity.largest,
        "difference_at": parity.where,
    }
