"""Quantization-aware training: a quantized network learns to say what the float says.

It starts from post-training quantization, on the graph whose BatchNorms are merged, and
is distilled from the float network's embedding and heads. No label is read, so the
network it started from is the fair control: distilled from itself it would not move.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from edge_affect.errors import DataError
from quantize.material import Arguments, Batches
from quantize.outputs import named_outputs


@dataclass(frozen=True, slots=True)
class QatConfig:
    """Settings of quantization-aware training."""

    steps: int = 400
    """Batches that are learnt from."""
    learning_rate: float = 1e-4
    """Highest rate; it falls along a cosine."""
    seed: int = 1
    """Seed of the order and of what is mirrored."""


def tune_quantized(
    net: nn.Module, quantized: nn.Module, batches: Batches, config: QatConfig
) -> None:
    """Train ``quantized``, in place, to give ``net``'s outputs.

    Args:
        net: The float network; it stays as it is.
        quantized: From ``quantize_trained``.
        batches: Training material; pictures are mirrored at random.
        config: Settings.

    Raises:
        DataError: The loss became NaN or infinite.
    """
    random = torch.Generator().manual_seed(config.seed)
    torch.manual_seed(config.seed)
    quantized.requires_grad_(requires_grad=True)
    optimizer = torch.optim.Adam(quantized.parameters(), lr=config.learning_rate)
    _train(quantized)
    for step in tqdm(range(config.steps), desc="qat", leave=False, disable=None):
        row = int(torch.randint(len(batches.calls), (1,), generator=random))
        call = _mirrored(batches.calls[row], random)
        loss = _distance(net, quantized, call)
        if not torch.isfinite(loss):
            raise DataError(
                f"qat: the loss became {float(loss.detach())} at step {step}; lower "
                "the learning rate"
            )
        fall = 0.5 * (1 + math.cos(math.pi * step / config.steps))
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * fall
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()
    quantized.requires_grad_(requires_grad=False).eval()


def _train(net: nn.Module) -> None:
    """Switch the quantizers to training; dropout and what is left of norms stay off."""
    net.train()
    for module in net.modules():
        if isinstance(module, nn.Dropout | nn.BatchNorm1d):
            module.eval()


def _mirrored(call: Arguments, random: torch.Generator) -> Arguments:
    first = call[0]
    is_picture = isinstance(first, Tensor) and first.ndim == 4
    if is_picture and torch.rand(1, generator=random) < 0.5:
        return (first.flip(-1), *call[1:])
    return call


def _distance(net: nn.Module, quantized: nn.Module, call: Arguments) -> Tensor:
    """Return the outputs' squared distance over their variance, summed."""
    with torch.no_grad():
        wanted = named_outputs(net, call)
    given = named_outputs(quantized, call)
    total = torch.zeros(())
    for name, value in wanted.items():
        spread = (value - value.mean()).square().mean().clamp(min=1e-6)
        total = total + (given[name] - value).square().mean() / spread
    return total
