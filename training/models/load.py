"""Networks back from checkpoints: the averaged weights, for inference."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from edge_affect.errors import ConfigError, DataError
from training.engine.checkpoint import Checkpoint, load_checkpoint
from training.engine.config import from_plain
from training.models.affect import AffectConfig, AffectNet
from training.models.face import FaceConfig, FaceNet
from training.models.locator import LocatorConfig, LocatorNet
from training.models.pu_mfa import PuMfaConfig, PuMfaNet
from training.models.voice import VoiceConfig, VoiceNet

NetT = TypeVar("NetT", bound=nn.Module)

TRAIN_ONLY = "taught"
"""Name of the part of a distilled network that only its training needs: what maps the
embedding to the teacher's. It is left out here."""


def load_face_net(path: Path) -> FaceNet:
    """Load a checkpoint of the recipe ``face``.

    Raises:
        DataError: The checkpoint is missing, damaged or another recipe's.
    """
    checkpoint = load_checkpoint(path, "face")
    net = FaceNet(_shape(FaceConfig, checkpoint, path))
    # torch's stub lacks memory_format.
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return _filled(net, checkpoint, path)


def load_voice_net(path: Path) -> VoiceNet:
    """Load a checkpoint of the recipe ``voice``.

    Raises:
        DataError: The checkpoint is missing, damaged or another recipe's.
    """
    checkpoint = load_checkpoint(path, "voice")
    return _filled(VoiceNet(_shape(VoiceConfig, checkpoint, path)), checkpoint, path)


def load_affect_net(path: Path) -> AffectNet:
    """Load a checkpoint of the recipe ``affect``.

    Raises:
        DataError: The checkpoint is missing, damaged or another recipe's.
    """
    checkpoint = load_checkpoint(path, "affect")
    return _filled(AffectNet(_shape(AffectConfig, checkpoint, path)), checkpoint, path)


def load_locator_net(path: Path) -> LocatorNet:
    """Load a checkpoint of the recipe ``locator``.

    The score's bias is moved by the threshold that was selected, so that a logit of 0
    stands for it whoever runs the network.

    Raises:
        DataError: The checkpoint is missing, damaged or another recipe's.
    """
    checkpoint = load_checkpoint(path, "locator")
    net = LocatorNet(_shape(LocatorConfig, checkpoint, path))
    # torch's stub lacks memory_format.
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    net = _filled(net, checkpoint, path)
    threshold = torch.tensor(checkpoint.metrics["dev_threshold"], dtype=torch.float64)
    net.move_scores(-float(torch.logit(threshold, eps=1e-6)))
    return net


def load_pu_mfa_net(path: Path) -> PuMfaNet:
    """Load a checkpoint of the recipe ``pu_mfa``.

    Raises:
        DataError: The checkpoint is missing, damaged or another recipe's.
    """
    checkpoint = load_checkpoint(path, "pu_mfa")
    return _filled(PuMfaNet(_shape(PuMfaConfig, checkpoint, path)), checkpoint, path)


def _shape(kind: type[Any], checkpoint: Checkpoint, path: Path) -> Any:
    try:
        return from_plain(kind, checkpoint.config["net"])
    except (KeyError, TypeError, ConfigError) as error:
        raise DataError(f"{path}: names no usable network ({error})") from error


def _filled(net: NetT, checkpoint: Checkpoint, path: Path) -> NetT:
    try:
        net.load_state_dict(
            {
                name: value
                for name, value in checkpoint.average.items()
                if not name.startswith(f"{TRAIN_ONLY}.")
            }
        )
    except RuntimeError as error:
        raise DataError(
            f"{path}: the weights do not fit its network: "
            f"{' '.join(str(error).split())[:200]}"
        ) from error
    return net.requires_grad_(False).eval()
