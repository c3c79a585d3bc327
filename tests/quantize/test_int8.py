"""Int8 graphs of all three networks: parity, rules, refusals, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("brevitas")

import onnx
import torch
from torch import nn

from edge_affect.errors import ConfigError, DataError
from quantize.export import export_graph
from quantize.graphs import GRAPHS, Graph
from quantize.material import Batches
from quantize.outputs import output_deviations
from quantize.parity import check_parity
from quantize.ptq import quantize_trained, retarget
from quantize.qat import QatConfig, tune_quantized
from quantize.quantizers import INT8_TARGETS, quantized, quantized_layers
from quantize.rules import breaches, check_rules
from quantize.schemes import SCHEMES, Scheme, scheme_named
from quantize.sensitivity import layer_costs, mixed_scheme, sensitivity_table
from quantize.store import QuantizedFile, file_digest, load_quantized, save_quantized
from tests.quantize.conftest import net_of, shades, tiny_graph
from training.models.face import FaceConfig, FaceNet

pytestmark = pytest.mark.torch
PER_CHANNEL = SCHEMES["W8A8_PER_CHANNEL"]


def _int8(graph: Graph, batches: Batches, target: str) -> Graph:
    net = net_of(graph)
    changed = quantize_trained(net, graph.name, PER_CHANNEL, batches)
    tensors = changed.state_dict()
    return GRAPHS[graph.name](retarget(net, tensors, graph.name, PER_CHANNEL, target))


@pytest.mark.parametrize("target", INT8_TARGETS)
def test_int8_graph_says_what_its_module_says(
    graph: Graph, batches: Batches, target: str, tmp_path: Path
) -> None:
    """Streamed over 200 steps with a state on each side; no sure class flips."""
    changed = _int8(graph, batches, target)
    path = export_graph(changed, tmp_path / "graph.onnx", target)
    parity = check_parity(changed, path, target)
    assert parity.mean_share < 0.01
    assert parity.flipped == 0


@pytest.mark.parametrize("target", INT8_TARGETS)
def test_int8_graph_stores_int8_weights(
    graph: Graph, batches: Batches, target: str, tmp_path: Path
) -> None:
    """Weights are bytes in the file, without a Clip between them and their scale."""
    path = export_graph(_int8(graph, batches, target), tmp_path / "g.onnx", target)
    model = onnx.load(str(path))
    stored = {w.data_type for w in model.graph.initializer}
    assert onnx.TensorProto.INT8 in stored
    made_by = {name: node.op_type for node in model.graph.node for name in node.output}
    dequantized = [n for n in model.graph.node if n.op_type == "DequantizeLinear"]
    assert dequantized
    assert "Clip" not in {made_by.get(node.input[0]) for node in dequantized}


def test_quantized_outputs_stay_near_the_float_ones(
    graph: Graph, batches: Batches
) -> None:
    """A tenth or so of an output's spread at most, where the ranges were taken from."""
    net = net_of(graph)
    changed = quantize_trained(net, graph.name, PER_CHANNEL, batches)
    limit = 0.15 if graph.name == "locator" else 0.1  # three times as many layers
    assert max(output_deviations(net, changed, batches).values()) < limit


def test_a_locator_keeps_what_it_says_of_the_one_face_among_many_cells() -> None:
    """Ranges reach as far as what was seen; a percentile cuts off what is rare."""
    net = net_of(tiny_graph("locator"))
    random = torch.Generator().manual_seed(2)
    pictures = torch.rand(800, 1, 64, 96, generator=random) * 4 + 126
    pictures[7, 0] = shades(random)[0]
    face = Batches(((pictures[7:8],),))
    away = {}
    for statistic in (None, "percentile"):
        scheme = replace(PER_CHANNEL, statistic=statistic)
        changed = quantize_trained(net, "locator", scheme, Batches(((pictures,),)))
        away[statistic] = max(output_deviations(net, changed, face).values())
    assert away[None] < 0.5 * away["percentile"]


def test_state_tensors_stay_float(graph: Graph, batches: Batches) -> None:
    """The state of an int8 graph has the float graph's shapes and is no quantity."""
    changed = _int8(graph, batches, "cpu-int8")
    assert {k: v.shape for k, v in changed.state.items()} == {
        k: v.shape for k, v in graph.state.items()
    }


def test_cpu_int8_breaks_the_rules_of_trt_int8(
    graph: Graph, batches: Batches, tmp_path: Path
) -> None:
    """Unsigned bytes after a ReLU and quantized biases are named."""
    path = export_graph(
        _int8(graph, batches, "cpu-int8"), tmp_path / "g.onnx", "cpu-int8"
    )
    found = {breach.rule for breach in breaches(path, "trt-int8")}
    assert any("uint8" in rule for rule in found)
    with pytest.raises(DataError, match="not a trt-int8 graph"):
        check_rules(path, "trt-int8")


@pytest.mark.parametrize("target", ["cpu-int8", "trt-int8"])
def test_a_float_graph_is_no_int8_graph(
    graph: Graph, target: str, tmp_path: Path
) -> None:
    """A file that was given another name is found out."""
    path = export_graph(graph, tmp_path / "g.onnx", "cpu-fp32")
    with pytest.raises(DataError, match="got no quantizer, expected int8 layers"):
        check_rules(path, target)


def test_trt_graphs_are_no_cpu_graphs(
    graph: Graph, batches: Batches, tmp_path: Path
) -> None:
    """Signed bytes alone, or half floats, have no place in the cpu targets."""
    path = export_graph(
        _int8(graph, batches, "trt-int8"), tmp_path / "g.onnx", "trt-int8"
    )
    with pytest.raises(DataError, match="neither unsigned bytes nor 32-bit biases"):
        check_rules(path, "cpu-int8")
    half = export_graph(graph, tmp_path / "h.onnx", "trt-fp16")
    with pytest.raises(DataError, match="is float16, expected float32"):
        check_rules(half, "cpu-fp32")


def test_half_graph_is_half_inside_and_float_outside(
    graph: Graph, tmp_path: Path
) -> None:
    """Every weight has 16 bits; what goes in and out has 32."""
    path = export_graph(graph, tmp_path / "g.onnx", "trt-fp16")
    check_parity(graph, path, "trt-fp16")
    model = onnx.load(str(path))
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    with pytest.raises(DataError, match="is float32, expected float16"):
        check_rules(export_graph(graph, tmp_path / "f.onnx", "cpu-fp32"), "trt-fp16")


def test_four_bits_cost_more_than_eight(graph: Graph, batches: Batches) -> None:
    """Weights of 4 bits are farther from the float network."""
    net = net_of(graph)
    worst = [
        max(
            output_deviations(
                net, quantize_trained(net, graph.name, scheme, batches), batches
            ).values()
        )
        for scheme in (PER_CHANNEL, SCHEMES["W4A8"])
    ]
    assert worst[0] < worst[1]


def test_training_brings_the_quantized_network_closer(
    graph: Graph, batches: Batches
) -> None:
    """Distilled from the float network, 4-bit weights lose less."""
    net = net_of(graph)
    changed = quantize_trained(net, graph.name, SCHEMES["W4A8"], batches)
    before = sum(output_deviations(net, changed, batches).values())
    tune_quantized(net, changed, batches, QatConfig(steps=80, learning_rate=1e-4))
    assert sum(output_deviations(net, changed, batches).values()) < before


def test_sensitivity_names_every_layer_at_both_widths(
    graph: Graph, batches: Batches
) -> None:
    """The mixed scheme keeps what 4 bits hurt in 8."""
    net = net_of(graph)
    layers = quantized_layers(net, graph.name)
    costs = layer_costs(net, graph.name, batches, None)
    assert len(costs) == 1 + 2 * len(layers)
    worst = max(
        (cost for cost in costs if cost.bits == 4),
        key=lambda cost: max(cost.deviations.values()),
    )
    most = max(worst.deviations.values()) * 0.99
    assert mixed_scheme(costs, most).fine_layers == (worst.layer,)
    assert sensitivity_table(graph.name, costs).count("\n| ") == len(costs) + 2


def test_a_quantized_file_comes_back(
    graph: Graph, batches: Batches, tmp_path: Path
) -> None:
    """Tensors, scheme and source; another checkpoint is refused."""
    net = net_of(graph)
    checkpoint = tmp_path / "float"
    checkpoint.write_bytes(b"weights")
    scheme = replace(PER_CHANNEL, fine_layers=(quantized_layers(net, graph.name)[0],))
    changed = quantize_trained(net, graph.name, scheme, batches)
    file = QuantizedFile(
        graph.name, scheme, file_digest(checkpoint), changed.state_dict()
    )
    save_quantized(tmp_path / "q", file)
    back = load_quantized(tmp_path / "q")
    assert back.scheme == scheme
    again = back.network(net, checkpoint, "cpu-int8")
    assert max(output_deviations(changed, again, batches).values()) < 1e-6
    checkpoint.write_bytes(b"others")
    with pytest.raises(DataError, match="not the checkpoint that was quantized"):
        back.network(net, checkpoint, "cpu-int8")


def test_bad_calibration_is_refused() -> None:
    """Nothing, and NaN."""
    with pytest.raises(DataError, match="got no items"):
        Batches(())
    with pytest.raises(DataError, match="batch 0 holds NaN"):
        Batches(((torch.full((1, 1, 56, 56), float("nan")),),))


def test_bad_schemes_are_refused() -> None:
    """Unknown names, widths and layers, each with what is expected."""
    with pytest.raises(ConfigError, match="W8A8_PER_CHANNEL"):
        scheme_named("INT8")
    with pytest.raises(ConfigError, match="expected 4 or 8"):
        Scheme("x", weight_bits=3)
    net = FaceNet(FaceConfig(widths=(2, 2, 2, 2), blocks=(0, 0, 0)))
    with pytest.raises(ConfigError, match=r"got the layer '9\.9'"):
        quantized(net, "face", Scheme("x", float_layers=("9.9",)), "cpu-int8")
    with pytest.raises(ConfigError, match="expected one of cpu-int8"):
        quantized(net, "face", PER_CHANNEL, "cpu-fp32")


def test_a_norm_without_a_convolution_is_named() -> None:
    """It cannot be merged, and would be slow unmerged."""
    net = FaceNet(FaceConfig(widths=(2, 2, 2, 2), blocks=(0, 0, 0)))
    net.features.append(nn.BatchNorm2d(2))
    net.features.append(nn.ReLU())
    net.features.insert(0, nn.BatchNorm2d(1))
    with pytest.raises(DataError, match="a BatchNorm is left"):
        quantized(net.eval(), "face", PER_CHANNEL, "cpu-int8")


def test_an_unsupported_layer_is_named_with_its_mend() -> None:
    """It would stay float between bytes, or fail deep inside of Brevitas."""
    net = FaceNet(FaceConfig(widths=(2, 2, 2, 2), blocks=(0, 0, 0)))
    net.features.append(nn.Sequential(nn.PReLU()))
    with pytest.raises(DataError, match=r"layer 4\.0: PReLU cannot .* replace it"):
        quantized(net.eval(), "face", PER_CHANNEL, "cpu-int8")


def test_check_rules_refuses_what_is_no_graph(tmp_path: Path) -> None:
    """One line that names the file."""
    (tmp_path / "g.onnx").write_bytes(b"not a graph")
    with pytest.raises(DataError, match=r"g\.onnx: not a"):
        check_rules(tmp_path / "g.onnx", "trt-int8")
    with pytest.raises(ConfigError, match="trt-int4"):
        check_rules(tmp_path / "g.onnx", "trt-int4")
