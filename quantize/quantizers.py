"""Put Brevitas' quantizers into a network, as a scheme and a target ask for.

One network serves both kinds of target. ``cpu-int8`` holds what a ReLU lets through in
unsigned bytes and adds 32-bit biases, which ONNX Runtime fuses; ``trt-int8`` is
symmetric everywhere and leaves biases float, which TensorRT demands. Both have the same
weights and thresholds under the same names: one state dictionary fits either.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, replace
from typing import Any

import brevitas.nn as qnn
from brevitas.graph.quantize import (
    layerwise_quantize,
    preprocess_for_quantize,
    quantize,
)
from brevitas.nn.utils import merge_bn
from brevitas.quant import scaled_int
from torch import Tensor, nn

from edge_affect.errors import ConfigError, DataError
from quantize.schemes import Scheme

INT8_TARGETS = ("cpu-int8", "trt-int8")
"""Targets whose graphs hold int8 weights."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where a network may be quantized."""

    trunk: str | None = None
    """Feed-forward part that is quantized as a whole, with the sums in it."""
    signed: tuple[str, ...] = ()
    """Single layers whose input has both signs."""
    unsigned: tuple[str, ...] = ()
    """Single layers whose input comes out of a ReLU."""
    norms: tuple[tuple[str, str], ...] = ()
    """Convolutions and the BatchNorm that follows, to be merged."""
    statistic: str = "percentile"
    """What ranges are taken from where a scheme does not say, of ``STATISTICS``."""


PLACES = {
    # A face is one cell among a thousand: a percentile would cut its score off.
    "locator": Places(trunk="features", statistic="maximum"),
    "face": Places(trunk="features"),
    "voice": Places(
        signed=("first",),
        unsigned=("second", "squeeze"),
        norms=(("first", "first_norm"), ("second", "second_norm")),
    ),
    # Memory, gates and heads stay float: what they would save is a microsecond.
    "affect": Places(unsigned=("face", "voice")),
}
"""Graph → where its network is quantized. State tensors are nowhere among them."""


class Trunk(nn.Module):
    """A quantized part that hands plain floats on."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Run the part on floats; return floats, as many as the part gives."""
        out = self.graph(x)
        if isinstance(out, list | tuple) and not hasattr(out, "value"):
            return tuple(_plain(one) for one in out)
        return _plain(out)


def _plain(out: Any) -> Tensor:
    plain: Tensor = out if isinstance(out, Tensor) else out.value
    return plain


def quantized(net: nn.Module, graph: str, scheme: Scheme, target: str) -> nn.Module:
    """Return a copy of ``net`` with quantizers in it; the thresholds are not known yet.

    Args:
        net: A float network in evaluation mode.
        graph: Which one, a key of ``PLACES``.
        scheme: How finely.
        target: One of ``INT8_TARGETS``.

    Raises:
        ConfigError: The target is none of them, or the scheme names a layer that is not
            there.
        DataError: A layer cannot be quantized, or a BatchNorm is left.
    """
    if target not in INT8_TARGETS:
        raise ConfigError(
            f"target: got {target!r}, expected one of {', '.join(INT8_TARGETS)}"
        )
    places = PLACES[graph]
    scheme = replace(scheme, statistic=scheme.statistic or places.statistic)
    changed = copy.deepcopy(net).eval()
    _check_kinds(changed, places)
    _check_layers(changed, places, scheme)
    for layer, norm in places.norms:
        merge_bn(getattr(changed, layer), getattr(changed, norm))
        setattr(changed, norm, nn.Identity())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a kernel package that only speeds LLMs up
        if places.trunk is not None:
            part = getattr(changed, places.trunk)
            setattr(changed, places.trunk, Trunk(_whole(part, scheme, target)))
        else:
            changed = _single(changed, places, scheme, target)
    return changed


def quantized_layers(net: nn.Module, graph: str) -> list[str]:
    """Return the names of the layers that a scheme may speak of."""
    places = PLACES[graph]
    if places.trunk is None:
        return [*places.signed, *places.unsigned]
    part = net.get_submodule(places.trunk)
    kinds = (nn.Conv2d, nn.Linear)
    return [name for name, module in part.named_modules() if isinstance(module, kinds)]


def _check_kinds(net: nn.Module, places: Places) -> None:
    """Refuse a layer that would stay float in the middle of bytes, or would fail."""
    allowed: tuple[type[nn.Module], ...] = (nn.Conv2d, nn.Linear)
    layers = {name: net.get_submodule(name) for name in places.signed + places.unsigned}
    if places.trunk is not None:
        allowed += (nn.BatchNorm2d, nn.ReLU, nn.Upsample)
        inside = net.get_submodule(places.trunk).named_modules()
        layers |= {name: layer for name, layer in inside if not [*layer.children()]}
    for name, layer in layers.items():
        if not isinstance(layer, allowed):
            expected = ", ".join(kind.__name__ for kind in allowed)
            raise DataError(
                f"layer {name}: {type(layer).__name__} cannot be quantized, expected "
                f"one of {expected}; replace it, or move it out of what is quantized"
            )


def _check_layers(net: nn.Module, places: Places, scheme: Scheme) -> None:
    graph = next(name for name, known in PLACES.items() if known is places)
    known = quantized_layers(net, graph)
    for layer in (*scheme.fine_layers, *scheme.float_layers):
        if layer not in known:
            raise ConfigError(
                f"{scheme.name}: got the layer {layer!r}, "
                f"expected some of {', '.join(known)}"
            )


def _whole(part: nn.Module, scheme: Scheme, target: str) -> nn.Module:
    merged = preprocess_for_quantize(part, equalize_iters=scheme.equalise_passes)
    for name, module in merged.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            raise DataError(
                f"layer {name}: a BatchNorm is left that no convolution takes up; put "
                "it right behind one"
            )
    activation = _activation(scheme, target, signed=False)
    graph: nn.Module = quantize(
        merged,
        compute_layer_map={
            nn.Conv2d: (qnn.QuantConv2d, _weights(scheme, target, tensors=True)),
            nn.Linear: (qnn.QuantLinear, _weights(scheme, target, tensors=True)),
        },
        quant_act_map={
            nn.ReLU: (
                qnn.QuantReLU,
                {"act_quant": activation, "return_quant_tensor": True},
            )
        },
        quant_identity_map={
            "signed": _identity(_activation(scheme, target, signed=True)),
            "unsigned": _identity(activation),
        },
    )
    return graph


def _identity(quantizer: Any) -> tuple[Any, dict[str, Any]]:
    return qnn.QuantIdentity, {"act_quant": quantizer, "return_quant_tensor": True}


def _single(net: nn.Module, places: Places, scheme: Scheme, target: str) -> nn.Module:
    signed, unsigned = (
        _activation(scheme, target, signed=sign) for sign in (True, False)
    )
    settings = {
        **_weights(scheme, target, tensors=False),
        "input_quant": lambda _, name: signed if name in places.signed else unsigned,
    }
    chosen = {*places.signed, *places.unsigned}
    left = [name for name, _ in net.named_modules() if name and name not in chosen]
    out: nn.Module = layerwise_quantize(
        net,
        compute_layer_map={
            nn.Conv2d: (qnn.QuantConv2d, settings),
            nn.Linear: (qnn.QuantLinear, settings),
        },
        name_blacklist=left,
    )
    return out


def _weights(scheme: Scheme, target: str, *, tensors: bool) -> dict[str, Any]:
    fine = (
        scaled_int.Int8WeightPerChannelFloat
        if scheme.per_channel
        else scaled_int.Int8WeightPerTensorFloat
    )
    bias = scaled_int.Int32Bias if target == "cpu-int8" else None
    # Brevitas asks functions of (module, name), and only lambdas, for what differs
    # from layer to layer.
    return {
        "weight_quant": lambda _, name: fine if scheme.bits_of(name) else None,
        "weight_bit_width": lambda _, name: scheme.bits_of(name) or 8,
        "bias_quant": lambda _, name: bias if scheme.bits_of(name) else None,
        "return_quant_tensor": lambda _, name: tensors and bool(scheme.bits_of(name)),
    }


def _activation(scheme: Scheme, target: str, *, signed: bool) -> Any:
    suffix = "MSE" if scheme.statistic == "mse" else ""
    sign = "Int8" if signed or target == "trt-int8" else "Uint8"
    quantizer = getattr(scaled_int, f"{sign}ActPerTensorFloat{suffix}")
    if scheme.statistic == "maximum":
        return quantizer.let(high_percentile_q=100.0)
    return quantizer
