"""The costs of layers as an SVG picture for the docs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_affect.errors import missing_dependency
from quantize.sensitivity import BITS, Cost

LOWEST = 1e-3
"""Deviation at the axis' left end; below it there is no bar."""
# Readable on white and on black: the docs are shown on either.
_COLOURS = {8: "#3b82c4", 4: "#d9772b"}
_INK = "#808080"


def sensitivity_plot(graph: str, costs: Sequence[Cost], most: float) -> str:
    """Return a bar for every layer and width: the largest deviation of any output.

    Args:
        graph: Which network.
        costs: From ``layer_costs``.
        most: The largest deviation that the mixed scheme allows at 4 bits; a line.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_dependency("matplotlib", "quantize", "a plot") from error
    worst = {(c.layer, c.bits): max(c.deviations.values()) for c in costs}
    layers = list(dict.fromkeys(cost.layer for cost in costs))
    rows = np.arange(len(layers))
    # The same costs give the same file: no random names, no date in it.
    settings: dict[Any, Any] = {
        "svg.hashsalt": graph,
        "svg.fonttype": "none",
        "text.color": _INK,
    }
    settings |= dict.fromkeys(
        ("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK
    )
    with mpl.rc_context(settings):
        figure = Figure(figsize=(8, 1.2 + 0.28 * len(layers)), layout="constrained")
        axes = figure.subplots()
        for place, bits in enumerate(BITS):
            values = [worst.get((layer, bits), 0.0) for layer in layers]
            label, colour = f"{bits} bits", _COLOURS[bits]
            axes.barh(rows + 0.36 * place, values, 0.34, label=label, color=colour)
        axes.axvline(most, color=_INK, linestyle="--", label="MIXED allows at 4 bits")
        axes.set_xscale("log")
        axes.set_xlim(left=LOWEST)
        axes.set_yticks(rows + 0.18, layers)
        axes.invert_yaxis()
        axes.set_title(f"{graph}: outputs' deviation, one layer's weights quantized")
        axes.legend(framealpha=0)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return text.getvalue()
