"""Train the face network: FER+ votes, and DiffusionFER's valence and arousal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.augment import AugmentConfig, augment_faces
from training.data.diffusionfer import load_diffusionfer
from training.data.ferplus import VOTE_NAMES, load_ferplus
from training.engine import distributed
from training.engine.cache import content_key
from training.engine.config import check_choice
from training.engine.loop import Trainer, run
from training.inputs import Inputs
from training.losses import ccc_loss, soft_cross_entropy
from training.models.face import FACE_EXPRESSIONS, FaceConfig, FaceNet
from training.recipes.face.signals import TaughtSignals
from training.temperature import fit_temperature

RECIPE = "face"
TRAIN_PX = 56
"""Side of the luma picture that the network sees: half of the graph's input."""


VOTES = ("shares", "majority")
"""The share of each class, or the class alone that most named."""


@dataclass(frozen=True, slots=True)
class FaceTraining:
    """Settings of the recipe ``face``."""

    epochs: int = 30
    """Passes over FER+'s training part."""
    batch: int = 112
    """FER+ pictures in a batch."""
    synthetic_batch: int = 24
    """DiffusionFER pictures in a batch."""
    learning_rate: float = 2e-3
    """Highest rate of the one-cycle schedule."""
    schedule: str = "one_cycle"
    """How the learning rate moves."""
    patience: int | None = None
    """Epochs without a better figure before the run stops; None stops at none."""
    weight_decay: float = 0.02
    """AdamW's weight decay."""
    average: float = 0.998
    """Decay of the weights' moving average, per step."""
    affect_weight: float = 1.0
    """Weight of the valence and arousal loss."""
    signals_weight: float = 0.5
    """Weight of the landmarker's signals, where the network has a head for them."""
    signals_batch: int = 32
    """Faces with signals in a batch."""
    votes: str = "shares"
    """What FER+'s voters teach, one of ``VOTES``."""
    seed: int = 1
    """Seed of initial weights, order and augmentation."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    net: FaceConfig = field(default_factory=FaceConfig)


class Seen(NamedTuple):
    """What the network says of changed pictures, float32."""

    embedding: Tensor
    """``(B, E)``."""
    expression: Tensor
    """``(B, K)`` logits."""
    affect: Tensor
    """``(B, 2)`` valence and arousal."""
    signals_loss: Tensor
    """Weighed loss of the faces with signals beside them; 0 without."""


SettingsT = TypeVar("SettingsT", bound=FaceTraining)


@dataclass(frozen=True, slots=True)
class _Examples:
    names: tuple[str, ...]
    luma: Tensor
    shares: Tensor
    labels: Tensor
    affect: Tensor

    def on(self, device: torch.device) -> _Examples:
        parts = self.luma, self.shares, self.labels, self.affect
        return _Examples(self.names, *(part.to(device) for part in parts))


def to_class_order(votes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reorder ``(B, 8)`` from FER+'s table order to ``FACE_EXPRESSIONS``."""
    return votes[:, [VOTE_NAMES.index(name) for name in FACE_EXPRESSIONS]]


def to_class_labels(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn FER+'s labels, whose ties its own order decided, into our classes."""
    order = np.array([FACE_EXPRESSIONS.index(name) for name in VOTE_NAMES], np.int64)
    return order[labels]


def _one_hot(labels: Tensor) -> Tensor:
    return functional.one_hot(labels, len(FACE_EXPRESSIONS)).float()


def _load_ferplus(root: Path, part: str) -> _Examples:
    data = load_ferplus(root, part)
    luma = data.archive.read(data.names, TRAIN_PX, grey=True)
    shares = torch.from_numpy(to_class_order(data.soft_labels))
    labels = torch.from_numpy(to_class_labels(data.labels))
    unrated = torch.empty(0)
    return _Examples(tuple(data.names), torch.from_numpy(luma), shares, labels, unrated)


def _load_synthetic(root: Path) -> _Examples:
    data = load_diffusionfer(root, "train")
    luma = data.archive.read(data.names, TRAIN_PX, grey=True)
    index = torch.tensor([FACE_EXPRESSIONS.index(name) for name in data.expressions])
    shares = _one_hot(index)
    affect = torch.from_numpy(np.stack([data.valence, data.arousal], axis=1))
    return _Examples(tuple(data.names), torch.from_numpy(luma), shares, index, affect)


class FaceTrainer(Trainer[SettingsT, FaceNet], Generic[SettingsT]):
    """Holds what one run needs between epochs."""

    recipe = RECIPE
    selection = "accuracy"

    def __init__(
        self,
        config: SettingsT,
        data_root: Path,
        signals: TaughtSignals | None = None,
    ) -> None:
        """Load the sets.

        Args:
            config: The settings.
            data_root: Root of the public sets.
            signals: Faces with signals, for a network that has a head for them.

        Raises:
            DataError: A set is missing or not usable.
        """
        check_choice("votes", config.votes, VOTES)
        torch.manual_seed(config.seed)
        self.device = torch.device(distributed.device())
        # torch's stub lacks memory_format.
        net = self.new_net(config).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        real = _load_ferplus(data_root, "train")
        if config.votes == "majority":
            real = replace(real, shares=_one_hot(real.labels))
        dev = _load_ferplus(data_root, "dev")
        synthetic = _load_synthetic(data_root)
        super().__init__(config, net, len(real.luma) // config.batch)
        self.data = content_key(real, dev, synthetic)
        if signals is not None:
            self.data += f" {content_key(signals)}"
        # All of it fits on a GPU, and a batch is drawn where it is used.
        self.real, self.dev = real.on(self.device), dev.on(self.device)
        self.synthetic = synthetic.on(self.device)
        self.taught = None if signals is None else signals.on(self.device)

    def new_net(self, config: SettingsT) -> FaceNet:
        """Return the network, with seeded weights."""
        return FaceNet(config.net)

    def losses(self, random: torch.Generator) -> Iterator[Tensor]:
        """Yield the loss of each batch of one pass over FER+."""
        random = distributed.drawing_on(self.device, random)
        count = len(self.real.luma)
        order = torch.randperm(count, generator=random, device=self.device)
        size = self.config.batch
        for step in range(self.steps):
            synthetic = torch.randint(
                len(self.synthetic.luma),
                (self.config.synthetic_batch,),
                generator=random,
                device=self.device,
            )
            rows = order[step * size : (step + 1) * size]
            yield self.batch_loss(rows, synthetic, random)

    def batch_loss(
        self, real: Tensor, synthetic: Tensor, random: torch.Generator
    ) -> Tensor:
        """Return the loss of ``(B,)`` FER+ rows and ``(S,)`` DiffusionFER rows."""
        luma = torch.cat([self.real.luma[real], self.synthetic.luma[synthetic]])
        seen = self.look(luma, random)
        expression, distance = self.label_losses(
            real, synthetic, seen.expression, seen.affect
        )
        return expression + self.config.affect_weight * distance + seen.signals_loss

    def look(self, luma: Tensor, random: torch.Generator) -> Seen:
        """Run the network on changed ``(B, S, S)`` luma, and on faces with signals."""
        images = augment_faces(luma[:, None].float(), self.config.augment, random)
        drawn = None
        if self.taught is not None:
            drawn = self.taught.draw(
                self.config.signals_batch, self.config.augment, random
            )
            # One pass: batch normalisation sees both kinds of pictures together.
            images = torch.cat([images, drawn.images])
        with torch.autocast(self.device.type, torch.bfloat16):
            told = [part.float() for part in self.net(images)]
        loss = torch.zeros((), device=self.device)
        if drawn is not None:
            loss = self.config.signals_weight * drawn.loss(told[3][len(luma) :])
        embedding, logits, affect = (part[: len(luma)] for part in told[:3])
        return Seen(embedding, logits, affect, loss)

    def label_losses(
        self, real: Tensor, synthetic: Tensor, logits: Tensor, affect: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the losses of votes and classes, and of valence and arousal.

        ``logits`` and ``affect`` are of the FER+ rows, then of the DiffusionFER rows.
        """
        shares = torch.cat([self.real.shares[real], self.synthetic.shares[synthetic]])
        shares = 0.95 * shares + 0.05 / shares.shape[1]
        truth = self.synthetic.affect[synthetic]
        return (
            soft_cross_entropy(logits, shares),
            affect_distance(affect[len(real) :], truth),
        )

    def evaluate(self) -> dict[str, float]:
        """Return figures on the parts to select by.

        Accuracy and the fitted temperature on FER+'s, and with a signal head its
        correlations with the teacher.
        """
        logits = run_face(self.average, self.dev.luma)[1]
        labels = self.dev.labels
        hits = (logits.argmax(1) == labels).float().mean()
        temperature = fit_temperature(logits.cpu().numpy(), labels.cpu().numpy())
        figures = {"accuracy": float(hits), "expression_temperature": temperature}
        if self.taught is not None:
            figures |= self.taught.figures(self.average)
        return figures


def affect_distance(estimate: Tensor, truth: Tensor) -> Tensor:
    """Return the squared error and a quarter of both CCC losses of ``(B, 2)``."""
    return functional.mse_loss(estimate, truth) + 0.25 * (
        ccc_loss(estimate[:, 0], truth[:, 0]) + ccc_loss(estimate[:, 1], truth[:, 1])
    )


@torch.no_grad()
def run_face(
    net: FaceNet, luma: Tensor, batch: int = 64
) -> tuple[Tensor, Tensor, Tensor]:
    """Run on ``(B, S, S)`` uint8 luma; embeddings, logits, valence and arousal."""
    parts = [
        net(luma[start : start + batch, None].float())[:3]
        for start in range(0, len(luma), batch)
    ]
    embedding, logits, affect = (
        torch.cat(column) for column in zip(*parts, strict=True)
    )
    return embedding, logits, affect


def open_signals(config: FaceTraining, inputs: Inputs) -> TaughtSignals | None:
    """Return the faces with signals that ``config`` asks for.

    Raises:
        DataError: A set or a teacher is missing or cannot be read.
    """
    if not config.net.signals:
        return None
    return TaughtSignals.load(inputs.data, inputs.cache)


def train(config: FaceTraining, inputs: Inputs, out: Path) -> Path:
    """Train on the public sets under ``inputs.data``, or go on.

    See ``training.engine.loop.run``.
    """
    return run(FaceTrainer(config, inputs.data, open_signals(config, inputs)), out)


def evaluate(checkpoint: Path, inputs: Inputs) -> dict[str, float]:
    """Return the figures of ``training.evaluate.evaluate_face``."""
    from training.evaluate import evaluate_face

    return evaluate_face(checkpoint, inputs.data)


PRESETS = {"default": FaceTraining()}
