"""Turn a Keras file of a small picture network into ONNX, without TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.errors import DataError, missing_dependency

if TYPE_CHECKING:
    from onnx import NodeProto

OPSET, IR_VERSION = 13, 7
"""Old enough for every engine that a peer may be run by."""
OUTPUT = "output"
"""Name of the graph's one output."""

Weights = Mapping[str, NDArray[np.float32]]
"""Kind of weight, as Keras names it (``kernel``), → its values."""
Pair = tuple[int, int]


def onnx_from_keras(path: Path) -> bytes:
    """Return the graph of a whole model that Keras 2 saved: NCHW, batch 1.

    Raises:
        DataError: It cannot be read, or has a layer that is not known here.
        MissingDependencyError: h5py or onnx is not installed.
    """
    try:
        import h5py
        import onnx
    except ImportError as error:
        raise missing_dependency("h5py", "train", "a Keras file") from error
    try:
        with h5py.File(path) as file:
            layers = json.loads(file.attrs["model_config"])["config"]["layers"]
            stored = file["model_weights"]
            maker = _Maker()
            for layer in layers:
                maker.add(layer, _weights(stored[layer["name"]]))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); expected a model that Keras 2 saved"
        ) from error
    model = onnx.helper.make_model(
        maker.graph(),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    # OpenCV wants the shape of the output too.
    content: bytes = onnx.shape_inference.infer_shapes(model).SerializeToString()
    return content


def _weights(group: Any) -> Weights:
    found: dict[str, NDArray[np.float32]] = {}

    def keep(name: str, item: Any) -> None:
        if hasattr(item, "shape"):
            kind = name.rsplit("/", 1)[-1].partition(":")[0]
            found[kind] = np.asarray(item, np.float32)

    group.visititems(keep)
    return found


class _Maker:
    """Adds layer by layer; a layer's output has its name."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: list[Any] = []
        self._sizes: dict[str, Pair] = {}
        self._input: Any = None
        self._last = ""

    def add(self, layer: Mapping[str, Any], weights: Weights) -> None:
        kind, config = layer["class_name"], layer["config"]
        name = config["name"]
        given = [entry[0] for node in layer["inbound_nodes"] for entry in node]
        add = getattr(self, f"_{kind.lower()}", None)
        if add is None:
            raise ValueError(f"the layer {name} is a {kind}")
        if config.get("activation", "linear") != "linear" and kind != "Activation":
            raise ValueError(f"the layer {name} has an activation inside")
        if given:
            self._sizes[name] = self._sizes[given[0]]
        add(name, given, config, weights)
        self._last = name

    def graph(self) -> Any:
        from onnx import TensorProto, helper

        self._node("Identity", [self._last], OUTPUT)
        told = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, None)
        return helper.make_graph(
            self._nodes, "keras", [self._input], [told], self._constants
        )

    def _node(self, kind: str, given: list[str], out: str, **settings: Any) -> None:
        from onnx import helper

        self._nodes.append(helper.make_node(kind, given, [out], **settings))

    def _constant(self, name: str, values: NDArray[np.float32]) -> str:
        from onnx import numpy_helper

        self._constants.append(
            numpy_helper.from_array(np.ascontiguousarray(values), name)
        )
        return name

    def _inputlayer(self, name: str, _: Any, config: Any, __: Weights) -> None:
        from onnx import TensorProto, helper

        _, high, wide, channels = config["batch_input_shape"]
        self._sizes[name] = high, wide
        shape = [1, channels, high, wide]
        self._input = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    def _conv2d(self, name: str, given: Any, config: Any, weights: Weights) -> None:
        kernel = weights["kernel"].transpose(3, 2, 0, 1)
        read = [*given, self._constant(f"{name}.kernel", kernel)]
        if "bias" in weights:
            read.append(self._constant(f"{name}.bias", weights["bias"]))
        self._node("Conv", read, name, **self._laid(name, config))

    def _separableconv2d(
        self, name: str, given: Any, config: Any, weights: Weights
    ) -> None:
        # Of Keras' (H, W, C, 1) each channel's own kernel: (C, 1, H, W).
        deep = weights["depthwise_kernel"].transpose(2, 3, 0, 1)
        between = f"{name}.depthwise"
        read = [*given, self._constant(f"{name}.depthwise_kernel", deep)]
        laid = self._laid(name, config)
        self._node("Conv", read, between, group=len(deep), **laid)
        across = weights["pointwise_kernel"].transpose(3, 2, 0, 1)
        read = [between, self._constant(f"{name}.pointwise_kernel", across)]
        if "bias" in weights:
            read.append(self._constant(f"{name}.bias", weights["bias"]))
        self._node("Conv", read, name)

    def _maxpooling2d(self, name: str, given: Any, config: Any, _: Weights) -> None:
        laid = self._laid(name, config | {"kernel_size": config["pool_size"]})
        self._node("MaxPool", given, name, **laid)

    def _laid(self, name: str, config: Any) -> dict[str, list[int]]:
        """Return kernel, strides and pads; Keras pads more at the end of an axis."""
        pads, sizes = [], []
        kernel, strides = config["kernel_size"], config["strides"]
        for size, reach, step in zip(self._sizes[name], kernel, strides, strict=True):
            same = config["padding"] == "same"
            out = -(-size // step) if same else (size - reach) // step + 1
            pad = max(0, (out - 1) * step + reach - size) if same else 0
            pads.append((pad // 2, pad - pad // 2))
            sizes.append(out)
        self._sizes[name] = sizes[0], sizes[1]
        ends = [pad[side] for side in (0, 1) for pad in pads]
        return {"kernel_shape": list(kernel), "strides": list(strides), "pads": ends}

    def _batchnormalization(
        self, name: str, given: Any, config: Any, weights: Weights
    ) -> None:
        kinds = ("gamma", "beta", "moving_mean", "moving_variance")
        read = [self._constant(f"{name}.{kind}", weights[kind]) for kind in kinds]
        epsilon = config["epsilon"]
        self._node("BatchNormalization", [*given, *read], name, epsilon=epsilon)

    def _activation(self, name: str, given: Any, config: Any, _: Weights) -> None:
        kinds = {"relu": "Relu", "softmax": "Softmax"}
        kind = kinds[config["activation"]]
        self._node(kind, given, name, **({"axis": 1} if kind == "Softmax" else {}))

    def _add(self, name: str, given: Any, _: Any, __: Weights) -> None:
        self._node("Add", given, name)

    def _globalaveragepooling2d(
        self, name: str, given: Any, _: Any, __: Weights
    ) -> None:
        self._node("GlobalAveragePool", given, f"{name}.pooled")
        self._node("Flatten", [f"{name}.pooled"], name)
