"""Checkpoints as safetensors: weights, optimiser and configuration in one file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from edge_affect.errors import DataError
from training.engine.files import written_whole


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a training run needs to go on, or an export to begin."""

    recipe: str
    """Name of the recipe that wrote it."""
    config: dict[str, Any]
    """The recipe's configuration as plain values."""
    epoch: int
    """Epochs that were finished."""
    model: dict[str, Tensor]
    """Weights as trained."""
    average: dict[str, Tensor]
    """Exponential moving average of the weights: what is exported."""
    optimizer: dict[str, Tensor] = field(default_factory=dict)
    """Optimiser tensors, keyed ``PARAMETER/NAME``; empty in a finished checkpoint."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Figures on the selection part."""
    data: str = ""
    """Digest of what it was trained on; empty where nobody kept one."""


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's state as a flat dictionary of tensors."""
    state = optimizer.state_dict()["state"]
    return {
        f"{parameter}/{name}": value
        for parameter, values in state.items()
        for name, value in values.items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    """Put the tensors of ``optimizer_tensors`` back."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        parameter, name = key.split("/")
        state.setdefault(int(parameter), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` whole or not at all.

    Raises:
        DataError: The disk is full or the folder cannot be written.
    """
    tensors = {
        f"{part}.{name}": value.contiguous().clone()
        for part in ("model", "average", "optimizer")
        for name, value in getattr(checkpoint, part).items()
    }
    header = {
        name: value
        for name, value in asdict(checkpoint).items()
        if name not in ("model", "average", "optimizer")
    }
    # Not by safetensors' own writer: its files are for their owner's eyes alone.
    content = save(tensors, {"checkpoint": json.dumps(header)})
    with written_whole(path) as partial:
        partial.write_bytes(content)


def condense(checkpoint: Checkpoint) -> Checkpoint:
    """Return what others need of ``checkpoint``: the averaged weights, in half floats.

    It can be exported, evaluated and learnt from, but no run can go on from it.
    """
    halves = {
        name: value.half() if value.is_floating_point() else value
        for name, value in checkpoint.average.items()
    }
    return replace(checkpoint, model={}, average=halves, optimizer={})


def load_checkpoint(path: Path, *recipes: str) -> Checkpoint:
    """Read a checkpoint that one of ``recipes`` wrote.

    Raises:
        DataError: The file is missing, damaged or another recipe's.
    """
    if path.is_dir():
        raise DataError(
            f"{path}: is a folder, expected a checkpoint in it, such as "
            f"{path / 'best.safetensors'}"
        )
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "optimizer": {}}
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["checkpoint"])
            for key in file.keys():  # noqa: SIM118 - not a mapping
                part, name = key.split(".", 1)
                parts[part][name] = file.get_tensor(key)
        loaded = Checkpoint(
            recipe=header["recipe"],
            config=header["config"],
            epoch=header["epoch"],
            metrics=header["metrics"],
            data=header.get("data", ""),
            **parts,
        )
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{path}: not a readable checkpoint ({error}); remove it and make one "
            f"with: python -m training train {recipes[-1]}"
        ) from error
    if loaded.recipe not in recipes:
        raise DataError(
            f"{path}: got a checkpoint of recipe {loaded.recipe!r}, "
            f"expected {' or '.join(recipes)!r}"
        )
    return loaded
