"""Graphs without emotion heads, down to a bundle that runs for the purpose fleet."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("brevitas")

import numpy as np
import onnx
import torch
from onnx import numpy_helper

import edge_affect as ea
from deploy.pack import PackSettings, pack
from edge_affect.errors import PurposeError
from edge_affect.labels import DRIVER_SIGNALS
from edge_affect.model.affect import Evidence
from edge_affect.sources.simulated import SimulatedSource
from quantize.export import check_graph, export_graph
from quantize.graphs import GRAPHS, Graph, signals_only
from quantize.material import Batches
from quantize.parity import check_parity
from quantize.ptq import quantize_trained, retarget
from quantize.rules import check_rules
from quantize.schemes import SCHEMES
from tests.quantize.conftest import net_of, tiny_graph
from training.data.signals import FACE_UNITS

pytestmark = pytest.mark.torch
CARD = Path(__file__).resolve().parents[2] / "deploy" / "cards" / "edge-affect-s.json"
PER_CHANNEL = SCHEMES["W8A8_PER_CHANNEL"]
EMOTION_LAYERS: dict[str, tuple[str, ...]] = {
    "locator": (),
    "face": ("expression", "affect"),
    "voice": ("emotion",),
    "affect": (
        "read_expression",
        "read_affect",
        "gate",
        "correct_expression",
        "correct_affect",
        "change",
        "spread",
    ),
}
SIGNALS = {
    "face": {"embedding", "action_units", "eyes_closed", "pose"},
    "voice": {"embedding", "speech"},
    "affect": set(),
}
TARGETS = ("cpu-fp32", "cpu-int8", "trt-int8", "trt-fp16")


def _for_target(graph: Graph, batches: Batches, target: str) -> Graph:
    if not target.endswith("int8"):
        return graph
    net = net_of(graph)
    tensors = quantize_trained(net, graph.name, PER_CHANNEL, batches).state_dict()
    return GRAPHS[graph.name](retarget(net, tensors, graph.name, PER_CHANNEL, target))


def _randomised(graph: Graph) -> Graph:
    """Give every head weights of its own: some begin as zeros."""
    random = torch.Generator().manual_seed(3)
    for layer in EMOTION_LAYERS[graph.name]:
        for weight in net_of(graph).get_submodule(layer).parameters():
            weight.copy_(torch.rand(weight.shape, generator=random))
    return graph


def _stored(path: Path) -> list[list[float]]:
    """Return all numbers of the file, tensor by tensor, each sorted."""
    graph = onnx.load(str(path)).graph
    tensors = [*graph.initializer]
    tensors += [a.t for node in graph.node for a in node.attribute if a.HasField("t")]
    return [
        np.sort(numpy_helper.to_array(t).astype(np.float32), axis=None).tolist()
        for t in tensors
    ]


def _heads_in(graph: Graph, path: Path) -> set[str]:
    """Return the emotion layers whose weights the file holds, in any order."""
    stored = _stored(path)
    found = set()
    for layer in EMOTION_LAYERS[graph.name]:
        weight = net_of(graph).get_submodule(layer).get_parameter("weight")
        for values in (weight, weight.half().float()):
            if sorted(values.flatten().tolist()) in stored:
                found.add(layer)
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_signals_leave_no_emotion_in_the_file(
    graph: Graph, batches: Batches, target: str, tmp_path: Path
) -> None:
    """Outputs and weights are gone, rules and parity are kept, for every target."""
    if not EMOTION_LAYERS[graph.name]:
        pytest.skip(f"the {graph.name} graph tells no emotion")
    whole = _for_target(_randomised(graph), batches, target)
    full = export_graph(whole, tmp_path / "full.onnx", target)
    assert _heads_in(graph, full) == set(EMOTION_LAYERS[graph.name])
    signals = signals_only(whole)
    path = export_graph(signals, tmp_path / "signals.onnx", target)
    assert _heads_in(graph, path) == set()
    model = onnx.load(str(path))
    told = {value.name for value in model.graph.output}
    assert {n for n in told if not n.startswith("next_state_")} == SIGNALS[graph.name]
    assert len(model.graph.node) < len(onnx.load(str(full)).graph.node)
    assert sum(map(len, _stored(path))) < sum(map(len, _stored(full)))
    check_rules(path, target)
    check_graph(signals, path)
    check_parity(signals, path, target, steps=50)


def _bundle(tmp_path: Path, name: str) -> Path:
    """Pack the tiny graphs with the heads ``name``, all or signals, by one card."""
    folder = tmp_path / name
    for role in ("face", "voice", "affect"):
        graph = tiny_graph(role)
        if name == "signals":
            graph = signals_only(graph)
        export_graph(graph, folder / f"{role}.cpu-fp32.onnx", "cpu-fp32")
    card = json.loads(CARD.read_text(encoding="utf-8"))
    taught = {"taught_by": "nobody"}
    card["heads"] |= {
        "action_units": {"labels": FACE_UNITS, **taught},
        "driver": {"labels": DRIVER_SIGNALS, **taught},
    }
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    out = tmp_path / f"bundle-{name}"
    pack(PackSettings(folder, out, name, "0.1.0", heads=name))
    return tmp_path / f"bundle-{name}"


def test_a_bundle_of_signals_runs_for_the_purpose_fleet(tmp_path: Path) -> None:
    """It packs, loads, steps and streams; nothing it tells is an emotion."""
    folder = _bundle(tmp_path, "signals")
    model = ea.AffectModel.load(folder, purpose="fleet", allow_unsigned=True)
    graphs = model.graphs
    state = graphs.new_state()
    face = graphs.face(state, np.zeros((112, 112, 3), np.uint8))
    assert (face.valence, face.arousal, face.expression) == (None, None, None)
    voice = graphs.voice(state, np.zeros((10, 64), np.float32))
    assert face.signals is not None
    assert list(face.signals.action_units) == list(FACE_UNITS)
    assert voice.emotion is None
    assert 0 <= voice.speech <= 1
    reading = graphs.affect(state, Evidence(face.embedding, 0.0, voice.embedding, 0.1))
    assert set(asdict(reading).values()) == {None}
    assert state.tensors["affect"]["state_memory"].any()
    source = SimulatedSource(seed=1, duration_s=0.5)
    for estimate in ea.analyze(source, purpose="fleet", model=model):
        assert (estimate.valence, estimate.expression) == (None, None)
        assert estimate.confidence is None
    model.close()


def test_a_bundle_of_all_heads_is_refused_for_fleet(tmp_path: Path) -> None:
    """The same networks with their emotion heads may not run at work."""
    folder = _bundle(tmp_path, "all")
    with pytest.raises(PurposeError, match="one without emotion heads"):
        ea.AffectModel.load(folder, purpose="fleet", allow_unsigned=True)
