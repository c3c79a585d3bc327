"""Tiny graphs of all three networks, made in code."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch

from quantize.graphs import Graph, affect_graph, face_graph, voice_graph
from training.models.affect import AffectConfig, AffectNet
from training.models.face import FaceConfig, FaceNet
from training.models.voice import VoiceConfig, VoiceNet


@pytest.fixture(params=["face", "voice", "affect"])
def graph(request: pytest.FixtureRequest) -> Graph:
    """Return one tiny graph after another, seeded, ready to export."""
    torch.manual_seed(0)
    if request.param == "face":
        shape = FaceConfig(widths=(4, 4, 4, 4), blocks=(1, 1, 1), embedding=6)
        return face_graph(FaceNet(shape).requires_grad_(False))
    if request.param == "voice":
        net = VoiceNet(VoiceConfig(channels=(4, 4), width=8, embedding=6))
        return voice_graph(net.requires_grad_(False))
    shape_of_affect = AffectConfig(face=6, voice=5, width=8)
    return affect_graph(AffectNet(shape_of_affect).requires_grad_(False))
