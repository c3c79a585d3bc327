"""What each layer costs when its weights alone are quantized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import nn
from tqdm import tqdm

from quantize.material import Batches
from quantize.outputs import output_deviations
from quantize.ptq import quantize_trained
from quantize.quantizers import quantized_layers
from quantize.schemes import Scheme

BITS = (8, 4)
"""Widths that are tried."""
Measure = Callable[[nn.Module], dict[str, float]]
"""Figures of a network's heads on labelled pictures or clips."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one layer costs."""

    layer: str
    """Its name, as schemes name it."""
    bits: int
    """Bits of its weights."""
    deviations: dict[str, float]
    """Output → root mean square of its change over its own spread."""
    losses: dict[str, float]
    """Head's figure → by how much it falls."""


def layer_costs(
    net: nn.Module, graph: str, batches: Batches, measure: Measure | None
) -> list[Cost]:
    """Quantize one layer's weights after the other, all others float.

    Activations have 8 bits throughout, as they have in every scheme; what they alone
    cost stands under the name ``activations``.

    Args:
        net: The float network.
        graph: Which one.
        batches: Training material for ranges and deviations.
        measure: Gives heads' figures, higher is better; None leaves them out.
    """
    layers = quantized_layers(net, graph)
    plain = Scheme("one layer", bias_correction=False)
    reference = {} if measure is None else measure(net)
    rows = [("activations", 8, tuple(layers))]
    rows += [
        (layer, bits, tuple(other for other in layers if other != layer))
        for bits in BITS
        for layer in layers
    ]
    costs = []
    for layer, bits, left in tqdm(rows, desc=f"{graph} layers", disable=None):
        scheme = replace(plain, weight_bits=bits, float_layers=left)
        changed = quantize_trained(net, graph, scheme, batches)
        figures = {} if measure is None else measure(changed)
        costs.append(
            Cost(
                layer,
                bits,
                output_deviations(net, changed, batches),
                {name: reference[name] - value for name, value in figures.items()},
            )
        )
    return costs


def mixed_scheme(costs: list[Cost], most: float) -> Scheme:
    """Return a scheme of 4-bit weights that keeps in 8 bits what 4 bits hurt.

    Args:
        costs: From ``layer_costs``.
        most: Largest deviation of any output that a layer may cost at 4 bits.
    """
    hurt = [
        cost.layer
        for cost in costs
        if cost.bits == 4 and max(cost.deviations.values()) > most
    ]
    return Scheme("MIXED", weight_bits=4, fine_layers=tuple(hurt))


def sensitivity_table(graph: str, costs: list[Cost]) -> str:
    """Return the costs as a Markdown table, the dearest layer first."""
    outputs = list(costs[0].deviations)
    heads = list(costs[0].losses)
    lines = ["| layer | bits | " + " | ".join([*outputs, *heads]) + " |"]
    lines.append("| --- | --- |" + " --- |" * (len(outputs) + len(heads)))
    for cost in sorted(costs, key=lambda c: -max(c.deviations.values())):
        cells = [f"{cost.deviations[name]:.3f}" for name in outputs]
        cells += [f"{cost.losses[name]:+.4f}" for name in heads]
        lines.append(f"| {cost.layer} | {cost.bits} | " + " | ".join(cells) + " |")
    return f"### {graph}\n\n" + "\n".join(lines) + "\n"
