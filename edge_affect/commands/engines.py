"""``edge-affect build`` and ``compare``: engines, and whether they compute the same."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from edge_affect.clock import Clock, SystemClock
from edge_affect.commands.cards import columns
from edge_affect.commands.recording import CELLS, record_drive
from edge_affect.commands.terminal import Terminal
from edge_affect.errors import MissingDependencyError, RunnerError
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.runners.compare import (
    OTHER_TARGET,
    SAME_GRAPH,
    Comparison,
    OutputError,
    Tolerance,
    compare,
)
from edge_affect.runners.onnxruntime import OnnxRunner
from edge_affect.runners.tensorrt.engines import EngineNote
from edge_affect.runners.tensorrt.libraries import Libraries, open_libraries
from edge_affect.runners.tensorrt.prepare import TENSORRT_TARGETS, Prepared, prepare
from edge_affect.update.start import running_bundle

_EXACT = "cpu-fp32"
"""What the CPU's other targets are held against, where the bundle has it."""
_DRIVE = f"{CELLS} cells of a simulated drive"


def build(path: Path | None, terminal: Terminal, *, allow_unsigned: bool) -> str:
    """Build a bundle's engines ahead of the first start; return what was done.

    Args:
        path: The bundle's directory; None for the one that runs on this device.
        terminal: Where to show how it goes.
        allow_unsigned: Whether a bundle that did not come with the wheel may be built.

    Raises:
        BundleError: The bundle is damaged or not trusted.
        RunnerError: Something that it takes is missing, or no target can be built.
    """
    bundle = _open(path, allow_unsigned=allow_unsigned)
    try:
        prepared = _prepare(bundle, open_libraries(), terminal)
    except (RunnerError, MissingDependencyError) as error:
        raise RunnerError(f"no engines were built: {error}") from error
    prepared.runner.close()
    lines = [
        f"{_name(bundle)} by {prepared.runner.provider}",
        *_engines(prepared.engines),
    ]
    for trial in prepared.trials:
        title = f"{trial.target} on TensorRT and on ONNX Runtime, {_DRIVE}"
        lines += ["", title]
        if trial.comparison is not None:
            lines += _graphs(trial.comparison, "TensorRT", "ONNX Runtime")
        if trial.fault is not None:
            lines.append(f"  {trial.fault}")
    choice = prepared.choice
    lines += ["", f"runs: {choice.target} ({choice.reason})"]
    if prepared.sealed == "checksum":
        lines.append("sealed by a checksum alone: see docs/tensorrt.md for a key")
    return "\n".join(lines)


def compare_bundle(
    path: Path | None,
    terminal: Terminal,
    *,
    allow_unsigned: bool,
    clock: Clock | None = None,
) -> tuple[str, bool]:
    """Run a bundle's graphs on two runtimes over what a simulated drive gives them.

    With TensorRT: the target that runs there, against ONNX Runtime on the same files.
    Without: the targets that ONNX Runtime runs, against each other.

    Args:
        path: The bundle's directory; None for the one that runs on this device.
        terminal: Where to show how it goes.
        allow_unsigned: Whether a bundle that did not come with the wheel may run.
        clock: Time; None for the machine's.

    Returns:
        A table of error and speed, and whether all is within tolerance.

    Raises:
        BundleError: The bundle is damaged or not trusted.
        RunnerError: There is nothing to compare, or no engine can be built where there
            is a GPU, or a graph does not run.
    """
    bundle = _open(path, allow_unsigned=allow_unsigned)
    clock = clock or SystemClock()
    if not any(target in bundle.targets for target in TENSORRT_TARGETS):
        return _compare_targets(bundle, clock, "the bundle has no graphs for TensorRT")
    try:
        libraries = open_libraries()
    except RunnerError as error:
        return _compare_targets(bundle, clock, str(error))
    except MissingDependencyError as error:
        # There is a GPU: comparing something else would hide that it is not used.
        raise RunnerError(f"nothing to compare: there is a GPU, but {error}") from error
    prepared = _prepare(bundle, libraries, terminal)
    target = prepared.choice.target
    reference = OnnxRunner(bundle.graphs_for(target), links=bundle.links)
    recorded = record_drive(bundle, target)
    try:
        comparison = compare(reference, prepared.runner, clock, recorded)
    finally:
        prepared.runner.close()
        reference.close()
    title = f"{_name(bundle)}, {target}, {_DRIVE}; {prepared.runner.provider}"
    return _verdict(title, comparison, ("TensorRT", "ONNX Runtime"), SAME_GRAPH)


def _open(path: Path | None, *, allow_unsigned: bool) -> Bundle:
    """Return the bundle at ``path``; without one, what runs here."""
    if path is None:
        return running_bundle()
    return load_bundle(path, allow_unsigned=allow_unsigned)


def _prepare(bundle: Bundle, libraries: Libraries, terminal: Terminal) -> Prepared:
    progress = _Progress(terminal)
    try:
        return prepare(
            bundle,
            libraries,
            tell=progress.tell,
            record=partial(record_drive, bundle),
            again=True,
        )
    finally:
        progress.end()


def _compare_targets(bundle: Bundle, clock: Clock, why: str) -> tuple[str, bool]:
    """Compare what ONNX Runtime runs here, where TensorRT does not run."""
    targets = [t for t in bundle.targets if t not in TENSORRT_TARGETS]
    exact = _EXACT if _EXACT in targets else bundle.default_target
    others = [target for target in targets if target != exact]
    if not others:
        raise RunnerError(
            f"nothing to compare: {why}, and the bundle {bundle.manifest.name} has no "
            f"second target for ONNX Runtime beside {exact}"
        )
    texts, sound = [f"without TensorRT: {why}"], True
    reference = OnnxRunner(bundle.graphs_for(exact))
    recorded = record_drive(bundle, exact)
    for target in others:
        other = OnnxRunner(bundle.graphs_for(target))
        comparison = compare(reference, other, clock, recorded)
        other.close()
        title = f"{_name(bundle)} on ONNX Runtime, {_DRIVE}"
        text, fits = _verdict(title, comparison, (target, exact), OTHER_TARGET)
        texts.append(text)
        sound = sound and fits
    reference.close()
    return "\n\n".join(texts), sound


def _verdict(
    title: str, comparison: Comparison, names: tuple[str, str], tolerance: Tolerance
) -> tuple[str, bool]:
    faults = comparison.faults(tolerance)
    told = [f"  over tolerance: {fault}" for fault in faults] or ["within tolerance"]
    return "\n".join([title, *_graphs(comparison, *names), "", *told]), not faults


def _graphs(comparison: Comparison, other: str, reference: str) -> list[str]:
    names = ("graph", "output", "mean error", "largest", "same class", other, reference)
    rows: list[Sequence[str]] = []
    for graph in comparison.graphs:
        times = (f"{graph.other_ms:.3f} ms", f"{graph.reference_ms:.3f} ms")
        for place, error in enumerate(graph.errors):
            first = place == 0
            ends = times if first else ("", "")
            rows.append((graph.graph if first else "", *_error(error), *ends))
    return columns(names, rows, right=(2, 3, 4, 5, 6))


def _error(error: OutputError) -> tuple[str, ...]:
    same = "" if error.top_class is None else f"{error.top_class:.1%}"
    return (error.name, f"{error.mean:.5f}", f"{error.largest:.5f}", same)


def _engines(notes: Sequence[EngineNote]) -> list[str]:
    rows = [
        (
            note.graph,
            note.target,
            "reused" if note.build_s is None else f"built in {note.build_s:.1f} s",
            f"{note.size_bytes:,}",
        )
        for note in notes
    ]
    return columns(("graph", "target", "engine", "bytes"), rows, right=(3,))


def _name(bundle: Bundle) -> str:
    return f"{bundle.manifest.name} {bundle.manifest.version}"


class _Progress:
    """One line that is drawn again; off a terminal, one line for each engine."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def tell(self, line: str) -> None:
        """Show what is being built, and for how long."""
        if self._terminal.can_redraw:
            self._terminal.draw([line])
        elif line.endswith("building"):
            self._terminal.say(line)

    def end(self) -> None:
        """Take the line away."""
        if self._terminal.can_redraw:
            self._terminal.draw([])
        self._terminal.leave()
