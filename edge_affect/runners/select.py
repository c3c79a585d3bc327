"""Choose the runner and the target for a bundle."""

from __future__ import annotations

import importlib.util
from typing import Protocol

from edge_affect.config import BACKENDS
from edge_affect.errors import RunnerError, UsageError
from edge_affect.labels import TARGETS
from edge_affect.runners.base import GraphFile, Runner
from edge_affect.runners.choices import Choice, choice_key, load_choice
from edge_affect.runners.onnxruntime import OnnxRunner

_CPU = "cpu-"
"""Begins the names of the targets that are made for ONNX Runtime's CPU provider."""


class GraphSet(Protocol):
    """What a runner needs of a bundle."""

    @property
    def digest(self) -> str:
        """SHA-256 that names the bundle, hex."""

    @property
    def default_target(self) -> str:
        """Target that runs where nothing faster was measured."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Targets that every graph was made for."""

    def graphs_for(self, target: str) -> list[GraphFile]:
        """Return every graph as made for ``target``; raises BundleError."""


def make_runner(
    backend: str, bundle: GraphSet, target: str | None = None, threads: int = 1
) -> tuple[Runner, Choice]:
    """Make the runner that ``backend`` stands for.

    Args:
        backend: ``auto``, ``onnxruntime`` or ``tensorrt``.
        bundle: Where the graphs come from.
        target: Which of its graphs to run; None for what was measured to be the
            fastest here (``edge-affect doctor --measure``), else for its default.
        threads: Threads that a graph may use.

    Returns:
        The runner, and the target it runs with the reason for that one.

    Raises:
        UsageError: ``backend`` or ``target`` is unknown.
        BundleError: The bundle has no graphs for ``target``.
        RunnerError: The backend cannot run here, or not these graphs.
    """
    _check_choice("backend", backend, BACKENDS)
    if backend == "tensorrt":
        raise RunnerError(_why_no_tensorrt())
    choice = _choose(bundle, target)
    return OnnxRunner(bundle.graphs_for(choice.target), threads), choice


def rivals(bundle: GraphSet) -> tuple[str, ...]:
    """Return the targets to measure against each other here, the default among them."""
    default = bundle.default_target
    return tuple(t for t in bundle.targets if t.startswith(_CPU) or t == default)


def _choose(bundle: GraphSet, target: str | None) -> Choice:
    if target is not None:
        _check_choice("target", target, TARGETS)
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


def _why_no_tensorrt() -> str:
    mend = "use the backend 'onnxruntime' or 'auto'"
    if importlib.util.find_spec("tensorrt") is None:
        return (
            "backend 'tensorrt': no TensorRT runtime was found (no Python package "
            f"'tensorrt'; on a Jetson it comes with JetPack); {mend}"
        )
    return (
        "backend 'tensorrt': TensorRT is installed, but this version of edge_affect "
        f"has no TensorRT runner; {mend}"
    )
