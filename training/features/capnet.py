"""CAPNet's own CNN, tuned on crops, as a frozen face backbone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edge_affect.errors import ConfigError, DataError
from training.engine import distributed
from training.engine.cache import file_key
from training.engine.checkpoint import load_checkpoint
from training.engine.config import from_plain
from training.features.base import Floats
from training.models.capnet import CnnConfig, FerTuned, to_input

_AT_ONCE = 64


class CapnetFace:
    """FER-Tuned's feature of a face: what its dense layer reads."""

    def __init__(self, checkpoint: Path) -> None:
        config, net = load_fer_tuned(checkpoint)
        self.device = distributed.device()
        self.cnn = net.cnn.to(self.device)
        self.key = f"capnet-{file_key(checkpoint)}"
        self.size_px = config.size_px
        self.width = config.widths[-1]

    @torch.no_grad()
    def embed(self, crops: NDArray[np.uint8]) -> Floats:
        """Return ``(N, width)`` for ``(N, size_px, size_px, 3)`` uint8 RGB."""
        out = np.empty((len(crops), self.width), np.float32)
        for start in range(0, len(crops), _AT_ONCE):
            part = crops[start : start + _AT_ONCE]
            feature = self.cnn(to_input(part).to(self.device))
            out[start : start + len(part)] = feature.cpu().numpy()
        return out


def load_fer_tuned(checkpoint: Path) -> tuple[CnnConfig, FerTuned]:
    """Load what the recipe ``capnet`` leaves in its folder ``fer_tuned``.

    Raises:
        DataError: The checkpoint is missing, damaged or another recipe's or stage's.
    """
    stored = load_checkpoint(checkpoint, "capnet")
    try:
        config = from_plain(CnnConfig, stored.config["cnn"])
        net = FerTuned(config)
        net.load_state_dict(stored.average)
    except (KeyError, ConfigError, RuntimeError) as error:
        why = " ".join(str(error).split())[:160]
        raise DataError(
            f"{checkpoint}: got no network on crops ({why}); give "
            "fer_tuned/best.safetensors of a run with face_backbone=capnet"
        ) from error
    return config, net.requires_grad_(requires_grad=False).eval()
