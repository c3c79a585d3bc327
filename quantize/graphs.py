"""What each graph's tensors are called and shaped: the contract with the runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edge_affect.model.bundle import HEAD_OUTPUTS
from edge_affect.model.purpose import EMOTION_HEADS
from training.models.affect import AFFECT_STATES, AffectGraph, AffectNet
from training.models.face import (
    FACE_OUTPUTS,
    INPUT_PX,
    SIGNAL_OUTPUTS,
    FaceGraph,
    FaceNet,
)
from training.models.load import (
    load_affect_net,
    load_face_net,
    load_locator_net,
    load_pu_mfa_net,
    load_voice_net,
)
from training.models.locator import INPUT_PX as LOCATOR_PX
from training.models.locator import LocatorGraph, LocatorNet, LocatorOutput
from training.models.pu_mfa import PATCH_POINTS, PuMfaGraph, PuMfaNet
from training.models.voice import (
    HOP_COLUMNS,
    MELS,
    VOICE_STATES,
    VoiceGraph,
    VoiceNet,
)

STATE_PREFIX = "state_"
NEXT_STATE_PREFIX = "next_state_"
PATCHES = 8
"""Patches that a step of the graph pointcloud takes."""
FLOAT_TOLERANCE = 1e-3
"""Largest difference of a float graph's outputs (of order 1 to 20): two float32
implementations that sum in another order differ by 1e-5 here, a wrong layer by 1e-1."""
POINT_TOLERANCE = 1e-4
"""The same for points of a patch of radius 1, a hundredth of which lies between two."""

Drawer = Callable[[torch.Generator], Tensor]


@dataclass(frozen=True, slots=True)
class Graph:
    """A network with everything that its export needs."""

    name: str
    """Role of the graph: locator, face, voice, affect or pointcloud."""
    module: nn.Module
    """Takes the inputs, then the state, and returns the outputs, then its next."""
    inputs: dict[str, Drawer]
    """Every input but the state → draws a likely value of it; float32, or int64 where
    it counts rows."""
    state: dict[str, Tensor]
    """State by its input names → its value before anything was seen."""
    outputs: tuple[str, ...]
    """Every output but the next state."""
    tolerance: float = FLOAT_TOLERANCE
    """Largest difference from torch of a float file's outputs."""

    @property
    def input_names(self) -> list[str]:
        """Names of all inputs, the state last."""
        return [*self.inputs, *self.state]

    @property
    def output_names(self) -> list[str]:
        """Names of all outputs, the next state last."""
        return [*self.outputs, *(next_state_name(name) for name in self.state)]

    def draw(self, random: torch.Generator) -> dict[str, Tensor]:
        """Draw a value for every input but the state."""
        return {name: drawn(random) for name, drawn in self.inputs.items()}


def next_state_name(state_name: str) -> str:
    """Return the output that carries a state input's next value."""
    return NEXT_STATE_PREFIX + state_name.removeprefix(STATE_PREFIX)


class _Picked(nn.Module):
    """A network of which some results are handed on."""

    def __init__(self, module: nn.Module, places: tuple[int, ...]) -> None:
        super().__init__()
        self.module = module
        self.places = places

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run on the whole network's inputs."""
        results = self.module(*inputs)
        return tuple(results[place] for place in self.places)


def signals_only(graph: Graph) -> Graph:
    """Return the graph without the outputs that tell of an emotion.

    The exporter leaves out whatever leads to no output, so their weights are not in
    the file. Embeddings and state stay.
    """
    emotions = {name for head in EMOTION_HEADS for name in HEAD_OUTPUTS[head]}
    kept = [name for name in graph.output_names if name not in emotions]
    places = tuple(graph.output_names.index(name) for name in kept)
    return replace(
        graph,
        module=_Picked(graph.module, places).eval(),
        outputs=tuple(name for name in graph.outputs if name not in emotions),
    )


def _states(names: tuple[str, ...], values: tuple[Tensor, ...]) -> dict[str, Tensor]:
    return {
        STATE_PREFIX + name: value for name, value in zip(names, values, strict=True)
    }


def _uniform(low: float, high: float, *shape: int) -> Drawer:
    return lambda random: low + (high - low) * torch.rand(shape, generator=random)


def _coin(*shape: int) -> Drawer:
    return lambda random: (torch.rand(shape, generator=random) < 0.7).float()


def _others(batch: int, points: int, count: int) -> Drawer:
    """Draw ``count`` other rows for each of ``points``; any do for a comparison."""
    rows = torch.arange(points)[None, :, None]
    shape = (batch, points, count)
    return lambda random: (
        (rows + torch.randint(1, points, shape, generator=random)) % points
    )


def locator_graph(net: LocatorNet) -> Graph:
    """Describe the locator network's graph."""
    width, height = LOCATOR_PX
    return Graph(
        "locator",
        LocatorGraph(net).eval(),
        {"image": _uniform(0, 255, 1, 1, height, width)},
        {},
        LocatorOutput._fields,
    )


def face_graph(net: FaceNet) -> Graph:
    """Describe the face network's graph."""
    return Graph(
        "face",
        FaceGraph(net).eval(),
        {"image": _uniform(0, 255, 1, 3, INPUT_PX, INPUT_PX)},
        {},
        (*FACE_OUTPUTS, *(SIGNAL_OUTPUTS if net.config.signals else ())),
    )


def voice_graph(net: VoiceNet) -> Graph:
    """Describe the voice network's graph."""
    return Graph(
        "voice",
        VoiceGraph(net).eval(),
        {"mel": _uniform(-2, 2, 1, HOP_COLUMNS, MELS)},
        _states(VOICE_STATES, net.new_state()),
        ("embedding", "speech", "emotion"),
    )


def affect_graph(net: AffectNet) -> Graph:
    """Describe the affect network's graph."""
    return Graph(
        "affect",
        AffectGraph(net).eval(),
        {
            "face_embedding": _uniform(0, 2, 1, net.config.face),
            "voice_embedding": _uniform(0, 2, 1, net.config.voice),
            "face_valid": _coin(1, 1),
            "voice_valid": _coin(1, 1),
            "face_age": _uniform(0, 1, 1, 1),
            "voice_age": _uniform(0.1, 0.3, 1, 1),
        },
        _states(AFFECT_STATES, net.new_state()),
        (
            "valence",
            "arousal",
            "valence_std",
            "arousal_std",
            "valence_ahead",
            "arousal_ahead",
            "expression",
        ),
    )


def pointcloud_graph(net: PuMfaNet) -> Graph:
    """Describe the point-cloud network's graph."""
    return Graph(
        "pointcloud",
        PuMfaGraph(net).eval(),
        {
            "points": _uniform(-0.6, 0.6, PATCHES, PATCH_POINTS, 3),
            "neighbours": _others(PATCHES, PATCH_POINTS, net.config.neighbours),
        },
        {},
        ("dense",),
        tolerance=POINT_TOLERANCE,
    )


LOADERS: dict[str, Callable[[Path], nn.Module]] = {
    "locator": load_locator_net,
    "face": load_face_net,
    "voice": load_voice_net,
    "affect": load_affect_net,
    "pointcloud": load_pu_mfa_net,
}
"""Graph → how to load its network from a checkpoint; each raises DataError."""
GRAPHS: dict[str, Callable[[Any], Graph]] = {
    "locator": locator_graph,
    "face": face_graph,
    "voice": voice_graph,
    "affect": affect_graph,
    "pointcloud": pointcloud_graph,
}
"""Graph → how to describe its network, float or quantized."""
HEADS: dict[str, Callable[[Graph], Graph]] = {
    "all": lambda graph: graph,
    "signals": signals_only,
}
"""Which heads a graph is exported with → what leaves the others out."""
