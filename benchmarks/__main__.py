"""``python -m benchmarks``: measure bundles and graphs, write down what came out."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.accuracy import measure_accuracy
from benchmarks.graphs import measure_graphs
from benchmarks.progress import Progress
from benchmarks.records import Record, Result, save_result
from benchmarks.subject import open_subject
from benchmarks.table import render
from edge_affect.clock import NS_PER_S, SystemClock
from edge_affect.commands.terminal import Terminal
from edge_affect.errors import EdgeAffectError
from training.metrics import BOOTSTRAP_DRAWS
from training.provenance import machine_info, source_commit

SCHEMA = 1
"""Version of the result file's layout."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    given = _parser().parse_args(arguments)
    progress = Progress(Terminal(sys.stderr))
    measure = {"accuracy": _accuracy, "graphs": _graphs}[given.command]
    try:
        run, records = measure(given, progress)
        save_result(given.json, Result(machine_info(), run, tuple(records)))
    except EdgeAffectError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("benchmarks: stopped; nothing was written", file=sys.stderr)
        return 130
    print(render(records))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    accuracy = commands.add_parser(
        "accuracy", help="accuracy on every data set found, with intervals"
    )
    add = accuracy.add_argument
    add("--data", type=Path, required=True, metavar="ROOT", help="the data sets")
    add("--json", type=Path, required=True, metavar="FILE", help="result to write")
    add("--bundle", type=Path, metavar="DIR", help="measure this one, signed or not")
    add(
        "--limit",
        type=_positive,
        metavar="N",
        help="take N examples of each split, evenly spread: a quick look, no figure",
    )
    graphs = commands.add_parser(
        "graphs", help="time graph files against the first, one thread, in turns"
    )
    add = graphs.add_argument
    add("files", type=Path, nargs="+", metavar="GRAPH", help="ROLE.TARGET.onnx")
    add("--json", type=Path, required=True, metavar="FILE", help="result to write")
    add("--rounds", type=_positive, default=1000, help="calls of each (%(default)s)")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"got {value}, expected at least 1")
    return value


def _accuracy(
    given: argparse.Namespace, progress: Progress
) -> tuple[dict[str, object], list[Record]]:
    subject = open_subject(given.bundle)
    records = measure_accuracy(subject, given.data, given.limit, progress)
    command = "python -m benchmarks accuracy --data ROOT --json FILE"
    command += " --bundle DIR" if given.bundle else ""
    command += f" --limit {given.limit}" if given.limit else ""
    run = _run(command) | {
        "bundle": {
            "name": subject.manifest.name,
            "version": subject.manifest.version,
            "digest": subject.bundle.digest,
            "graphs": subject.graph_digests,
        },
        "backend": subject.backend,
        "target": subject.target,
        "bootstraps": BOOTSTRAP_DRAWS,
        "limit": given.limit,
    }
    return run, list(records)


def _graphs(
    given: argparse.Namespace, progress: Progress
) -> tuple[dict[str, object], list[Record]]:
    records = [
        record
        for paced in (False, True)
        for record in measure_graphs(given.files, given.rounds, progress, paced=paced)
    ]
    names = " ".join(path.name for path in given.files)
    run = _run(f"python -m benchmarks graphs {names} --json FILE") | {
        "digests": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in given.files
        },
        "rounds": given.rounds,
        "threads": 1,
        "bootstraps": BOOTSTRAP_DRAWS,
    }
    return run, records


def _run(command: str) -> dict[str, object]:
    """Say what ran; the user's paths stay out of it."""
    utc_s = SystemClock().wall_ns() // NS_PER_S
    return {
        "schema": SCHEMA,
        "command": command,
        "utc": datetime.fromtimestamp(utc_s, timezone.utc).isoformat(),
        "commit": source_commit(),
    }


if __name__ == "__main__":
    sys.exit(main())
