"""Tiny graphs of all three networks, made in code."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch

from quantize.graphs import (
    Graph,
    affect_graph,
    face_graph,
    locator_graph,
    voice_graph,
)
from quantize.material import Batches
from tests.training.conftest import made_root  # noqa: F401 - a fixture
from training.engine.checkpoint import Checkpoint, save_checkpoint
from training.models.affect import AffectConfig, AffectInput, AffectNet
from training.models.face import FaceConfig, FaceNet
from training.models.locator import LocatorConfig, LocatorNet
from training.models.voice import HOP_COLUMNS, MELS, VoiceConfig, VoiceNet


@pytest.fixture(params=["locator", "face", "voice", "affect"])
def graph(request: pytest.FixtureRequest) -> Graph:
    """Return one tiny graph after another, seeded, ready to export."""
    return tiny_graph(request.param)


def tiny_graph(name: str) -> Graph:
    """Return a tiny graph, seeded, ready to export."""
    torch.manual_seed(0)
    if name == "locator":
        return locator_graph(_tiny_locator())
    if name == "face":
        shape = FaceConfig((4, 4, 4, 4), (1, 1, 1), embedding=6, signals=4)
        return face_graph(FaceNet(shape).requires_grad_(False))
    if name == "voice":
        net = VoiceNet(VoiceConfig(channels=(4, 4), width=8, embedding=5))
        return voice_graph(net.requires_grad_(False))
    shape_of_affect = AffectConfig(face=6, voice=5, width=8)
    return affect_graph(AffectNet(shape_of_affect).requires_grad_(False))


def _tiny_locator() -> LocatorNet:
    """Return a network whose layers have seen pictures, as trained ones have."""
    shape = LocatorConfig((8, 8, 8, 8, 8), blocks=(0, 0, 1, 0, 0), head=8)
    net = LocatorNet(shape).requires_grad_(requires_grad=False)
    net.move_scores(4.0)
    random = torch.Generator().manual_seed(1)
    net.train()
    for _ in range(40):
        net(shades(random))
    return net.eval()


def shades(random: torch.Generator) -> torch.Tensor:
    """Return four smooth pictures; noise alone would leave nothing to tell apart."""
    coarse = torch.rand(4, 1, 4, 6, generator=random)
    smooth = torch.nn.functional.interpolate(coarse, size=(64, 96), mode="bicubic")
    return smooth.clamp(0, 1) * 255


@pytest.fixture
def checkpoints(tmp_path: Path) -> dict[str, Path]:
    """Return the checkpoints of all tiny networks, which fit each other."""
    paths = {}
    for name in ("locator", "face", "voice", "affect"):
        net = net_of(tiny_graph(name))
        assert isinstance(net, LocatorNet | FaceNet | VoiceNet | AffectNet)
        weights = net.state_dict()
        config = {"net": asdict(net.config)}
        paths[name] = tmp_path / "checkpoints" / f"{name}.safetensors"
        paths[name].parent.mkdir(exist_ok=True)
        stored = Checkpoint(name, config, 1, weights, weights)
        if name == "locator":
            stored = replace(stored, metrics={"dev_threshold": 0.4})
        save_checkpoint(paths[name], stored)
    return paths


def net_of(graph: Graph) -> torch.nn.Module:
    """Return the network behind a graph's module."""
    net = graph.module.net
    assert isinstance(net, torch.nn.Module)
    return net


@pytest.fixture
def batches(graph: Graph) -> Batches:
    """Return inputs that the graph's network is called with."""
    random = torch.Generator().manual_seed(1)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=random)

    net = net_of(graph)
    if isinstance(net, LocatorNet):
        return Batches(tuple((shades(random),) for _ in range(4)))
    if isinstance(net, FaceNet):
        return Batches(tuple((drawn(8, 1, 56, 56) * 255,) for _ in range(4)))
    if isinstance(net, VoiceNet):
        mels = [4 * drawn(3, 2 * HOP_COLUMNS, MELS) - 2 for _ in range(4)]
        return Batches(tuple((mel, net.new_state(3)) for mel in mels))
    assert isinstance(net, AffectNet)
    calls = []
    for _ in range(4):
        given = AffectInput(
            2 * drawn(8, 1, 6),
            2 * drawn(8, 1, 5),
            (drawn(8, 1, 1) < 0.7).float(),
            (drawn(8, 1, 1) < 0.7).float(),
            drawn(8, 1, 1),
            drawn(8, 1, 1),
        )
        calls.append((given, net.new_state(8)))
    return Batches(tuple(calls))
