"""``python -m benchmarks``: measure bundles and graphs, write down what came out."""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from benchmarks.accuracy import SETS, Examples, measure_accuracy
from benchmarks.arguments import build_parser
from benchmarks.beside import Plan, measure_beside
from benchmarks.compare import measure_differences
from benchmarks.engines import measure_engines
from benchmarks.footprint import measure_footprint
from benchmarks.gate import BASELINE, find_slower, measure_baseline, measure_ratios
from benchmarks.graphs import measure_graphs
from benchmarks.latency import LatencyPlan, measure_latency
from benchmarks.limit import measure_limit
from benchmarks.model_card import write_card
from benchmarks.peers.int8 import quantize_peer
from benchmarks.plots import write_page
from benchmarks.pointcloud import measure_pointcloud
from benchmarks.pointcloud_cost import measure_pointcloud_cost
from benchmarks.progress import Progress
from benchmarks.records import (
    Record,
    Result,
    check_writable,
    load_result,
    save_result,
)
from benchmarks.regressions import find_regressions, told
from benchmarks.roofline import (
    ASSUMPTIONS,
    BOARDS,
    UNPROVEN,
    count_bundle,
    predictions,
    read_measured,
    roofline_text,
)
from benchmarks.scale import ScalePlan, measure_scale
from benchmarks.soak.load import StolenTime
from benchmarks.soak.promises import WHOLE_FRAMES, soak, soak_seeds
from benchmarks.soak.realtime import RealtimePlan, soak_realtime
from benchmarks.soak.rows import render_rows
from benchmarks.subject import Subject, open_subject
from benchmarks.table import render
from benchmarks.targets import measure_targets
from benchmarks.ways import Way, ways_of
from edge_affect.clock import NS_PER_S, SystemClock
from edge_affect.commands.terminal import Terminal
from edge_affect.errors import DataError, EdgeAffectError
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.pointcloud.upsampler import Upsampler
from edge_affect.runners.tensorrt.libraries import open_libraries
from training.metrics import BOOTSTRAP_DRAWS
from training.provenance import machine_info, source_commit

SCHEMA = 1
"""Version of the result file's layout."""
_NO_BUNDLE = argparse.Namespace(bundle=None)
"""What is given where the shipped bundle runs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    given = build_parser().parse_args(arguments)
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


def _soak(given: argparse.Namespace, progress: Progress) -> int:
    """Print what was promised and seen; return 1 when a promise was missed."""
    if given.json:
        check_writable(given.json)
    command = "python -m benchmarks soak"
    if given.realtime:
        if given.seeds > 1:
            raise DataError(
                "soak: got --seeds with --realtime, expected one of them: scripts run "
                "in simulated time alone"
            )
        plan = RealtimePlan(given.frames or 3_000, given.cycles, given.starve)
        outcome = soak_realtime(plan, given.seed, progress)
        rows, told, model = list(outcome.rows), outcome.told, outcome.model
        command += f" --realtime --cycles {plan.cycles} --starve {plan.starve_s:g}"
        frames, run = plan.frames, dict(outcome.run)
    else:
        frames, model = given.frames or 100_000, "stub"
        if given.seeds > 1:
            tell = progress.counter(given.seeds, "scripts")
            simulated, rows = soak_seeds(frames, given.seed, given.seeds, tell)
            command += f" --seeds {given.seeds}"
        else:
            tell = progress.counter(frames, "frames")
            simulated, rows = soak(frames, given.seed, tell)
        told, run = simulated.findings.told, {"digest": simulated.digest}
    command += f" --frames {frames} --seed {given.seed}"
    machine = machine_info()
    print(render_rows(rows))
    print(f"seed {given.seed}, {machine['cpu']}, {machine['cores']} cores")
    whole = not given.realtime and frames * given.seeds >= WHOLE_FRAMES
    missed = [row for row in rows if not row.kept or (whole and not row.tested)]
    for line in told:
        print(f"benchmarks: {line}", file=sys.stderr)
    if given.json:
        limits = {row.promise: row.most for row in rows if row.most != math.inf}
        run = _run(f"{command} --json FILE") | run | {"limits": limits}
        records = tuple(row.as_record(model) for row in rows)
        save_result(given.json, Result(machine, run, records))
    if missed:
        names = ", ".join(row.promise for row in missed)
        print(f"benchmarks: soak: missed {names}", file=sys.stderr)
    return int(bool(missed))


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
    run = _run_of(bundle, "python -m benchmarks targets --json FILE", given)
    return run | {"threads": 1}, records


def _engines(
    given: argparse.Namespace, progress: Progress
) -> tuple[dict[str, object], list[Record]]:
    bundle = load_bundle(given.bundle, allow_unsigned=given.bundle is not None)
    libraries = open_libraries()
    with tempfile.TemporaryDirectory(prefix="edge-affect-engines-") as folder:
        trials = measure_engines(bundle, libraries, Path(folder), progress)
    run = _run_of(bundle, "python -m benchmarks engines --json FILE", given) | {
        "gpu": asdict(libraries.gpu),
        "tensorrt": libraries.tensorrt.__version__,
        "providers": {target: trial.provider for target, trial in trials.items()},
    }
    return run, [record for trial in trials.values() for record in trial.records]


def _latency(
    given: argparse.Namespace, progress: Progress
) -> tuple[dict[str, object], list[Record]]:
    bundle = load_bundle(given.bundle, allow_unsigned=given.bundle is not None)
    ways = ways_of(bundle, given.bundle)
    plan = replace(LatencyPlan(), paced=given.frames)
    stolen = StolenTime()
    records = measure_latency(ways, plan, progress)
    command = f"python -m benchmarks latency --frames {given.frames} --json FILE"
    run = _run_of(bundle, command, given) | {"settings": asdict(plan)}
    return run | {"share_of_time_stolen": stolen.share()}, records


def _scale(
    given: argparse.Namespace, progress: Progress
) -> tuple[dict[str, object], list[Record]]:
    bundle = load_bundle(given.bundle, allow_unsigned=given.bundle is not None)
    plan, stolen = ScalePlan(), StolenTime()
    way = Way(given.bundle, bundle.default_target, 1)
    records = measure_scale(way, plan, progress)
    run = _run_of(bundle, "python -m benchmarks scale --json FILE", given)
    told = {"target": way.target, "settings": asdict(plan)}
    return run | told | {"share_of_time_stolen": stolen.share()}, records


def _peers(
    given: argparse.Namespace, progress: Progress
) -> tuple[dict[str, object], list[Record]]:
    stolen = StolenTime()
    plan = Plan(given.clip, given.data, given.target, given.rounds, given.limit)
    found = measure_beside(plan, progress)
    for name, why in found.left_out.items():
        print(f"benchmarks: {name} is left out: {why}", file=sys.stderr)
    command = f"python -m benchmarks peers --clip {given.clip.name} --data ROOT"
    command += f" --target {plan.target} --rounds {plan.rounds} --json FILE"
    command += f" --limit {plan.limit}" if plan.limit else ""
    run = _run_of(load_bundle(None), command, _NO_BUNDLE)
    told = {"engines": found.engines, "left_out": found.left_out, "threads": 1}
    told |= _settings(given) | {"share_of_time_stolen": stolen.share()}
    return run | told, found.records


def _pointcloud(
    given: argparse.Namespace, progress: Progress
) -> tuple[dict[str, object], list[Record]]:
    unsigned = given.bundle is not None
    upsampler = Upsampler(given.bundle, allow_unsigned=unsigned)
    digest, records = measure_pointcloud(given.data, upsampler, progress)
    command = "python -m benchmarks pointcloud --data ROOT --json FILE"
    command += " --bundle DIR" if unsigned else ""
    run = _run(command) | _told_of(upsampler)
    return run | {"inputs": digest}, records


def _pointcloud_cost(
    given: argparse.Namespace, progress: Progress
) -> tuple[dict[str, object], list[Record]]:
    stolen = StolenTime()
    upsampler = Upsampler(threads=given.threads)
    records = measure_pointcloud_cost(upsampler, given.threads, progress)
    command = "python -m benchmarks pointcloud-cost"
    run = _run(f"{command} --threads {given.threads} --json FILE")
    told = {"threads": given.threads, "share_of_time_stolen": stolen.share()}
    return run | _told_of(upsampler) | told, records


def _told_of(upsampler: Upsampler) -> dict[str, object]:
    """Say which bundle for clouds was measured."""
    manifest = upsampler.manifest
    graphs = {f"pointcloud.{t}": e.sha256 for t, e in manifest.targets.items()}
    told = {"name": manifest.name, "version": manifest.version, "graphs": graphs}
    return {"bundle": told | {"digest": upsampler.digest}}


def _footprint(
    given: argparse.Namespace, progress: Progress
) -> tuple[dict[str, object], list[Record]]:
    stolen = StolenTime()
    records = measure_footprint(given.wheel, given.seconds, progress)
    command = f"python -m benchmarks footprint --seconds {given.seconds}"
    command += " --wheel FILE" if given.wheel else ""
    run = _run_of(load_bundle(None), f"{command} --json FILE", _NO_BUNDLE)
    return run | {"share_of_time_stolen": stolen.share()}, records


def _limit(
    given: argparse.Namespace, progress: Progress
) -> tuple[dict[str, object], list[Record]]:
    bundle = load_bundle(given.bundle, allow_unsigned=given.bundle is not None)
    peaks, records = measure_limit(bundle, progress)
    run = _run_of(bundle, "python -m benchmarks limit --json FILE", given)
    return run | {"peaks": asdict(peaks), "threads": 1}, records


def _run_of(
    bundle: Bundle, command: str, given: argparse.Namespace
) -> dict[str, object]:
    """Say what ran over a bundle."""
    command += " --bundle DIR" if given.bundle else ""
    told = {"name": bundle.manifest.name, "version": bundle.manifest.version}
    return _run(command) | {"bundle": told | {"digest": bundle.digest}}


def _roofline(given: argparse.Namespace, progress: Progress) -> int:
    """Print the predictions; write them where a file was named."""
    del progress  # it takes no time
    bundle = load_bundle(given.bundle, allow_unsigned=given.bundle is not None)
    measured = read_measured(given.measured)
    loads = count_bundle(bundle)
    if given.json is not None:
        check_writable(given.json)
        command = "python -m benchmarks roofline --json FILE"
        command += " --measured FILE" if given.measured else ""
        run = _run_of(bundle, command, given) | {
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


def _regressions(given: argparse.Namespace, progress: Progress) -> int:
    """Print what got worse; return 1 when something did."""
    del progress  # it takes no time
    found, held = find_regressions(load_result(given.old), load_result(given.new))
    print("\n".join(told(found, held)))
    return 1 if found else 0


def _gate(given: argparse.Namespace, progress: Progress) -> int:
    """Print which ratios grew, return 1 when one did; or write a baseline."""
    measure = partial(measure_ratios, progress)
    machine = machine_info()
    if given.json is None:
        slower = find_slower(load_result(BASELINE), machine["system"], measure)
        print("\n".join(map(str, slower)) or "gate: nothing is slower")
        return 1 if slower else 0
    check_writable(given.json)
    records = measure_baseline(measure)
    command = "python -m benchmarks gate --json FILE"
    run = _run_of(load_bundle(None), command, _NO_BUNDLE)
    save_result(given.json, Result(machine, run | {"threads": 1}, tuple(records)))
    print(render(records))
    return 0


def _plots(given: argparse.Namespace, progress: Progress) -> int:
    del given, progress  # there is nothing to choose, and it takes no time
    print("\n".join(map(str, write_page())))
    return 0


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
    "latency": _latency,
    "scale": _scale,
    "peers": _peers,
    "pointcloud": _pointcloud,
    "pointcloud-cost": _pointcloud_cost,
    "footprint": _footprint,
    "limit": _limit,
}
"""Commands that write records and print them."""
_OTHERS = {
    "card": _card,
    "gate": _gate,
    "peer-int8": _peer_int8,
    "plots": _plots,
    "regressions": _regressions,
    "roofline": _roofline,
    "soak": _soak,
}
"""Commands that answer in a way of their own."""


if __name__ == "__main__":
    sys.exit(main())
