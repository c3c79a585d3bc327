"""What each command of ``python -m quantize`` does; each returns what it tells."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from edge_affect.errors import DataError, UsageError
from quantize.export import export_graph
from quantize.graphs import GRAPHS, LOADERS, Graph
from quantize.material import BATCHES, Batches, affect_batches
from quantize.measure import face_measure
from quantize.outputs import output_deviations
from quantize.parity import check_parity
from quantize.ptq import quantize_trained
from quantize.qat import QatConfig, tune_quantized
from quantize.quantizers import INT8_TARGETS
from quantize.rules import check_rules
from quantize.schemes import scheme_named
from quantize.sensitivity import layer_costs, mixed_scheme, sensitivity_table
from quantize.store import QuantizedFile, file_digest, load_quantized, save_quantized
from training.models.face import FaceNet
from training.models.voice import VoiceNet

MIXED_MOST = 0.05
"""Largest deviation that a layer may cost at 4 bits in the scheme MIXED."""


def ptq(arguments: Namespace) -> dict[str, Any]:
    """Quantize a checkpoint without training."""
    net, batches = _trained(arguments)
    scheme = scheme_named(arguments.scheme)
    quantized = quantize_trained(net, arguments.graph, scheme, batches)
    return _keep(arguments, net, quantized, batches, scheme.name)


def qat(arguments: Namespace) -> dict[str, Any]:
    """Quantize a checkpoint, then train it to say what the float network says."""
    net, batches = _trained(arguments)
    scheme = scheme_named(arguments.scheme)
    quantized = quantize_trained(net, arguments.graph, scheme, batches)
    config = QatConfig(steps=arguments.steps)
    tune_quantized(net, quantized, batches, config)
    return _keep(arguments, net, quantized, batches, scheme.name)


def _keep(
    arguments: Namespace,
    net: nn.Module,
    quantized: nn.Module,
    batches: Batches,
    scheme: str,
) -> dict[str, Any]:
    source = file_digest(arguments.checkpoint)
    file = QuantizedFile(
        arguments.graph, scheme_named(scheme), source, quantized.state_dict()
    )
    save_quantized(arguments.out, file)
    return {
        "graph": arguments.graph,
        "scheme": scheme,
        "file": str(arguments.out),
        "deviations": output_deviations(net, quantized, batches),
    }


def export(arguments: Namespace) -> dict[str, Any]:
    """Write a graph for a target and compare it with torch."""
    graph = _graph_for(arguments)
    target = arguments.target
    path = arguments.out / f"{arguments.graph}.{target}.onnx"
    export_graph(graph, path, target)
    return {"file": str(path), "bytes": path.stat().st_size} | _told(
        graph, path, target, arguments.graph
    )


def parity(arguments: Namespace) -> dict[str, Any]:
    """Compare a graph that is there with torch."""
    graph = _graph_for(arguments)
    return _told(
        graph, arguments.file, arguments.target, arguments.graph, arguments.steps
    )


def _told(
    graph: Graph, path: Path, target: str, name: str, steps: int = 200
) -> dict[str, Any]:
    found = check_parity(graph, path, target, steps)
    return {
        "graph": name,
        "target": target,
        "steps": found.steps,
        "largest_difference": found.largest,
        "difference_at": found.where,
        "mean_share": found.mean_share,
        "flipped": found.flipped,
    }


def check(arguments: Namespace) -> dict[str, Any]:
    """Prove the rules of a target on a file."""
    check_rules(arguments.file, arguments.target)
    return {"file": str(arguments.file), "target": arguments.target, "keeps": True}


def sensitivity(arguments: Namespace) -> dict[str, Any]:
    """Measure what each layer costs; write the table beside the figures."""
    net, batches = _trained(arguments)
    is_face = arguments.graph == "face"
    measure = face_measure(arguments.data) if is_face else None
    costs = layer_costs(net, arguments.graph, batches, measure)
    document = {
        "graph": arguments.graph,
        "checkpoint": file_digest(arguments.checkpoint),
        "costs": [asdict(cost) for cost in costs],
        "mixed": asdict(mixed_scheme(costs, MIXED_MOST)),
    }
    partial = arguments.out.with_name(arguments.out.name + ".partial")
    try:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        partial.replace(arguments.out)
    except OSError as error:
        raise DataError(f"{arguments.out}: cannot be written ({error})") from error
    return {
        "file": str(arguments.out),
        "table": sensitivity_table(arguments.graph, costs),
    }


def _trained(arguments: Namespace) -> tuple[nn.Module, Batches]:
    net = _net(arguments.graph, arguments.checkpoint)
    if arguments.graph != "affect":
        return net, BATCHES[arguments.graph](arguments.data, net)
    if arguments.face is None or arguments.voice is None:
        raise UsageError(
            "affect: got no --face or no --voice; expected the checkpoints of both "
            "networks, whose embeddings it takes"
        )
    face, voice = _net("face", arguments.face), _net("voice", arguments.voice)
    if not isinstance(face, FaceNet) or not isinstance(voice, VoiceNet):
        raise TypeError("LOADERS gave other networks than their names say")
    return net, affect_batches(arguments.data, net, face, voice)


def _net(graph: str, checkpoint: Path) -> nn.Module:
    # Weights kept in half floats are spread out again: ranges are taken of floats.
    return LOADERS[graph](checkpoint).float()


def _graph_for(arguments: Namespace) -> Graph:
    net = _net(arguments.graph, arguments.checkpoint)
    if arguments.target not in INT8_TARGETS:
        return GRAPHS[arguments.graph](net)
    if arguments.quantized is None:
        raise UsageError(
            f"--target {arguments.target}: got no --quantized, expected a file made by "
            "python -m quantize ptq or qat"
        )
    file = load_quantized(arguments.quantized)
    if file.graph != arguments.graph:
        raise UsageError(
            f"{arguments.quantized}: holds the {file.graph} network, expected "
            f"{arguments.graph}"
        )
    changed = file.network(net, arguments.checkpoint, arguments.target)
    return GRAPHS[arguments.graph](changed)
