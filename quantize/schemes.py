"""Named schemes: how many bits weights and activations get, and where."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_affect.errors import ConfigError, DataError


@dataclass(frozen=True, slots=True)
class Scheme:
    """What is quantized, and how finely."""

    name: str
    """As in the command line and in the manifest."""
    weight_bits: int = 8
    """Bits of a weight: 4 or 8."""
    per_channel: bool = True
    """Whether every output channel has a scale of its own; else one per layer."""
    fine_layers: tuple[str, ...] = ()
    """Layers whose weights get 8 bits whatever ``weight_bits`` says."""
    float_layers: tuple[str, ...] = ()
    """Layers whose weights stay float."""
    statistic: str | None = None
    """What the range of an activation is taken from, one of ``STATISTICS``; None for
    what the graph needs."""
    equalise_passes: int = 0
    """Passes of cross-layer equalisation before anything is quantized."""
    bias_correction: bool = True
    """Whether biases take up the mean error of their layer."""

    def __post_init__(self) -> None:
        if self.weight_bits not in (4, 8):
            raise ConfigError(f"weight_bits: got {self.weight_bits}, expected 4 or 8")
        if self.statistic not in (None, *STATISTICS):
            raise ConfigError(
                f"statistic: got {self.statistic!r}, "
                f"expected one of {', '.join(STATISTICS)}"
            )

    def bits_of(self, layer: str) -> int | None:
        """Return the bits of a layer's weights; None for float."""
        if layer in self.float_layers:
            return None
        return 8 if layer in self.fine_layers else self.weight_bits


STATISTICS = ("percentile", "maximum", "mse")
"""99.999th percentile of what was seen; all of it; the range of least squared error."""

SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("W8A8_PER_CHANNEL"),
        Scheme("W8A8_PER_TENSOR", per_channel=False),
        Scheme("W4A8", weight_bits=4),
    )
}
"""The schemes by name."""


def scheme_named(name: str) -> Scheme:
    """Return the scheme of that name, or the mixed one of a file.

    Args:
        name: One of ``SCHEMES``, or a file that ``sensitivity`` wrote (``.json``).

    Raises:
        ConfigError: There is none.
        DataError: The file cannot be read or names no scheme.
    """
    if name.endswith(".json"):
        return _mixed_of(Path(name))
    if name not in SCHEMES:
        raise ConfigError(
            f"scheme: got {name!r}, expected one of {', '.join(SCHEMES)}, or a file "
            "that sensitivity wrote (.json)"
        )
    return SCHEMES[name]


def scheme_of(fields: dict[str, Any]) -> Scheme:
    """Return a scheme from ``asdict`` of one that went through JSON."""
    layers = {name: tuple(fields[name]) for name in ("fine_layers", "float_layers")}
    return Scheme(**{**fields, **layers})


def _mixed_of(path: Path) -> Scheme:
    try:
        return scheme_of(json.loads(path.read_text(encoding="utf-8"))["mixed"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: names no mixed scheme ({error}); make the file with: "
            "python -m quantize sensitivity"
        ) from error
