"""Post-training quantization: ranges from training material, biases corrected."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
from brevitas.graph.calibrate import bias_correction_mode, calibration_mode
from torch import Tensor, nn

from edge_affect.errors import DataError
from quantize.material import Batches
from quantize.quantizers import quantized
from quantize.schemes import Scheme


def quantize_trained(
    net: nn.Module, graph: str, scheme: Scheme, batches: Batches
) -> nn.Module:
    """Return ``net`` quantized for ``cpu-int8``, its ranges taken from ``batches``.

    Args:
        net: A trained float network in evaluation mode.
        graph: Which one.
        scheme: How finely.
        batches: Training material; nothing that is reported on.

    Raises:
        ConfigError: The scheme names a layer that is not there.
        DataError: A BatchNorm is left, or a range came out as NaN.
    """
    changed = quantized(net, graph, scheme, "cpu-int8")
    calibrate(changed, batches, correct_biases=scheme.bias_correction)
    return changed


def calibrate(net: nn.Module, batches: Batches, *, correct_biases: bool) -> None:
    """Take the ranges of all quantizers in ``net`` from ``batches``.

    Raises:
        DataError: A range came out as NaN or infinite.
    """
    net.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of statistics that begin empty
        with torch.no_grad(), calibration_mode(net):
            batches.run(net, "ranges")
        if correct_biases:
            with torch.no_grad(), bias_correction_mode(net, skip_if_no_bias=True):
                batches.run(net, "biases")
    for name, value in net.state_dict().items():
        if not torch.isfinite(value).all():
            raise DataError(
                f"layer {name}: calibration gave a value that is not finite; look at "
                "the calibration data"
            )


def retarget(
    net: nn.Module,
    tensors: Mapping[str, Tensor],
    graph: str,
    scheme: Scheme,
    target: str,
) -> nn.Module:
    """Return a calibrated network with a target's quantizers.

    Weights and thresholds are taken over as they are: where ``cpu-int8`` has 255 steps
    from 0 to a threshold, ``trt-int8`` has 127.

    Args:
        net: The float network that it came from.
        tensors: State of what ``quantize_trained`` or QAT gave.
        graph: Which one.
        scheme: The scheme that it was quantized with.
        target: One of ``INT8_TARGETS``.

    Raises:
        ConfigError: The target is none of them.
    """
    other = quantized(net, graph, scheme, target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other.load_state_dict(tensors)
    return other.eval()
