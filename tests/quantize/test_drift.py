"""State beside the float network's in a long stream, and what silence leaves of it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("brevitas")

import numpy as np
import torch

from edge_affect.errors import DataError
from quantize.drift import DriftConfig, drift_table, measure_drift
from quantize.export import export_graph
from quantize.graphs import GRAPHS, Graph
from quantize.material import Batches
from quantize.ptq import quantize_trained, retarget
from quantize.schemes import SCHEMES
from quantize.streams import Material, affect_material, voice_material
from tests.quantize.conftest import net_of
from training.models.voice import VoiceNet

pytestmark = pytest.mark.torch
PER_CHANNEL = SCHEMES["W8A8_PER_CHANNEL"]
SHORT = DriftConfig(steps=50, block=20, silence=200)


def _material(graph: Graph) -> Material:
    if graph.name in ("locator", "face"):
        pytest.skip(f"the {graph.name} graph has no state")
    random = np.random.default_rng(0)
    if graph.name == "voice":
        return voice_material(random.normal(size=(2, 30, 64)).astype(np.float32), 0)
    faces, voices = (random.random((4, n), np.float32) for n in (6, 5))
    return affect_material(faces, voices, 0)


def test_a_float_file_does_not_drift(graph: Graph, tmp_path: Path) -> None:
    """All outputs and states, by blocks of which the last is shorter."""
    material = _material(graph)
    path = export_graph(graph, tmp_path / "g.onnx", "cpu-fp32")
    drift = measure_drift(graph, path, material, SHORT)
    assert set(drift.tensors) == set(graph.output_names)
    assert set(drift.decay) == set(graph.state)
    for tensor in drift.tensors.values():
        assert len(tensor.mean_shares) == len(tensor.largest_shares) == 3
        assert max(tensor.largest_shares) < 1e-4
        assert all(
            mean <= largest
            for mean, largest in zip(
                tensor.mean_shares, tensor.largest_shares, strict=True
            )
        )
    for state in drift.decay.values():
        assert state.apart_share < 1e-4
        assert state.int8_norm == pytest.approx(state.float_norm, abs=1e-4)
        assert state.int8_left == pytest.approx(state.float_left, abs=1e-4)


def test_an_int8_file_stays_near_and_forgets(
    graph: Graph, batches: Batches, tmp_path: Path
) -> None:
    """It differs, by less than a tenth of the range, and silence brings it back."""
    material = _material(graph)
    net = net_of(graph)
    if isinstance(net, VoiceNet):
        heard = [step["mel"] for step in itertools.islice(material.stream, 60)]
        mel = torch.from_numpy(np.concatenate(heard, axis=1))
        batches = Batches(((mel, net.new_state()),))
    tensors = quantize_trained(net, graph.name, PER_CHANNEL, batches).state_dict()
    changed = retarget(net, tensors, graph.name, PER_CHANNEL, "cpu-int8")
    path = export_graph(GRAPHS[graph.name](changed), tmp_path / "g.onnx", "cpu-int8")
    drift = measure_drift(graph, path, material, SHORT)
    apart = [max(tensor.largest_shares) for tensor in drift.tensors.values()]
    assert 1e-6 < max(apart) < 0.1
    for state in drift.decay.values():
        assert state.int8_left < 0.01
        assert state.float_left < 0.01
    table = drift_table(graph.name, drift)
    assert table.count("\n| next_state_") == len(graph.state)
    assert table.count("\n| state_") == len(graph.state)


def test_a_state_that_keeps_what_it_took_up_is_seen(
    graph: Graph, tmp_path: Path
) -> None:
    """A file of other weights: the difference and what is left of it are reported."""
    material = _material(graph)
    path = export_graph(graph, tmp_path / "g.onnx", "cpu-fp32")
    with torch.no_grad():
        for name, weight in net_of(graph).named_parameters():
            weight.add_(0.1 if name.startswith("gru.bias") else 0.0)
    drift = measure_drift(graph, path, material, SHORT)
    assert drift.tensors["next_state_memory"].mean_shares[-1] > 0.01
    assert drift.decay["state_memory"].apart_share > 0.01


def test_a_file_that_gives_nan_is_refused(graph: Graph, tmp_path: Path) -> None:
    """The tensor is named; a NaN is no difference."""
    material = _material(graph)
    with torch.no_grad():
        for name, weight in net_of(graph).named_parameters():
            weight.mul_(float("nan") if name == "gru.bias_hh_l0" else 1.0)
    path = export_graph(graph, tmp_path / "g.onnx", "cpu-fp32")
    with pytest.raises(DataError, match="became NaN or infinite within the first 20"):
        measure_drift(graph, path, material, SHORT)


def test_voice_material_speaks_and_pauses() -> None:
    """Whole utterances in every order, silence between; the seed decides."""
    clips = np.arange(2, dtype=np.float32)[:, None, None] * np.ones((2, 20, 64), "f4")
    material = voice_material(clips, 1)
    silence = material.nothing["mel"]
    assert silence.shape == (1, 10, 64)
    assert silence.max() == silence.min() < -3
    heard = [float(s["mel"][0, 0, 0]) for s in itertools.islice(material.stream, 200)]
    assert set(heard) == {0.0, 1.0, float(silence[0, 0, 0])}
    again = voice_material(clips, 1).stream
    assert heard == [float(s["mel"][0, 0, 0]) for s in itertools.islice(again, 200)]


def test_affect_material_loses_and_holds_either() -> None:
    """Every combination occurs; a masked modality is zeros; ages stay in bounds."""
    faces, voices = np.ones((3, 6), np.float32), np.full((4, 5), 2, np.float32)
    steps = list(itertools.islice(affect_material(faces, voices, 0).stream, 6000))
    seen = {(bool(s["face_valid"][0, 0]), bool(s["voice_valid"][0, 0])) for s in steps}
    assert len(seen) == 4
    for step in steps:
        for name, value in (("face", 1), ("voice", 2)):
            valid = step[f"{name}_valid"]
            assert (step[f"{name}_embedding"] == value * valid).all()
            assert (step[f"{name}_age"] <= 0.5 * valid).all()
    shares = [
        np.mean([s[f"{n}_valid"][0, 0] for s in steps]) for n in ("face", "voice")
    ]
    assert 0.75 < min(shares) <= max(shares) < 0.99
    assert max(float(s["face_age"][0, 0]) for s in steps) > 0.4
