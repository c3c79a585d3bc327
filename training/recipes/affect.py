"""Train the affect network on composed clips and on the simulated driver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from edge_affect.errors import UsageError
from training.composed.compose import (
    AHEAD_CELLS,
    CELL_HZ,
    CellConfig,
    Sequence,
    arrivals,
    compose,
)
from training.composed.material import PARTS, Frozen, Gatherer, Material, MaterialConfig
from training.engine.cache import content_key
from training.engine.checkpoint import load_checkpoint
from training.engine.config import from_plain
from training.engine.loop import Trainer, run
from training.inputs import Inputs
from training.losses import ccc_loss, gaussian_nll, soft_cross_entropy
from training.metrics import accuracy, ccc
from training.models.affect import AffectConfig, AffectInput, AffectNet, AffectOutput
from training.models.face import FaceNet
from training.temperature import fit_temperature

RECIPE = "affect"
SELECTED = ("composed_accuracy", "sim_valence_ccc", "sim_arousal_ccc")
"""Figures whose mean the best epoch is chosen by, as far as there are any."""
HOP_CELLS = CELL_HZ // 10
"""Cells in a voice hop."""
SETTLED_CELLS = 10
"""Cells at a sequence's start that are not scored: the memory is still empty."""


@dataclass(frozen=True, slots=True)
class AffectSettings:
    """What the affect network's training is set by, whatever it is trained on."""

    epochs: int = 40
    """Passes over the training part."""
    batch: int = 32
    """Sequences in a batch."""
    cells: int = 150
    """Length of a sequence, cells of 1/30 s."""
    learning_rate: float = 2e-3
    """Highest rate of the schedule."""
    schedule: str = "one_cycle"
    """How the learning rate moves."""
    patience: int | None = None
    """Epochs without a better figure before the run stops; None stops at none."""
    weight_decay: float = 0.02
    """AdamW's weight decay."""
    average: float = 0.99
    """Decay of the weights' moving average, per step."""
    seed: int = 1
    """Seed of initial weights, order, composition and arrivals."""
    cell: CellConfig = field(default_factory=CellConfig)
    net: AffectConfig = field(default_factory=AffectConfig)


@dataclass(frozen=True, slots=True)
class AffectTraining(AffectSettings):
    """Settings of the recipe ``affect``; each pass over a programme has new faces."""

    simulated_share: float = 0.5
    """Share of a batch that the simulated driver gives."""
    material: MaterialConfig = field(default_factory=MaterialConfig)


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences as tensors."""

    given: AffectInput
    shares: Tensor
    """``(B, T, K)`` distribution over the expressions."""
    affect: Tensor
    """``(B, T, 2)``; NaN where unknown."""
    ahead: Tensor
    """``(B, T, 2)``: ``affect`` 1/3 s later; NaN where unknown."""


def make_batch(
    sequences: list[Sequence], config: CellConfig, random: np.random.Generator
) -> Batch:
    """Let each sequence arrive in its cells, with drops, holds and masks."""
    rows = [_arrive(sequence, config, random) for sequence in sequences]
    columns = [torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)]
    return Batch(AffectInput(*columns[:6]), *columns[6:])


def _arrive(
    sequence: Sequence, config: CellConfig, random: np.random.Generator
) -> tuple[NDArray[np.float32], ...]:
    came = arrivals(sequence.shown, config, random)
    return (
        sequence.face[came.face],
        sequence.voice[np.minimum(came.voice, len(sequence.voice) - 1)],
        came.face_valid[:, None],
        came.voice_valid[:, None],
        came.face_age_s[:, None],
        came.voice_age_s[:, None],
        sequence.shares,
        sequence.affect,
        ahead_of(sequence.affect),
    )


def ahead_of(affect: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``(T, 2)`` valence and arousal 1/3 s later; NaN at the end."""
    ahead = np.full_like(affect, np.nan)
    ahead[:-AHEAD_CELLS] = affect[AHEAD_CELLS:]
    return ahead


def affect_loss(output: AffectOutput, batch: Batch) -> Tensor:
    """Sum the losses of expression, of valence and arousal, and of both ahead."""
    total = 0.5 * gaussian_nll(output.affect, output.deviation, batch.affect)
    named = batch.shares.sum(dim=2) > 0
    if named.any():
        shares = 0.95 * batch.shares[named] + 0.05 / batch.shares.shape[-1]
        total = total + soft_cross_entropy(output.expression[named], shares)
    for estimate, truth in (
        (output.affect, batch.affect),
        (output.ahead, batch.ahead),
    ):
        for axis in (0, 1):
            total = total + distance(estimate[..., axis], truth[..., axis])
    return total


def distance(estimate: Tensor, truth: Tensor) -> Tensor:
    """Return half the CCC loss plus the squared error; NaN truth is left out."""
    known = ~torch.isnan(truth)
    if not known.any():
        return estimate.sum() * 0
    found, true = estimate[known], truth[known]
    return 0.5 * ccc_loss(found, true) + functional.mse_loss(found, true)


class AffectTrainer(Trainer[AffectTraining, AffectNet]):
    """Holds what one run needs between epochs."""

    recipe = RECIPE
    selection = "score"

    def __init__(
        self, config: AffectTraining, net: AffectNet, train: Material, dev: Material
    ) -> None:
        super().__init__(config, net, max(1, len(train.programmes) // config.batch))
        self.train = train
        self.dev = fixed_batches(dev, config.cell)
        self.data = content_key(train, dev)

    def losses(self, random: torch.Generator) -> Iterator[Tensor]:
        """Yield the loss of each batch of one epoch."""
        draw = np.random.default_rng(int(torch.randint(2**31, (1,), generator=random)))
        order = draw.permutation(len(self.train.programmes))
        for step in range(self.steps):
            rows = order[step * self.config.batch : (step + 1) * self.config.batch]
            sequences = [self._sequence(int(row), draw) for row in rows]
            batch = make_batch(sequences, self.config.cell, draw)
            output, _ = self.net(batch.given, self.net.new_state(len(sequences)))
            yield affect_loss(output, batch)

    def _sequence(self, row: int, draw: np.random.Generator) -> Sequence:
        drives = self.train.simulated
        if drives and draw.random() < self.config.simulated_share:
            drive = drives[int(draw.integers(len(drives)))]
            # A drawn face teaches how affect moves, not what expressions look like.
            unnamed = replace(drive, shares=np.zeros_like(drive.shares))
            return cut(unnamed, self.config.cells, draw)
        composed = compose(self.train.programmes[row], self.train.pools, draw)
        return cut(composed, self.config.cells, draw)

    def evaluate(self) -> dict[str, float]:
        """Return the averaged network's figures on the selection part."""
        figures = {
            f"{name}_{figure}": value
            for name, batch in self.dev.items()
            for figure, value in affect_figures(self.average, batch).items()
        }
        chosen = [figures[name] for name in SELECTED if name in figures]
        return {**figures, "score": float(np.mean(chosen))}


def cut(whole: Sequence, cells: int, draw: np.random.Generator) -> Sequence:
    """Take ``cells`` cells from anywhere in ``whole``, beginning with a voice hop."""
    return cut_at(whole, cells, draw_hop(len(whole.face), cells, draw))


def draw_hop(whole: int, cells: int, draw: np.random.Generator) -> int:
    """Draw the voice hop at which ``cells`` of ``whole`` cells begin."""
    return int(draw.integers(0, max(0, whole - cells) // HOP_CELLS + 1))


def cut_at(whole: Sequence, cells: int, hop: int) -> Sequence:
    """Take the ``cells`` cells of ``whole`` that begin with its voice hop ``hop``."""
    start = hop * HOP_CELLS
    return Sequence(
        whole.face[start : start + cells],
        whole.shown[start : start + cells],
        whole.voice[hop : hop + -(-cells // HOP_CELLS)],
        whole.shares[start : start + cells],
        whole.affect[start : start + cells],
    )


def fixed_batches(material: Material, config: CellConfig) -> dict[str, Batch]:
    """Return the same composed and simulated sequences for every epoch."""
    random = np.random.default_rng(0)
    composed = [compose(p, material.pools, random) for p in material.programmes]
    parts = {"composed": composed, "sim": material.simulated}
    return {
        name: make_batch(sequences, config, random)
        for name, sequences in parts.items()
        if sequences
    }


@torch.no_grad()
def affect_figures(net: AffectNet, batch: Batch) -> dict[str, float]:
    """Return the network's figures on ``batch`` from a fresh state."""
    output, _ = net(batch.given, net.new_state(len(batch.shares)))
    truth, logits = _scored(batch.shares), _scored(output.expression)
    return {
        **_expression_figures(truth, logits),
        **_affect_cccs(batch.affect, output.affect, ""),
        **_affect_cccs(batch.ahead, output.ahead, "_ahead"),
    }


@torch.no_grad()
def frame_figures(face: FaceNet, batch: Batch) -> dict[str, float]:
    """Return the figures of the face network's own heads on the newest face."""
    seen = batch.given.face * batch.given.face_valid
    affect = torch.tanh(face.affect(seen))
    return {
        **_expression_figures(_scored(batch.shares), _scored(face.expression(seen))),
        **_affect_cccs(batch.affect, affect, ""),
        **_affect_cccs(batch.ahead, affect, "_ahead"),
    }


def _scored(values: Tensor) -> NDArray[np.float32]:
    kept: NDArray[np.float32] = values[:, SETTLED_CELLS:].flatten(0, 1).numpy()
    return kept


def _expression_figures(
    shares: NDArray[np.float32], logits: NDArray[np.float32]
) -> dict[str, float]:
    named = shares.sum(axis=1) > 0
    truth, logits = shares[named].argmax(axis=1), logits[named]
    return {
        "accuracy": accuracy(truth, logits.argmax(axis=1), logits.shape[1]),
        "expression_temperature": fit_temperature(logits, truth),
    }


def _affect_cccs(truth: Tensor, estimate: Tensor, suffix: str) -> dict[str, float]:
    true, estimated = _scored(truth), _scored(estimate)
    known = ~np.isnan(true)
    return {
        f"{name}{suffix}_ccc": ccc(
            true[known[:, axis], axis], estimated[known[:, axis], axis]
        )
        for axis, name in enumerate(("valence", "arousal"))
        if known[:, axis].any()
    }


def affect_training(checkpoint: Path) -> AffectTraining:
    """Return the settings that a checkpoint was trained with.

    Raises:
        DataError: The checkpoint is missing, damaged or another recipe's.
    """
    return from_plain(AffectTraining, load_checkpoint(checkpoint, RECIPE).config)


def new_affect_net(config: AffectConfig, seed: int, face: FaceNet) -> AffectNet:
    """Return a seeded network whose reading is the face network's own heads."""
    torch.manual_seed(seed)
    net = AffectNet(config)
    net.read_like(face.expression, face.affect)
    return net


def train_affect(
    config: AffectTraining, data_root: Path, out: Path, face: Path, voice: Path
) -> Path:
    """Train, or go on from where ``out`` stopped; see ``training.engine.loop.run``.

    Args:
        config: The recipe's settings.
        data_root: Where FER+, DiffusionFER and EmoDB are.
        out: Receives checkpoints, and embeddings in ``cache``.
        face: Checkpoint of the recipe ``face``; it stays as it is.
        voice: Checkpoint of the recipe ``voice``; it stays as it is.
    """
    frozen = Frozen.load(face, voice)
    gatherer = Gatherer(frozen, data_root, out / "cache", config.material)
    train, dev = (gatherer.gather(part) for part in PARTS)
    net = new_affect_net(config.net, config.seed, frozen.face)
    return run(AffectTrainer(config, net, train, dev), out)


def train(config: AffectTraining, inputs: Inputs, out: Path) -> Path:
    """Train on material that ``inputs.face`` and ``inputs.voice`` embed.

    Raises:
        UsageError: One of the two checkpoints is not named.
    """
    return train_affect(config, inputs.data, out, *_frozen(inputs))


def evaluate(checkpoint: Path, inputs: Inputs) -> dict[str, float]:
    """Return the figures of ``training.evaluate.evaluate_affect``.

    Raises:
        UsageError: One of the two frozen networks' checkpoints is not named.
    """
    from training.evaluate import evaluate_affect

    cache = checkpoint.parent / "cache"
    return evaluate_affect(checkpoint, inputs.data, cache, *_frozen(inputs))


def _frozen(inputs: Inputs) -> tuple[Path, Path]:
    if inputs.face is None or inputs.voice is None:
        raise UsageError(
            "affect: got no --face or no --voice; expected the best.safetensors of "
            "both recipes, which embed what it trains on (evaluate student measures a "
            "distilled network on clips)"
        )
    return inputs.face, inputs.voice


PRESETS = {"default": AffectTraining()}
