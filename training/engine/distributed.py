"""Several processes as one: torchrun and DistributedDataParallel.

A run under ``torchrun`` computes what one process would: every process draws the same
batch, forwards its own share of it, and the outputs are gathered before the loss. So a
loss over the whole batch, such as a concordance correlation, stays one.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.nn.functional import all_gather

from edge_affect.errors import ConfigError

LONGEST_WAIT = timedelta(days=2)
"""How long a process waits for the others before it takes them for dead."""


def start() -> None:
    """Join the other processes when ``torchrun`` started this one; else do nothing."""
    if "WORLD_SIZE" in os.environ and not dist.is_initialized():
        # The networks on features are small and stay on the processor. One process may
        # have hours of clips left to read when the others are done with theirs.
        dist.init_process_group("gloo", timeout=LONGEST_WAIT)


def stop() -> None:
    """Leave the group, if one was joined."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """Return this process's number; 0 alone writes files."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Return how many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def device() -> str:
    """Return where large networks run: this process's own GPU, or the processor."""
    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0'))}"


def drawing_on(device: torch.device, random: torch.Generator) -> torch.Generator:
    """Return a generator that draws on ``device`` what ``random``'s seed says.

    On the processor it is ``random`` itself; a GPU draws other numbers of the seed.
    """
    if device.type == random.device.type:
        return random
    return torch.Generator(device).manual_seed(random.initial_seed())


def barrier() -> None:
    """Wait for the other processes."""
    if dist.is_initialized():
        dist.barrier()


def agreed(value: float) -> float:
    """Return process 0's ``value``, so that all of them decide alike."""
    if not dist.is_initialized():
        return value
    shared = torch.tensor([value], dtype=torch.float64)
    dist.broadcast(shared, 0)
    return float(shared)


def shared_out(net: nn.Module) -> nn.Module:
    """Return ``net`` with gradients averaged over all processes."""
    if not dist.is_initialized():
        return net
    # A batch of one task leaves the other tasks' heads without a gradient.
    return nn.parallel.DistributedDataParallel(net, find_unused_parameters=True)


def share(rows: Tensor) -> Tensor:
    """Return this process's part of a batch's ``(B,)`` rows.

    The batch is cut to a multiple of the number of processes.

    Raises:
        ConfigError: There are fewer rows than processes.
    """
    size = len(rows) // world_size()
    if size == 0:
        raise ConfigError(
            f"batch: got {len(rows)} frames for {world_size()} processes, expected one "
            "for each at least; raise batch or start fewer"
        )
    return rows[rank() * size : (rank() + 1) * size]


def gathered(outputs: Tensor) -> Tensor:
    """Return the whole batch's outputs from each process's ``(B / n, ...)``.

    The gradient of a loss on the result, averaged over processes, is that of one
    process with the whole batch.
    """
    if not dist.is_initialized():
        return outputs
    parts = cast("tuple[Any, ...]", all_gather(outputs))  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return torch.cat(list(parts))
