"""Record what a stream gives the graphs, so that two runtimes can be compared on it."""

from __future__ import annotations

from itertools import islice

import numpy as np
from numpy.typing import NDArray

from edge_affect.affect_model import AffectModel
from edge_affect.model.affect import AffectGraphs
from edge_affect.model.bundle import Bundle
from edge_affect.realtime.stream import AffectStream
from edge_affect.runners.base import StreamState, Tensors
from edge_affect.runners.choices import Choice
from edge_affect.runners.compare import GivenStep
from edge_affect.runners.onnxruntime import OnnxRunner
from edge_affect.sensing.locator import locator_maker

CELLS = 300
"""Cells of the simulated drive that are recorded: ten seconds."""


class _RecordingRunner(OnnxRunner):
    """Keeps what every step was given."""

    def __init__(self, bundle: Bundle, target: str) -> None:
        super().__init__(bundle.graphs_for(target))
        self.steps: list[GivenStep] = []

    def step(
        self,
        state: StreamState,
        which: str,
        inputs: Tensors,
        outputs: tuple[str, ...] | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        given = {name: value.copy() for name, value in inputs.items()}
        self.steps.append(GivenStep(which, given))
        return super().step(state, which, inputs, outputs)


def record_drive(bundle: Bundle, target: str) -> list[GivenStep]:
    """Return what the graphs are given in the first ``CELLS`` of a simulated drive.

    Args:
        bundle: Whose graphs.
        target: Which of them run on ONNX Runtime meanwhile: what one graph hands to
            the next is theirs.

    Raises:
        BundleError: The bundle lacks the target.
        RunnerError: A graph cannot be run.
    """
    runner = _RecordingRunner(bundle, target)
    model = AffectModel(
        bundle,
        "research",
        AffectGraphs(runner, bundle.manifest),
        Choice(target, "recorded"),
        locator_maker(runner, None),
    )
    with AffectStream("simulated", model=model) as stream:
        for _ in islice(stream, CELLS):
            pass
    runner.close()
    return runner.steps
