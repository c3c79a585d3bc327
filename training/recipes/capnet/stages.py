"""The stages on frozen features: companion, LSTM, dense layers; and what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.challenge import Estimates, challenge_figures, mean_over_clips
from training.clips.tape import Tape
from training.clips.trainer import ClipTrainer, clip_figures, estimate_rows
from training.engine import distributed
from training.engine.checkpoint import load_checkpoint
from training.engine.loop import run
from training.losses import va_loss
from training.models.capnet import CapnetNet
from training.recipes.capnet.config import OWN_CNN, CapnetTraining
from training.recipes.capnet.windows import answering_rows, face_before, windows

RECIPE = "capnet"


class TemporalTrainer(ClipTrainer[CapnetTraining, CapnetNet]):
    """Stage 2: LSTM and dense layers, on frames whose window is complete."""

    recipe = RECIPE
    selection = "p_va"
    task = "VA"
    config_type = CapnetTraining

    def title(self) -> str:
        """Return the stage's name."""
        return "capnet stage 2, LSTM"

    @classmethod
    def new_net(cls, config: CapnetTraining, face: int, sound: int) -> CapnetNet:  # noqa: ARG003
        """Return the network with what this stage does not train frozen."""
        net = CapnetNet(face, config.hidden, config.dropout)
        for part in cls.frozen(net):
            part.requires_grad_(requires_grad=False)
        return net

    @classmethod
    def frozen(cls, net: CapnetNet) -> tuple[nn.Module, ...]:
        """Return the parts that this stage does not train."""
        return (net.companion,)

    @classmethod
    def estimate(
        cls, config: CapnetTraining, net: CapnetNet, tape: Tape, rows: Tensor
    ) -> Estimates:
        """Return CAPNet's estimates with the gaps filled: see ``filled_estimates``."""
        return Estimates(filled_estimates(config, net, tape, rows).numpy())

    def trained_rows(self, config: CapnetTraining) -> Tensor:
        """Return labelled rows with a complete window."""
        rows = super().trained_rows(config)
        return rows[windows(config, self.train, rows).complete]

    def batch_loss(self, rows: Tensor, random: torch.Generator) -> Tensor:  # noqa: ARG002
        """Return L_CCC of ``(B,)`` rows."""
        faces = windows(self.config, self.train, distributed.share(rows)).faces
        estimate, _ = self.shared(self.train.face[faces])
        return va_loss(distributed.gathered(estimate), self.train.valence_arousal[rows])


class HeadTrainer(TemporalTrainer):
    """Stage 3: the dense layers alone."""

    def title(self) -> str:
        """Return the stage's name."""
        return "capnet stage 3, dense layers"

    @classmethod
    def frozen(cls, net: CapnetNet) -> tuple[nn.Module, ...]:
        """Return the companion and the LSTM."""
        return (net.companion, net.lstm)


class CompanionTrainer(TemporalTrainer):
    """Stage 1 on features: FER-Tuned, a dense layer on the current frame's face."""

    def title(self) -> str:
        """Return the stage's name."""
        return "capnet stage 1, companion"

    @classmethod
    def frozen(cls, net: CapnetNet) -> tuple[nn.Module, ...]:
        """Return all but the companion."""
        return (net.lstm, net.head)

    @classmethod
    def estimate(
        cls,
        config: CapnetTraining,  # noqa: ARG003
        net: CapnetNet,
        tape: Tape,
        rows: Tensor,
    ) -> Estimates:
        """Return FER-Tuned's estimates of the current frame."""
        return Estimates(companion_estimates(net, tape, rows, 0.0).numpy())

    def trained_rows(self, config: CapnetTraining) -> Tensor:  # noqa: ARG002
        """Return labelled rows that show a face."""
        rows = self.train.labelled(self.task)
        return rows[self.train.present[rows]]

    def batch_loss(self, rows: Tensor, random: torch.Generator) -> Tensor:  # noqa: ARG002
        """Return the companion's L_CCC of ``(B,)`` rows."""
        _, estimate = self.shared(self.train.face[distributed.share(rows)][:, None])
        return va_loss(distributed.gathered(estimate), self.train.valence_arousal[rows])


def filled_estimates(
    config: CapnetTraining, net: CapnetNet, tape: Tape, rows: Tensor
) -> Tensor:
    """Return ``(B, 2)`` valence and arousal of ``(B,)`` rows, whatever is missing.

    CAPNet's estimate where its window is complete; else FER-Tuned's of the frame that
    is ``horizon_s`` old; without a face there the estimate before it stays, and before
    the first one it is 0.
    """
    asked = answering_rows(config, tape, rows)
    of = asked.clamp(min=0)
    past = windows(config, tape, of)
    out = companion_estimates(net, tape, of, config.horizon_s)
    out[past.complete] = net(tape.face[past.faces[past.complete]])[0]
    out[asked < 0] = 0
    return out


def companion_estimates(
    net: CapnetNet, tape: Tape, rows: Tensor, ago_s: float
) -> Tensor:
    """Return ``(B, 2)``: FER-Tuned of the newest face that is ``ago_s`` old or older.

    It is 0 before the clip's first face.
    """
    seen = face_before(tape, rows, ago_s)
    out: Tensor = net.companion(tape.face[seen.clamp(min=0)])
    out[seen < 0] = 0
    return out


def capnet_figures(
    config: CapnetTraining, net: nn.Module, tape: Tape
) -> dict[str, float]:
    """Return the challenge's figures over all labelled frames, and two more.

    ``p_va_mean_over_clips`` is the paper's own average; ``fer_tuned_p_va`` is the
    companion's P_VA, which is shown the current frame.
    """
    rows = tape.labelled(TemporalTrainer.task)
    labels = tape.labels(rows)
    own = estimate_rows(TemporalTrainer, config, net, tape, rows)
    tuned = clip_figures(CompanionTrainer, config, net, tape)
    figures = challenge_figures(labels, own)
    figures["p_va_mean_over_clips"] = mean_over_clips(
        labels.valence_arousal,
        np.asarray(own.valence_arousal),
        tape.clip[rows].numpy(),
    )
    return figures | {"fer_tuned_p_va": tuned["p_va"]}


def train_stages(config: CapnetTraining, train: Tape, dev: Tape, out: Path) -> Path:
    """Train what the features leave to train; return the best checkpoint's path.

    Each stage keeps its best epoch and hands it to the next. Stages 1 and 2 have a
    folder in ``out``; stage 3's checkpoints lie in ``out`` itself. A killed run goes
    on in the stage that it was in.
    """
    companion = _companion(config, train, dev, out / "companion")
    temporal = TemporalTrainer(config, train, dev)
    for net in (temporal.net, temporal.average):
        net.companion.load_state_dict(companion)
    second = load_checkpoint(run(temporal, out / "temporal"), RECIPE)
    settings = replace(
        config, epochs=config.head_epochs, learning_rate=config.head_learning_rate
    )
    head = HeadTrainer(settings, train, dev)
    for net in (head.net, head.average):
        net.load_state_dict(second.average)
    return run(head, out)


def tuned_settings(config: CapnetTraining) -> CapnetTraining:
    """Return ``config`` with stage 1's epochs and rate in the loop's place."""
    return replace(
        config, epochs=config.tuned_epochs, learning_rate=config.tuned_learning_rate
    )


def _companion(
    config: CapnetTraining, train: Tape, dev: Tape, out: Path
) -> dict[str, Tensor]:
    """Return the companion's weights: those that came with the features, or trained."""
    kind, _, tuned = config.face_backbone.partition(":")
    if kind == OWN_CNN:
        return _part(load_checkpoint(Path(tuned), RECIPE).average, "head.")
    best = run(CompanionTrainer(tuned_settings(config), train, dev), out)
    return _part(load_checkpoint(best, RECIPE).average, "companion.")


def _part(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }
