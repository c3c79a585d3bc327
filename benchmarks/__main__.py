"""``python -m benchmarks``: measure bundles and graphs, write down what came out."""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.accuracy import SETS, Examples, measure_accuracy
from benchmarks.compare import measure_differences
from benchmarks.engines import measure_engines
from benchmarks.graphs import measure_graphs
from benchmarks.model_card import write_card
from benchmarks.peers.int8 import quantize_peer
from benchmarks.progress import Progress
from benchmarks.records import Record, Result, check_writable, save_result
from benchmarks.roofline import (
    ASSUMPTIONS,
    BOARDS,
    UNPROVEN,
    count_bundle,
    predictions,
    read_measured,
    roofline_text,
)
from benchmarks.soak.promises import soak
from benchmarks.soak.realtime import RealtimePlan, soak_realtime
from benchmarks.soak.rows import render_rows
from benchmarks.subject import Subject, open_subject
from benchmarks.table import render
from benchmarks.targets import measure_targets
from edge_affect.clock import NS_PER_S, SystemClock
from edge_affect.commands.terminal import Terminal
from edge_affect.errors import EdgeAffectError
from edge_affect.labels import TARGETS
from edge_affect.model.bundle import load_bundle
from edge_affect.runners.tensorrt.libraries import open_libraries
from training.metrics import BOOTSTRAP_DRAWS
from training.provenance import machine_info, source_commit

SCHEMA = 1
"""Version of the result file's layout."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    given = _parser().parse_args(arguments)
    progress = Progress(Terminal(sys.stderr))
    try:
        if given.command in _MEASURES:
            return _measured(given, progress)
        return _OTHERS[given.command](given, progress)
    except EdgeAffectError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("benchmarks: stopped; nothing was written", file=sys.stderr)
        return 130


def _measured(given: argparse.Namespace, progress: Progress) -> int:
    check_writable(given.json)
    run, records = _MEASURES[given.command](given, progress)
    save_result(given.json, Result(machine_info(), run, tuple(records)))
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
    add("--target", choices=TARGETS, help="which of its graphs (default: its default)")
    add(
        "--limit",
        type=_positive,
        metavar="N",
        help="take N examples of each split, evenly spread: a quick look, no figure",
    )
    _add_sets(accuracy)
    compare = commands.add_parser(
        "compare", help="accuracy of two bundles or targets, paired, and differences"
    )
    add = compare.add_argument
    add("new", type=_bundle_target, metavar="DIR:TARGET", help="what is looked at")
    add(
        "old", type=_bundle_target, metavar="DIR:TARGET", help="what it is held against"
    )
    add("--data", type=Path, required=True, metavar="ROOT", help="the data sets")
    add("--json", type=Path, required=True, metavar="FILE", help="result to write")
    add("--limit", type=_positive, metavar="N", help="as for accuracy")
    _add_sets(compare)
    graphs = commands.add_parser(
        "graphs", help="time graph files against the first, one thread, in turns"
    )
    add = graphs.add_argument
    add("files", type=Path, nargs="+", metavar="GRAPH", help="ROLE.TARGET.onnx")
    add("--json", type=Path, required=True, metavar="FILE", help="result to write")
    add("--rounds", type=_positive, default=1000, help="calls of each (%(default)s)")
    targets = commands.add_parser(
        "targets", help="time the whole frame step of a bundle's targets, in turns"
    )
    add = targets.add_argument
    add("--bundle", type=Path, metavar="DIR", help="this one, signed or not")
    add("--json", type=Path, required=True, metavar="FILE", help="result to write")
    engines = commands.add_parser(
        "engines", help="build a bundle's engines on this GPU, check and time them"
    )
    add = engines.add_argument
    add("--bundle", type=Path, metavar="DIR", help="this one, signed or not")
    add("--json", type=Path, required=True, metavar="FILE", help="result to write")
    card = commands.add_parser(
        "card", help="write the model card from the result of accuracy"
    )
    add = card.add_argument
    add("result", type=Path, metavar="FILE", help="what accuracy wrote")
    add("--out", type=Path, required=True, metavar="FILE", help="page to write")
    roofline = commands.add_parser(
        "roofline", help="predict on paper how long the graphs take on Jetsons"
    )
    add = roofline.add_argument
    add("--bundle", type=Path, metavar="DIR", help="this one, signed or not")
    add("--json", type=Path, metavar="FILE", help="result to write")
    add(
        "--measured",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="results with trt-… targets, measured on a GPU, to show beside it",
    )
    peer = commands.add_parser(
        "peer-int8", help="quantize a float face graph by ONNX Runtime's own tool"
    )
    add = peer.add_argument
    add("file", type=Path, metavar="GRAPH", help="face.cpu-fp32.onnx")
    add("--data", type=Path, required=True, metavar="ROOT", help="the data sets")
    add("--out", type=Path, required=True, metavar="FILE", help="face.peer-int8.onnx")
    _add_soak(commands.add_parser("soak", help="the stream left alone, with faults"))
    return parser


def _add_soak(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--frames", type=_positive, metavar="N", help="(100000; 3000 in real time)")
    add("--seed", type=int, default=0, help="of the script (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="result to write, if all was kept")
    add("--realtime", action="store_true", help="the machine's clock, the real bundle")
    plan = RealtimePlan()
    add(
        "--cycles",
        type=int,
        default=plan.cycles,
        metavar="N",
        help="in real time: times that all cores are busy (default: %(default)s)",
    )
    add(
        "--starve",
        type=float,
        default=plan.starve_s,
        metavar="S",
        help="in real time: for how many seconds each (default: %(default)s)",
    )


def _soak(given: argparse.Namespace, progress: Progress) -> int:
    """Print what was promised and seen; return 1 when a promise was missed."""
    if given.json:
        check_writable(given.json)
    command = "python -m benchmarks soak"
    if given.realtime:
        plan = RealtimePlan(given.frames or 3_000, given.cycles, given.starve)
        outcome = soak_realtime(plan, given.seed, progress)
        rows, told, model = list(outcome.rows), outcome.told, outcome.model
        command += f" --realtime --cycles {plan.cycles} --starve {plan.starve_s:g}"
        frames, run = plan.frames, dict(outcome.run)
    else:
        frames, model = given.frames or 100_000, "stub"
        simulated, rows = soak(frames, given.seed, progress.counter(frames, "frames"))
        told, run = simulated.findings.told, {"digest": simulated.digest}
    command += f" --frames {frames} --seed {given.seed}"
    machine = machine_info()
    print(render_rows(rows))
    print(f"seed {given.seed}, {machine['cpu']}, {machine['cores']} cores")
    missed = [row for row in rows if not row.kept]
    for line in told:
        print(f"benchmarks: {line}", file=sys.stderr)
    if missed:
        names = ", ".join(row.promise for row in missed)
        print(f"benchmarks: soak: missed {names}", file=sys.stderr)
        return 1
    if given.json:
        limits = {row.promise: row.most for row in rows if row.most != math.inf}
        run = _run(f"{command} --json FILE") | run | {"limits": limits}
        records = tuple(row.as_record(model) for row in rows)
        save_result(given.json, Result(machine, run, records))
    return 0


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected 1 or more")
    return int(text)


def _bundle_target(text: str) -> tuple[Path, str]:
    folder, colon, target = text.rpartition(":")
    if not colon or target not in TARGETS:
        raise argparse.ArgumentTypeError(
            f"got {text!r}, expected DIR:TARGET with one of {', '.join(TARGETS)}"
        )
    return Path(folder), target


def _add_sets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sets",
        nargs="+",
        choices=SETS,
        default=list(SETS),
        metavar="SET",
        help=f"measure these alone, of {', '.join(SETS)} (default: all that are there)",
    )


def _accuracy(
    given: argparse.Namespace, progress: Progress
) -> tuple[dict[str, object], list[Record]]:
    subject = open_subject(given.bundle, given.target)
    records = measure_accuracy(subject, _examples(given), progress)
    command = "python -m benchmarks accuracy --data ROOT --json FILE"
    command += " --bundle DIR" if given.bundle else ""
    command += f" --target {given.target}" if given.target else ""
    command += _narrowed(given)
    run = _run(command) | _told(subject) | _settings(given)
    return run, list(records)


def _compare(
    given: argparse.Namespace, progress: Progress
) -> tuple[dict[str, object], list[Record]]:
    new, old = (open_subject(*bundle) for bundle in (given.new, given.old))
    records = measure_differences(new, old, _examples(given), progress)
    command = "python -m benchmarks compare DIR:{} DIR:{} --data ROOT --json FILE"
    command = command.format(new.target, old.target) + _narrowed(given)
    run = _run(command) | _settings(given)
    return run | {"new": _told(new), "old": _told(old)}, records


def _targets(
    given: argparse.Namespace, progress: Progress
) -> tuple[dict[str, object], list[Record]]:
    bundle = load_bundle(given.bundle, allow_unsigned=given.bundle is not None)
    records = measure_targets(bundle, progress)
    command = "python -m benchmarks targets --json FILE"
    command += " --bundle DIR" if given.bundle else ""
    told = {"name": bundle.manifest.name, "version": bundle.manifest.version}
    run = _run(command) | {"bundle": told | {"digest": bundle.digest}, "threads": 1}
    return run, records


def _engines(
    given: argparse.Namespace, progress: Progress
) -> tuple[dict[str, object], list[Record]]:
    bundle = load_bundle(given.bundle, allow_unsigned=given.bundle is not None)
    libraries = open_libraries()
    with tempfile.TemporaryDirectory(prefix="edge-affect-engines-") as folder:
        trials = measure_engines(bundle, libraries, Path(folder), progress)
    command = "python -m benchmarks engines --json FILE"
    command += " --bundle DIR" if given.bundle else ""
    told = {"name": bundle.manifest.name, "version": bundle.manifest.version}
    run = _run(command) | {
        "bundle": told | {"digest": bundle.digest},
        "gpu": asdict(libraries.gpu),
        "tensorrt": libraries.tensorrt.__version__,
        "providers": {target: trial.provider for target, trial in trials.items()},
    }
    return run, [record for trial in trials.values() for record in trial.records]


def _roofline(given: argparse.Namespace, progress: Progress) -> int:
    """Print the predictions; write them where a file was named."""
    del progress  # it takes no time
    bundle = load_bundle(given.bundle, allow_unsigned=given.bundle is not None)
    measured = read_measured(given.measured)
    loads = count_bundle(bundle)
    if given.json is not None:
        check_writable(given.json)
        command = "python -m benchmarks roofline --json FILE"
        command += " --bundle DIR" if given.bundle else ""
        command += " --measured FILE" if given.measured else ""
        told = {"name": bundle.manifest.name, "version": bundle.manifest.version}
        run = _run(command) | {
            "bundle": told | {"digest": bundle.digest},
            "proof": UNPROVEN,
            "assumptions": list(ASSUMPTIONS),
            "boards": [asdict(board) for board in BOARDS],
            "workloads": {graph: asdict(load) for graph, load in loads.items()},
        }
        records = (*predictions(loads), *measured)
        save_result(given.json, Result(machine_info(), run, records))
    print(roofline_text(loads, measured))
    return 0


def _told(subject: Subject) -> dict[str, object]:
    """Say what was measured."""
    return {
        "bundle": {
            "name": subject.manifest.name,
            "version": subject.manifest.version,
            "digest": subject.bundle.digest,
            "graphs": subject.graph_digests,
        },
        "backend": subject.backend,
        "target": subject.target,
    }


def _examples(given: argparse.Namespace) -> Examples:
    return Examples(given.data, given.limit, tuple(given.sets))


def _narrowed(given: argparse.Namespace) -> str:
    """Return the options that leave examples out."""
    told = f" --limit {given.limit}" if given.limit else ""
    if len(given.sets) < len(SETS):
        told += f" --sets {' '.join(given.sets)}"
    return told


def _settings(given: argparse.Namespace) -> dict[str, object]:
    return {"bootstraps": BOOTSTRAP_DRAWS, "limit": given.limit}


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


def _peer_int8(given: argparse.Namespace, progress: Progress) -> int:
    quantize_peer(given.file, given.data, given.out, progress)
    print(given.out)
    return 0


def _card(given: argparse.Namespace, progress: Progress) -> int:
    del progress  # it takes no time
    write_card(given.result, given.out)
    print(given.out)
    return 0


_MEASURES = {
    "accuracy": _accuracy,
    "compare": _compare,
    "graphs": _graphs,
    "targets": _targets,
    "engines": _engines,
}
"""Commands that write records and print them."""
_OTHERS = {
    "card": _card,
    "peer-int8": _peer_int8,
    "roofline": _roofline,
    "soak": _soak,
}
"""Commands that answer in a way of their own."""


if __name__ == "__main__":
    sys.exit(main())
