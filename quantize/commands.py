"""What each command of ``python -m quantize`` does; each returns what it tells."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edge_affect.errors import UsageError
from quantize.drift import DriftConfig, drift_table, measure_drift
from quantize.export import export_graph
from quantize.graphs import GRAPHS, HEADS, LOADERS, Graph
from quantize.material import (
    BATCHES,
    Batches,
    affect_batches,
    embeddings,
    voice_batches,
)
from quantize.measure import MEASURES
from quantize.outputs import output_deviations
from quantize.parity import STEPS, check_parity
from quantize.plot import sensitivity_plot
from quantize.ptq import quantize_trained
from quantize.qat import QatConfig, tune_quantized
from quantize.quantizers import INT8_TARGETS
from quantize.rules import check_rules
from quantize.schemes import Scheme, scheme_named
from quantize.sensitivity import layer_costs, mixed_scheme, sensitivity_table
from quantize.store import (
    QuantizedFile,
    check_writable,
    file_digest,
    load_quantized,
    save_quantized,
    save_text,
)
from quantize.streams import Material, affect_material, voice_material
from training.models.face import FaceNet
from training.models.voice import VoiceNet
from training.provenance import machine_info, source_commit

MIXED_MOST = 0.05
"""Largest deviation that a layer may cost at 4 bits in the scheme MIXED."""
DRIFT_SEED = 0
"""Seed of the stream that drift is measured on."""


def ptq(arguments: Namespace) -> dict[str, Any]:
    """Quantize a checkpoint without training."""
    scheme = scheme_named(arguments.scheme)
    check_writable(arguments.out)
    net, batches = _trained(arguments)
    quantized = quantize_trained(net, arguments.graph, scheme, batches)
    return _keep(arguments, net, quantized, batches, scheme)


def qat(arguments: Namespace) -> dict[str, Any]:
    """Quantize a checkpoint, then train it to say what the float network says."""
    scheme = scheme_named(arguments.scheme)
    check_writable(arguments.out)
    net, batches = _trained(arguments)
    quantized = quantize_trained(net, arguments.graph, scheme, batches)
    config = QatConfig(steps=arguments.steps)
    tune_quantized(net, quantized, batches, config)
    return _keep(arguments, net, quantized, batches, scheme)


def _keep(
    arguments: Namespace,
    net: nn.Module,
    quantized: nn.Module,
    batches: Batches,
    scheme: Scheme,
) -> dict[str, Any]:
    source = file_digest(arguments.checkpoint)
    file = QuantizedFile(arguments.graph, scheme, source, quantized.state_dict())
    save_quantized(arguments.out, file)
    return {
        "graph": arguments.graph,
        "scheme": scheme.name,
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
    graph: Graph, path: Path, target: str, name: str, steps: int = STEPS
) -> dict[str, Any]:
    found = check_parity(graph, path, target, steps)
    return {
        "graph": name,
        "target": target,
        "commit": source_commit(),
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
    """Measure what each layer costs; write the figures, and a plot if wanted."""
    for path in (arguments.out, arguments.plot):
        if path is not None:
            check_writable(path)
    net, batches = _trained(arguments)
    measured = MEASURES.get(arguments.graph)
    measure = None if measured is None else measured(arguments.data)
    costs = layer_costs(net, arguments.graph, batches, measure)
    document = _provenance(arguments) | {
        "costs": [asdict(cost) for cost in costs],
        "mixed": asdict(mixed_scheme(costs, MIXED_MOST)),
    }
    save_text(arguments.out, json.dumps(document, indent=1) + "\n")
    told = {"file": str(arguments.out)}
    if arguments.plot is not None:
        save_text(arguments.plot, sensitivity_plot(arguments.graph, costs, MIXED_MOST))
        told["plot"] = str(arguments.plot)
    return told | {"table": sensitivity_table(arguments.graph, costs)}


def drift(arguments: Namespace) -> dict[str, Any]:
    """Run a graph beside the float network for a long time; write how far it drifts."""
    check_writable(arguments.out)
    net = _net(arguments.graph, arguments.checkpoint)
    graph = GRAPHS[arguments.graph](net)
    found = measure_drift(
        graph,
        arguments.file,
        _stream(arguments, net),
        DriftConfig(steps=arguments.steps),
    )
    document = _provenance(arguments) | {
        "file": file_digest(arguments.file),
        "seed": DRIFT_SEED,
        **asdict(found),
    }
    save_text(arguments.out, json.dumps(document, indent=1) + "\n")
    return {
        "file": str(arguments.out),
        "table": drift_table(arguments.graph, found),
    }


def _provenance(arguments: Namespace) -> dict[str, Any]:
    """Say what made a result file, where and of what."""
    return {
        "command": f"python -m quantize {arguments.command} {arguments.graph}",
        "commit": source_commit(),
        "machine": machine_info(),
        "graph": arguments.graph,
        "checkpoint": file_digest(arguments.checkpoint),
    }


def _stream(arguments: Namespace, net: nn.Module) -> Material:
    if arguments.graph == "affect":
        faces, voices = embeddings(arguments.data, *_taken(arguments))
        return affect_material(faces.numpy(), voices.numpy(), DRIFT_SEED)
    clips = [call[0] for call in voice_batches(arguments.data, net).calls]
    return voice_material(torch.cat(clips).numpy(), DRIFT_SEED)


def _trained(arguments: Namespace) -> tuple[nn.Module, Batches]:
    net = _net(arguments.graph, arguments.checkpoint)
    if arguments.graph != "affect":
        return net, BATCHES[arguments.graph](arguments.data, net)
    return net, affect_batches(arguments.data, net, *_taken(arguments))


def _taken(arguments: Namespace) -> tuple[FaceNet, VoiceNet]:
    """Load the networks whose embeddings the affect network takes."""
    if arguments.face is None or arguments.voice is None:
        raise UsageError(
            "affect: got no --face or no --voice; expected the checkpoints of both "
            "networks, whose embeddings it takes"
        )
    face, voice = _net("face", arguments.face), _net("voice", arguments.voice)
    if not isinstance(face, FaceNet) or not isinstance(voice, VoiceNet):
        raise TypeError("LOADERS gave other networks than their names say")
    return face, voice


def _net(graph: str, checkpoint: Path) -> nn.Module:
    # Weights kept in half floats are spread out again: ranges are taken of floats.
    return LOADERS[graph](checkpoint).float()


def _graph_for(arguments: Namespace) -> Graph:
    net = _net(arguments.graph, arguments.checkpoint)
    if arguments.target in INT8_TARGETS:
        net = _quantized(arguments, net)
    elif arguments.quantized is not None:
        raise UsageError(
            f"--quantized: of no use for --target {arguments.target}, which is float; "
            f"expected one of {', '.join(INT8_TARGETS)}"
        )
    return HEADS[arguments.heads](GRAPHS[arguments.graph](net))


def _quantized(arguments: Namespace, net: nn.Module) -> nn.Module:
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
    return file.network(net, arguments.checkpoint, arguments.target)
