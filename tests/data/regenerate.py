"""Make the tiny graphs and the tiny bundle that tests run; needs the package onnx.

From the checkout's root: ``python tests/data/regenerate.py``. Seeded: the same files
come out every time. Weights are random, so the estimates mean nothing.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

HERE = Path(__file__).resolve().parent
SEED = 7
HIDDEN = 12
"""Length of the recurrent state."""
EXPRESSIONS = (
    "neutral",
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
    "contempt",
)
EMOTIONS = (
    "neutral",
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "boredom",
)
Shapes = dict[str, tuple[int, ...]]


class Builder:
    """Collects the nodes and weights of one graph."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._random = np.random.default_rng([SEED, *name.encode()])
        self._nodes: list[NodeProto] = []
        self._weights: list[TensorProto] = []

    def constant(self, name: str, value: NDArray[np.float32]) -> str:
        """Add a weight."""
        self._weights.append(numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **extra: Any) -> str:
        """Add an operator with one output."""
        self._nodes.append(helper.make_node(kind, list(inputs), [output], **extra))
        return output

    def linear(self, source: str, inputs: int, outputs: int, output: str) -> str:
        """Add a matrix product with random weights."""
        scale = 1 / np.sqrt(inputs)
        weights = self._random.normal(0, scale, (inputs, outputs)).astype(np.float32)
        return self.node(
            "MatMul", (source, self.constant(f"{output}_w", weights)), output
        )

    def model(
        self, inputs: Shapes, outputs: Shapes, kind: int = TensorProto.FLOAT
    ) -> ModelProto:
        """Close the graph and check it."""
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [helper.make_tensor_value_info(n, kind, s) for n, s in inputs.items()],
            [helper.make_tensor_value_info(n, kind, s) for n, s in outputs.items()],
            self._weights,
        )
        opset = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8)
        checker.check_model(model)
        return model


def face() -> ModelProto:
    """Return a face graph that sees the mean colour of four quarters."""
    build = Builder("face")
    build.constant("scale", np.array([1 / 255], np.float32))
    build.node("Mul", ("image", "scale"), "shares")
    build.node(
        "AveragePool", ("shares",), "pooled", kernel_shape=[56, 56], strides=[56, 56]
    )
    build.node("Flatten", ("pooled",), "flat")
    build.linear("flat", 12, 64, "embedding")
    build.linear("embedding", 64, len(EXPRESSIONS), "expression")
    for name in ("valence", "arousal"):
        build.node("Tanh", (build.linear("embedding", 64, 1, f"{name}_raw"),), name)
    outputs = {"embedding": (1, 64), "expression": (1, 8)}
    return build.model(
        {"image": (1, 3, 112, 112)}, {**outputs, "valence": (1, 1), "arousal": (1, 1)}
    )


def voice() -> ModelProto:
    """Return a voice graph that remembers mean spectra."""
    build = Builder("voice")
    build.node("ReduceMean", ("mel",), "mean", axes=[1], keepdims=0)
    build.linear("mean", 64, HIDDEN, "from_mel")
    build.linear("state_hidden", HIDDEN, HIDDEN, "from_state")
    build.node("Add", ("from_mel", "from_state"), "sum")
    build.node("Tanh", ("sum",), "next_state_hidden")
    build.linear("next_state_hidden", HIDDEN, 32, "embedding")
    build.linear("next_state_hidden", HIDDEN, len(EMOTIONS), "emotion")
    build.node(
        "Sigmoid", (build.linear("next_state_hidden", HIDDEN, 1, "raw"),), "speech"
    )
    outputs = {"embedding": (1, 32), "speech": (1, 1), "emotion": (1, 7)}
    return build.model(
        {"mel": (1, 10, 64), "state_hidden": (1, HIDDEN)},
        {**outputs, "next_state_hidden": (1, HIDDEN)},
    )


def affect() -> ModelProto:
    """Return an affect graph in which a masked modality has no influence."""
    build = Builder("affect")
    for side in ("face", "voice"):
        valid = f"{side}_valid"
        build.node("Mul", (f"{side}_embedding", valid), f"{side}_masked")
        build.node("Mul", (f"{side}_age", valid), f"{side}_aged")
    parts = [f"{s}_{n}" for s in ("face", "voice") for n in ("masked", "valid", "aged")]
    build.node("Concat", parts, "seen", axis=1)
    build.linear("seen", 64 + 32 + 4, HIDDEN, "from_seen")
    build.linear("state_hidden", HIDDEN, HIDDEN, "from_state")
    build.node("Add", ("from_seen", "from_state"), "sum")
    build.node("Tanh", ("sum",), "next_state_hidden")
    outputs: Shapes = {}
    for name in ("valence", "arousal"):
        for suffix, kind in (("", "Tanh"), ("_std", "Softplus"), ("_ahead", "Tanh")):
            raw = build.linear("next_state_hidden", HIDDEN, 1, f"{name}{suffix}_raw")
            outputs[build.node(kind, (raw,), f"{name}{suffix}")] = (1, 1)
    build.linear("next_state_hidden", HIDDEN, len(EXPRESSIONS), "expression")
    outputs |= {"expression": (1, 8), "next_state_hidden": (1, HIDDEN)}
    inputs: Shapes = {"face_embedding": (1, 64), "voice_embedding": (1, 32)}
    for name in ("face_valid", "voice_valid", "face_age", "voice_age"):
        inputs[name] = (1, 1)
    return build.model({**inputs, "state_hidden": (1, HIDDEN)}, outputs)


def counter(shape: tuple[object, ...] = (1, 2), kind: int = TensorProto.FLOAT) -> bytes:
    """Return a graph that adds up its input in its state."""
    build = Builder("counter")
    build.node("Add", ("x", "state_sum"), "next_state_sum")
    build.node("Identity", ("next_state_sum",), "y")
    sizes: Shapes = {"x": shape, "state_sum": shape}  # type: ignore[dict-item]  # a name
    model = build.model(sizes, {"y": sizes["x"], "next_state_sum": sizes["x"]}, kind)
    return bytes(model.SerializeToString(deterministic=True))


def unpaired() -> ModelProto:
    """Return a graph whose state never advances."""
    build = Builder("unpaired")
    build.node("Add", ("x", "state_sum"), "y")
    return build.model({"x": (1, 2), "state_sum": (1, 2)}, {"y": (1, 2)})


def hidden() -> ModelProto:
    """Return a graph that adds up in its state and shows its input alone."""
    build = Builder("hidden")
    build.node("Add", ("x", "state_sum"), "next_state_sum")
    build.node("Identity", ("x",), "y")
    shapes: Shapes = {"x": (1, 2), "state_sum": (1, 2)}
    return build.model(shapes, {"y": (1, 2), "next_state_sum": (1, 2)})


def picky() -> ModelProto:
    """Return a graph that fails when its input is no index of two places."""
    build = Builder("picky")
    build.constant("table", np.array([[1], [2]], np.float32))
    build.node("Cast", ("x",), "index", to=TensorProto.INT64)
    build.node("Gather", ("table", "index"), "y", axis=0)
    return build.model({"x": (1,)}, {"y": (1, 1)})


def card() -> dict[str, object]:
    """Return what the tiny bundle's manifest says besides its graphs."""
    nobody = "nobody: random weights for tests"
    return {
        "licence": "Apache-2.0",
        "default_target": "cpu-fp32",
        "heads": {
            "expression": {"labels": EXPRESSIONS, "taught_by": nobody},
            "valence": {"taught_by": nobody},
            "arousal": {"taught_by": nobody},
            "voice_emotion": {"labels": EMOTIONS, "taught_by": nobody},
            "speech": {"taught_by": nobody},
        },
        "timing": {
            "cell_hz": [30, 1],
            "voice_hop_ms": 100,
            "voice_lag_ms": 100,
            "ahead_ms": 333,
        },
        "ranges": {"valence": [-1, 1], "arousal": [-1, 1]},
        "validity": {"yaw_deg": 30, "pitch_deg": 20, "spectra": ["visible"]},
        "temperatures": {"face": 1.0},
        "training": [],
    }


def main() -> None:
    """Write everything anew."""
    from deploy.pack import PackSettings, pack

    graphs = HERE / "graphs"
    graphs.mkdir(exist_ok=True)
    made = {
        "counter": counter(),
        "dynamic": counter(("N", 2)),
        "doubles": counter(kind=TensorProto.DOUBLE),
        "hidden": hidden().SerializeToString(deterministic=True),
        "unpaired": unpaired().SerializeToString(deterministic=True),
        "picky": picky().SerializeToString(deterministic=True),
    }
    for name, content in made.items():
        (graphs / f"{name}.onnx").write_bytes(content)
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder)
        for name, model in (("face", face()), ("voice", voice()), ("affect", affect())):
            content = model.SerializeToString(deterministic=True)
            (export / f"{name}.cpu-fp32.onnx").write_bytes(content)
        (export / "card.json").write_text(json.dumps(card()), encoding="utf-8")
        # Golden outputs differ in their last bits from one processor to the next.
        out = HERE / "tiny_bundle"
        pack(PackSettings(export, out, "tiny", "0.0.1", golden=False))


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parents[1]))
    main()
