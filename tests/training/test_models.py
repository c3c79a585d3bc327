"""Causality, streaming, masks and shapes of the networks."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")  # before anything that imports it

import torch

from training.models.affect import (
    AffectConfig,
    AffectInput,
    AffectNet,
)
from training.models.face import FaceConfig, FaceGraph, FaceNet
from training.models.voice import VoiceConfig, VoiceNet

pytestmark = pytest.mark.torch
HOPS, CELLS = 8, 12
TOLERANCE = 1e-5
"""Sums of a few hundred float32 products, in another order."""


@pytest.fixture
def voice() -> VoiceNet:
    """Return a tiny voice network with statistics as after training."""
    torch.manual_seed(0)
    net = VoiceNet(VoiceConfig(channels=(4, 4), width=8, embedding=6))
    mean = torch.randn(64)
    net.bands.running_mean = mean
    return net.eval()


@pytest.fixture
def affect() -> AffectNet:
    """Return a tiny affect network whose every layer does something."""
    torch.manual_seed(0)
    net = AffectNet(AffectConfig(face=6, voice=5, width=8)).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return net


def _given(seed: int = 0) -> AffectInput:
    random = torch.Generator().manual_seed(seed)
    return AffectInput(
        torch.rand(1, CELLS, 6, generator=random),
        torch.rand(1, CELLS, 5, generator=random),
        (torch.rand(1, CELLS, 1, generator=random) < 0.5).float(),
        (torch.rand(1, CELLS, 1, generator=random) < 0.5).float(),
        torch.rand(1, CELLS, 1, generator=random),
        torch.rand(1, CELLS, 1, generator=random),
    )


def _cells(given: AffectInput, start: int, stop: int) -> AffectInput:
    return AffectInput(
        given.face[:, start:stop],
        given.voice[:, start:stop],
        given.face_valid[:, start:stop],
        given.voice_valid[:, start:stop],
        given.face_age[:, start:stop],
        given.voice_age[:, start:stop],
    )


@torch.no_grad()
def test_voice_net_is_causal(voice: VoiceNet) -> None:
    """Poison after hop 4 leaves what was said up to it unchanged to the bit."""
    mel = torch.randn(1, 10 * HOPS, 64)
    poisoned = mel.clone()
    poisoned[:, 40:] = 1e6
    clean, dirty = (voice(part, voice.new_state())[0] for part in (mel, poisoned))
    for name in ("embedding", "speech", "emotion"):
        before, after = getattr(clean, name)[:, :4], getattr(dirty, name)[:, :4]
        assert torch.equal(before, after), name


@torch.no_grad()
def test_voice_net_streams_as_it_works_offline(voice: VoiceNet) -> None:
    """Hop by hop with carried state equals the whole clip."""
    mel = torch.randn(1, 10 * HOPS, 64)
    whole, _ = voice(mel, voice.new_state())
    state = voice.new_state()
    for hop in range(HOPS):
        step, state = voice(mel[:, 10 * hop : 10 * hop + 10], state)
        difference = (step.emotion[:, 0] - whole.emotion[:, hop]).abs().max()
        assert float(difference) < TOLERANCE, hop
        assert float((step.speech[:, 0] - whole.speech[:, hop]).abs()) < TOLERANCE


def test_voice_net_normalises_alike_in_both_modes(voice: VoiceNet) -> None:
    """The written-out norm of the exported graph is the BatchNorm of training."""
    mel = torch.randn(1, 20, 64)
    with torch.no_grad():
        expected = voice.bands(mel.transpose(1, 2)).transpose(1, 2)
        assert float((voice._normed(mel) - expected).abs().max()) < TOLERANCE


@torch.no_grad()
def test_affect_net_is_causal(affect: AffectNet) -> None:
    """Poison from cell 5 on leaves the cells before unchanged to the bit."""
    given = _given()
    face = given.face.clone()
    face[:, 5:] = 1e6
    clean, _ = affect(given, affect.new_state())
    dirty, _ = affect(replace(given, face=face), affect.new_state())
    for name in ("affect", "deviation", "ahead", "expression"):
        assert torch.equal(getattr(clean, name)[:, :5], getattr(dirty, name)[:, :5])


@torch.no_grad()
def test_affect_net_streams_as_it_works_offline(affect: AffectNet) -> None:
    """Cell by cell with carried state equals the whole sequence."""
    given = _given()
    whole, _ = affect(given, affect.new_state())
    state = affect.new_state()
    for cell in range(CELLS):
        step, state = affect(_cells(given, cell, cell + 1), state)
        difference = (step.expression[:, 0] - whole.expression[:, cell]).abs().max()
        assert float(difference) < TOLERANCE, cell


@torch.no_grad()
@pytest.mark.parametrize("modality", ["face", "voice"])
def test_affect_net_is_blind_to_what_is_masked(
    affect: AffectNet, modality: str
) -> None:
    """A masked embedding and its age change nothing, to the bit."""
    given = _given()
    hidden = getattr(given, f"{modality}_valid") == 0
    changed = replace(
        given,
        **{
            modality: torch.where(hidden, 77.0, getattr(given, modality)),
            f"{modality}_age": torch.where(
                hidden, 0.9, getattr(given, f"{modality}_age")
            ),
        },
    )
    before, _ = affect(given, affect.new_state())
    after, _ = affect(changed, affect.new_state())
    for name in ("affect", "deviation", "ahead", "expression"):
        assert torch.equal(getattr(before, name), getattr(after, name))


@torch.no_grad()
def test_affect_net_stays_in_range(affect: AffectNet) -> None:
    """Valence and arousal lie in [-1, 1]; their spread is positive."""
    output, _ = affect(_given(), affect.new_state())
    assert float(output.affect.abs().max()) <= 1
    assert float(output.ahead.abs().max()) <= 1
    assert float(output.deviation.min()) > 0


@torch.no_grad()
def test_affect_net_starts_as_the_face_heads(affect: AffectNet) -> None:
    """Before training the likeliest expression is the face network's own."""
    torch.manual_seed(0)
    expression, level = torch.nn.Linear(6, 8), torch.nn.Linear(6, 2)
    net = AffectNet(AffectConfig(face=6, voice=5, width=8)).eval()
    net.read_like(expression, level)
    given = replace(_given(), face_valid=torch.ones(1, CELLS, 1))
    output, _ = net(given, net.new_state())
    expected = expression(given.face).argmax(2)
    assert torch.equal(output.expression.argmax(2), expected)
    del affect


@torch.no_grad()
def test_face_graph_reads_colour_as_luma() -> None:
    """A grey picture and its luma give the same outputs."""
    torch.manual_seed(0)
    net = FaceNet(FaceConfig(widths=(4, 4, 4, 4), blocks=(1, 1, 1), embedding=6)).eval()
    luma = torch.rand(1, 1, 112, 112) * 255
    graph = FaceGraph(net).eval()
    embedding, expression, valence, arousal = graph(luma.expand(1, 3, 112, 112))
    halved = torch.nn.functional.avg_pool2d(luma, 2)
    expected, logits, affect = net(halved)
    assert float((embedding - expected).abs().max()) < TOLERANCE
    assert float((expression - logits).abs().max()) < TOLERANCE
    assert torch.cat([valence, arousal], 1).shape == affect.shape == (1, 2)
