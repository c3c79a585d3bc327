"""Choose the runner and the target for a bundle."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from edge_affect.config import BACKENDS
from edge_affect.errors import MissingDependencyError, RunnerError, UsageError
from edge_affect.labels import TARGETS
from edge_affect.runners.base import GraphSet, Runner
from edge_affect.runners.choices import Choice, choice_key, load_choice
from edge_affect.runners.onnxruntime import OnnxRunner
from edge_affect.runners.tensorrt.libraries import Libraries, open_libraries
from edge_affect.runners.tensorrt.prepare import (
    TENSORRT_TARGETS,
    Prepared,
    Recorder,
    prepare,
)

_LOG = logging.getLogger(__name__)

_CPU = "cpu-"
"""Begins the names of the targets that are made for ONNX Runtime's CPU provider."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a process brings that builds engines ahead of the first start.

    It also builds what could not be built before.
    """

    record: Recorder
    """Gives the steps that engines are compared over."""


def make_runner(
    backend: str,
    bundle: GraphSet,
    target: str | None = None,
    threads: int = 1,
    ahead: Ahead | None = None,
) -> tuple[Runner, Choice]:
    """Make the runner that ``backend`` stands for.

    Args:
        backend: ``auto``, ``onnxruntime`` or ``tensorrt``.
        bundle: Where the graphs come from.
        target: Which of its graphs to run; None for what was measured to be the
            fastest here (``edge-affect doctor --measure``), else for its default.
        threads: Threads that a graph may use.
        ahead: For a process that has the time to build engines thoroughly; None: one
            that is to run.

    Returns:
        The runner, and the target it runs with the reason for that one.

    Raises:
        UsageError: ``backend`` or ``target`` is unknown.
        BundleError: The bundle has no graphs for ``target``.
        RunnerError: The backend cannot run here, or not these graphs.
    """
    _check_choice("backend", backend, BACKENDS)
    if target is not None:
        _check_choice("target", target, TARGETS)
    if backend == "tensorrt":
        try:
            prepared = _prepared(bundle, open_libraries(), target, ahead)
        except (RunnerError, MissingDependencyError) as error:
            raise RunnerError(
                f"backend 'tensorrt': {error}; use the backend 'onnxruntime' or 'auto'"
            ) from error
        return prepared.runner, prepared.choice
    why_not = ""
    if backend == "auto" and _is_for_tensorrt(bundle, target):
        found = _try_tensorrt(bundle, target, ahead)
        if not isinstance(found, str):
            return found
        why_not = found
    choice = _choose(bundle, target)
    runner = OnnxRunner(bundle.graphs_for(choice.target), threads, bundle.links)
    return runner, replace(choice, reason=f"{choice.reason}{why_not}")


def _is_for_tensorrt(bundle: GraphSet, target: str | None) -> bool:
    if target is not None:
        return target in TENSORRT_TARGETS
    return any(target in bundle.targets for target in TENSORRT_TARGETS)


def _prepared(
    bundle: GraphSet, libraries: Libraries, target: str | None, ahead: Ahead | None
) -> Prepared:
    if ahead is None:
        return prepare(bundle, libraries, target=target)
    return prepare(bundle, libraries, target=target, record=ahead.record, again=True)


def _try_tensorrt(
    bundle: GraphSet, target: str | None, ahead: Ahead | None
) -> tuple[Runner, Choice] | str:
    """Return the runner by TensorRT, or what to add to the reason for another one."""
    try:
        libraries = open_libraries()
    except RunnerError as error:
        _LOG.debug("no TensorRT: %s", error)
        return ""  # most machines have no GPU, and nobody asked for one
    except MissingDependencyError as error:
        return f"; there is a GPU, but {error}"
    try:
        prepared = _prepared(bundle, libraries, target, ahead)
    except RunnerError as error:
        _LOG.warning("TensorRT cannot run this bundle, ONNX Runtime does: %s", error)
        return "; TensorRT could not run it"
    return prepared.runner, prepared.choice


def rivals(bundle: GraphSet) -> tuple[str, ...]:
    """Return the targets to measure against each other here, the default among them."""
    default = bundle.default_target
    return tuple(t for t in bundle.targets if t.startswith(_CPU) or t == default)


def _choose(bundle: GraphSet, target: str | None) -> Choice:
    if target is not None:
        return Choice(target, "asked for")
    possible = rivals(bundle)
    if len(possible) > 1:
        measured = load_choice(choice_key(bundle.digest), possible)
        if measured is not None:
            return measured
    return Choice(bundle.default_target, "the bundle's default")


def _check_choice(what: str, got: str, choices: tuple[str, ...]) -> None:
    if got not in choices:
        raise UsageError(f"{what}: got {got!r}, expected one of {', '.join(choices)}")
