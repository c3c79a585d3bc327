"""A network's outputs by name, and how far two networks' lie apart."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from quantize.material import Arguments, Batches
from training.models.face import FaceNet
from training.models.locator import LocatorNet

FACE_OUTPUTS = ("embedding", "expression", "affect", "signals")
"""Names of what a face network returns, in its order; the last not of every one."""


def named_outputs(net: nn.Module, call: Arguments) -> dict[str, Tensor]:
    """Return the outputs of one call by name; the next state is left out."""
    out: Any = net(*call)
    if isinstance(net, FaceNet):
        return dict(zip(FACE_OUTPUTS, out, strict=False))
    if isinstance(net, LocatorNet):
        return {name: part.movedim(1, -1) for name, part in out._asdict().items()}
    values, _ = out
    return {field.name: getattr(values, field.name) for field in fields(values)}


@torch.no_grad()
def output_deviations(
    net: nn.Module, other: nn.Module, batches: Batches
) -> dict[str, float]:
    """Return how far ``other``'s outputs lie from ``net``'s.

    For each output the root mean square of the difference, over the deviation of
    ``net``'s own values: 0 is the same, 1 is as far as its values spread.
    """
    ours: dict[str, list[Tensor]] = {}
    theirs: dict[str, list[Tensor]] = {}
    for call in batches.calls:
        for held, one in ((ours, net), (theirs, other)):
            for name, value in named_outputs(one, call).items():
                held.setdefault(name, []).append(value.flatten(0, -2))
    out = {}
    for name, parts in ours.items():
        given = torch.cat(parts)
        away = (given - torch.cat(theirs[name])).square().mean().sqrt()
        spread = (given - given.mean(dim=0)).square().mean().sqrt()
        out[name] = float(away / spread.clamp(min=1e-9))
    return out
