"""What the recipes on labelled clips share: batches of frames, challenge figures."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from edge_affect.errors import DataError
from training.challenge import Estimates, challenge_figures
from training.clips.settings import ClipTraining
from training.clips.tape import Tape
from training.engine import distributed
from training.engine.loop import Trainer
from training.features.text import is_mechanism

_LOG = logging.getLogger(__name__)

_ROWS_AT_ONCE = 1024


SettingsT = TypeVar("SettingsT", bound=ClipTraining)
NetT = TypeVar("NetT", bound=nn.Module)


class ClipTrainer(Trainer[SettingsT, NetT], Generic[SettingsT, NetT]):
    """Trains on frames of labelled clips, each with a window of its past.

    A recipe gives its network, the loss of a batch of rows and the estimates for rows.
    """

    shares_batches: ClassVar[bool] = True
    task: ClassVar[str]
    """What a frame must be labelled with to count: VA, EXPR or AU."""
    config_type: ClassVar[type[Any]]
    """The recipe's configuration dataclass."""

    def __init__(self, config: SettingsT, train: Tape, dev: Tape) -> None:
        self.train = train
        self.dev = dev
        self.data = f"{train.digest()} {dev.digest()}"
        self.rows = self.trained_rows(config)
        steps = len(self.rows) // config.hop // config.batch
        if steps == 0:
            raise DataError(
                f"{self.recipe}: got {len(self.rows)} labelled frames, expected at "
                f"least hop × batch = {config.hop * config.batch}; lower them or give "
                "more clips"
            )
        if is_mechanism(config):
            _LOG.warning(
                "%s: mechanism only: text=%s draws the texts' vectors at random",
                self.recipe,
                getattr(config, "text", ""),
            )
        torch.manual_seed(config.seed)
        net = self.new_net(config, train.face.shape[1], train.sound.shape[1])
        super().__init__(config, net, steps)

    @classmethod
    @abstractmethod
    def new_net(cls, config: SettingsT, face: int, sound: int) -> NetT:
        """Return the network for features of these widths."""

    @classmethod
    @abstractmethod
    def estimate(
        cls, config: SettingsT, net: NetT, tape: Tape, rows: Tensor
    ) -> Estimates:
        """Return what ``net`` says of ``(B,)`` rows; called without gradients."""

    @abstractmethod
    def batch_loss(self, rows: Tensor, random: torch.Generator) -> Tensor:
        """Return the loss of ``(B,)`` rows of ``self.train``.

        Under torchrun all processes draw the same rows: forward ``self.shared`` on
        ``distributed.share(rows)``, take the loss of the gathered outputs.
        """

    def trained_rows(self, config: SettingsT) -> Tensor:  # noqa: ARG002
        """Return the rows of ``self.train`` that may be trained on."""
        return self.train.labelled(self.task)

    def losses(self, random: torch.Generator) -> Iterator[Tensor]:
        """Yield the loss of each batch of an epoch."""
        first = int(torch.randint(self.config.hop, (1,), generator=random))
        rows = self.rows[first :: self.config.hop]
        order = rows[torch.randperm(len(rows), generator=random)]
        size = self.config.batch // distributed.world_size() * distributed.world_size()
        for step in range(self.steps):
            yield self.batch_loss(order[step * size : (step + 1) * size], random)

    def evaluate(self) -> dict[str, float]:
        """Return the averaged network's challenge figures on the selection part."""
        return clip_figures(type(self), self.config, self.average, self.dev)


def clip_figures(
    kind: type[ClipTrainer[Any, Any]], config: Any, net: nn.Module, tape: Tape
) -> dict[str, float]:
    """Return the challenge figures of ``net`` on all labelled frames of ``tape``."""
    rows = tape.labelled(kind.task)
    estimates = estimate_rows(kind, config, net, tape, rows)
    return challenge_figures(tape.labels(rows), estimates)


@torch.no_grad()
def estimate_rows(
    kind: type[ClipTrainer[Any, Any]],
    config: Any,
    net: nn.Module,
    tape: Tape,
    rows: Tensor,
) -> Estimates:
    """Return the estimates of ``net`` for ``(B,)`` rows, some at a time.

    Raises:
        DataError: There is no row.
    """
    if len(rows) == 0:
        raise DataError(
            f"{kind.recipe}: got no frame with a {kind.task} label, expected some"
        )
    was_training = net.training
    net.eval()
    parts = [
        kind.estimate(config, net, tape, rows[start : start + _ROWS_AT_ONCE])
        for start in range(0, len(rows), _ROWS_AT_ONCE)
    ]
    net.train(was_training)
    return Estimates(
        **{
            field: np.concatenate([getattr(part, field) for part in parts])
            for field in ("valence_arousal", "expression", "action_units")
            if getattr(parts[0], field) is not None
        }
    )
