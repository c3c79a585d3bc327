"""The options of the command ``python -m benchmarks``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.accuracy import SETS
from benchmarks.beside import ROUNDS
from benchmarks.latency import LatencyPlan
from benchmarks.soak.realtime import RealtimePlan
from edge_affect.labels import TARGETS

DESCRIPTION = "Measure bundles and graphs, write down what came out."


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=DESCRIPTION
    )
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
    _add_speed(commands)
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
    add(
        "--seeds",
        type=_positive,
        default=1,
        metavar="N",
        help="scripts of --frames each, from --seed on (default: %(default)s)",
    )
    add(
        "--json",
        type=Path,
        metavar="FILE",
        help="result to write, kept or missed",
    )
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


def _add_speed(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    plan = LatencyPlan()
    regressions = commands.add_parser(
        "regressions", help="say what got worse between two results of one command"
    )
    add = regressions.add_argument
    add("old", type=Path, metavar="OLD", help="result file")
    add("new", type=Path, metavar="NEW", help="result file of the same machine")
    commands.add_parser(
        "plots", help="write tables and pictures of docs/benchmarks.md from the results"
    )
    gate = commands.add_parser(
        "gate", help="the short check of every change: ratios against the baseline"
    )
    gate.add_argument(
        "--json", type=Path, metavar="FILE", help="write a baseline instead"
    )
    latency = commands.add_parser(
        "latency", help="time a stream: stages, arrival and capture to the estimate"
    )
    add = latency.add_argument
    add("--bundle", type=Path, metavar="DIR", help="this one, signed or not")
    add("--json", type=Path, required=True, metavar="FILE", help="result to write")
    add(
        "--frames",
        type=_positive,
        default=plan.paced,
        metavar="N",
        help="estimates at 30 Hz of each target (default: %(default)s)",
    )
    scale = commands.add_parser(
        "scale", help="time more streams in one process, other sizes and rates"
    )
    add = scale.add_argument
    add("--bundle", type=Path, metavar="DIR", help="this one, signed or not")
    add("--json", type=Path, required=True, metavar="FILE", help="result to write")
    peers = commands.add_parser(
        "peers",
        help="ours beside what a user would build: time, memory, size, accuracy",
    )
    add = peers.add_argument
    add("--clip", type=Path, required=True, metavar="FILE", help="the video")
    add("--data", type=Path, required=True, metavar="ROOT", help="the peers' models")
    add("--json", type=Path, required=True, metavar="FILE", help="result to write")
    add(
        "--target",
        choices=TARGETS,
        default="cpu-int8",
        help="which of our graphs (default: %(default)s)",
    )
    add("--limit", type=_positive, metavar="N", help="as for accuracy")
    add("--rounds", type=_positive, default=ROUNDS, metavar="N", help="(%(default)s)")
    cloud = commands.add_parser(
        "pointcloud", help="up-sampled clouds against true surfaces, beside mid-points"
    )
    add = cloud.add_argument
    add("--data", type=Path, required=True, metavar="ROOT", help="the data sets")
    add("--json", type=Path, required=True, metavar="FILE", help="result to write")
    add("--bundle", type=Path, metavar="DIR", help="measure this one, signed or not")
    cost = commands.add_parser(
        "pointcloud-cost", help="time, cost of a point and memory of up-sampling"
    )
    add = cost.add_argument
    add("--json", type=Path, required=True, metavar="FILE", help="result to write")
    add("--threads", type=_positive, default=2, metavar="N", help="(%(default)s)")
    footprint = commands.add_parser(
        "footprint", help="sizes, import, first estimate, memory, processor's share"
    )
    add = footprint.add_argument
    add("--wheel", type=Path, metavar="FILE", help="whose size is told")
    add("--json", type=Path, required=True, metavar="FILE", help="result to write")
    add(
        "--seconds",
        type=_positive,
        default=30,
        metavar="S",
        help="length of the stream (default: %(default)s)",
    )
    limit = commands.add_parser(
        "limit", help="hold each graph against this machine's measured peaks"
    )
    add = limit.add_argument
    add("--bundle", type=Path, metavar="DIR", help="this one, signed or not")
    add("--json", type=Path, required=True, metavar="FILE", help="result to write")
