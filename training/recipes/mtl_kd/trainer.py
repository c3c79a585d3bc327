"""Teacher and student: batches of one set each, an optimiser step after every one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from edge_affect.errors import DataError
from training.challenge import Estimates
from training.clips.tape import Tape
from training.clips.trainer import ClipTrainer
from training.data.aff_wild2.layout import UNI_TASK_SETS
from training.engine import distributed
from training.engine.cache import settings_key
from training.models.mtl_kd import SET, MtlNet
from training.recipes.mtl_kd.config import MTL, MtlKdConfig, TeacherConfig
from training.recipes.mtl_kd.figures import mtl_figures
from training.recipes.mtl_kd.losses import (
    Terms,
    Waiting,
    hard_loss,
    loss_terms,
    reversal_ramp,
    student_loss,
)
from training.recipes.mtl_kd.sets import refuse_unlabelled, set_rows
from training.recipes.mtl_kd.window import hear, see

ConfigT = TypeVar("ConfigT", bound=TeacherConfig)


class MtlTrainer(ClipTrainer[ConfigT, MtlNet], Generic[ConfigT]):
    """What teacher and student share: the sets, their batches and the figures."""

    selection = "p_mtl"
    task = MTL

    def __init__(self, config: ConfigT, train: Tape, dev: Tape) -> None:
        refuse_unlabelled(dev)
        self.sets = {name: set_rows(train, name, config.skip_s) for name in config.sets}
        super().__init__(config, train, dev)
        self.rounds = len(max(self.sets.values(), key=len)) // config.hop
        self.rounds //= config.batch
        self.sizes = {name: self._size(name) for name in self.sets}
        self.steps = self.rounds * len(self.sets)
        self.epoch = 0

    def _size(self, name: str) -> int:
        world = distributed.world_size()
        hopped = len(self.sets[name]) // self.config.hop
        size = hopped // max(1, self.rounds) // world * world
        if self.rounds == 0 or size < 2 * world:
            raise DataError(
                f"{self.recipe}: got {len(self.sets[name])} frames of the set {name} "
                f"for {self.rounds} rounds of batches, expected a round or more and "
                "two frames or more in each; lower hop or batch, give more clips, or "
                "leave the set out"
            )
        return size

    @classmethod
    def new_net(cls, config: ConfigT, face: int, sound: int) -> MtlNet:
        """Return the network for features of these widths."""
        return MtlNet(
            config.shape, face, sound, config.stream, tells_set=config.discriminator
        )

    @classmethod
    def estimate(
        cls, config: ConfigT, net: MtlNet, tape: Tape, rows: Tensor
    ) -> Estimates:
        """Return all three tasks' estimates for ``(B,)`` rows."""
        told = net(see(tape, rows), hear(tape, rows, config.sound_past_s))
        return Estimates(
            told["VA"].numpy(),
            told["EXPR"].numpy(),
            torch.sigmoid(told["AU"]).numpy(),
        )

    def trained_rows(self, config: ConfigT) -> Tensor:  # noqa: ARG002
        """Return the rows of all sets."""
        return torch.cat(list(self.sets.values()))

    def train_epoch(self, epoch: int) -> float:
        """Run one pass, with this epoch's weight of the discriminator."""
        self.epoch = epoch
        return super().train_epoch(epoch)

    def losses(self, random: torch.Generator) -> Iterator[Tensor]:
        """Yield the loss of a batch of each set, then again, until all sets end."""
        order = {}
        for name, rows in self.sets.items():
            first = int(torch.randint(self.config.hop, (1,), generator=random))
            hopped = rows[first :: self.config.hop]
            order[name] = hopped[torch.randperm(len(hopped), generator=random)]
        for step in range(self.rounds):
            for name, size in self.sizes.items():
                rows = order[name][step * size : (step + 1) * size]
                yield self.batch_loss(rows, random)

    def batch_loss(self, rows: Tensor, random: torch.Generator) -> Tensor:  # noqa: ARG002
        """Return the loss of ``(B,)`` rows, all of one set."""
        number = int(self.train.label_set[rows[0]])
        home = MTL if number < 0 else UNI_TASK_SETS[number]
        is_told = self.config.discriminator and home != MTL
        wanted = (*self.tasks(home), SET) if is_told else self.tasks(home)
        mine = distributed.share(rows)
        sound = hear(self.train, mine, self.config.sound_past_s)
        told = self.shared(see(self.train, mine), sound, wanted)
        given = {name: distributed.gathered(value) for name, value in told.items()}
        loss = self.task_loss(home, given, rows)
        if is_told:
            truth = torch.full((len(rows),), number)
            ramp = reversal_ramp(self.epoch, self.config.epochs)
            loss = loss + ramp * functional.cross_entropy(given[SET], truth)
        return loss

    @abstractmethod
    def tasks(self, home: str) -> tuple[str, ...]:
        """Return the tasks whose outputs the loss of a batch of ``home`` reads."""

    @abstractmethod
    def task_loss(self, home: str, given: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        """Return the loss of a batch of ``home``, the discriminator's left out."""

    def truth(self, task: str, rows: Tensor) -> Tensor:
        """Return the labels of ``(B,)`` rows."""
        labels = {
            "VA": self.train.valence_arousal,
            "EXPR": self.train.expression,
            "AU": self.train.action_units,
        }
        return labels[task][rows]

    def evaluate(self) -> dict[str, float]:
        """Return the averaged network's figures on the selection part."""
        return mtl_figures(type(self), self.config, self.average, self.dev)


class TeacherTrainer(MtlTrainer[TeacherConfig]):
    """Trains the teacher on the labels there are."""

    recipe = "mtl_kd_teacher"
    config_type = TeacherConfig

    def tasks(self, home: str) -> tuple[str, ...]:
        """Return the set's own task, or all of them."""
        return UNI_TASK_SETS if home == MTL else (home,)

    def task_loss(self, home: str, given: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        """Return the sum of the losses of the labels there are."""
        parts = [hard_loss(t, given[t], self.truth(t, rows)) for t in self.tasks(home)]
        return torch.stack(parts).sum()


class StudentTrainer(MtlTrainer[MtlKdConfig]):
    """Trains the student on hard labels and on what a teacher says of each frame.

    A task's weight grows while its figure on the selection part does not.
    """

    recipe = "mtl_kd"
    config_type = MtlKdConfig

    def __init__(
        self, config: MtlKdConfig, train: Tape, dev: Tape, teacher: Mapping[str, Tensor]
    ) -> None:
        super().__init__(config, train, dev)
        self.teacher = teacher
        # Soft labels are data too: a run goes on with the same teacher's only.
        sums = ",".join(f"{t}{float(v.double().sum())!r}" for t, v in teacher.items())
        self.data += f" {settings_key(sums)}"
        self.waiting = {task: Waiting() for task in UNI_TASK_SETS}

    def tasks(self, home: str) -> tuple[str, ...]:
        """Return the set's own task and those that soft labels teach."""
        if home == MTL:
            return UNI_TASK_SETS
        return tuple(dict.fromkeys((home, *self.terms(home).soft)))

    def terms(self, home: str) -> Terms:
        """Return what the terms of the loss count now."""
        weights = {task: waiting.weight for task, waiting in self.waiting.items()}
        return loss_terms(home, weights, self.config)

    def task_loss(self, home: str, given: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        """Return the weighted loss of hard and soft labels."""
        if home == MTL:
            parts = [
                waiting.weight * hard_loss(task, given[task], self.truth(task, rows))
                for task, waiting in self.waiting.items()
            ]
            return torch.stack(parts).sum()
        told = {task: value[rows] for task, value in self.teacher.items()}
        return student_loss(home, given, self.truth(home, rows), told, self.terms(home))

    def evaluate(self) -> dict[str, float]:
        """Return the figures, with each task's epochs of waiting and best figure."""
        figures = super().evaluate()
        kept = {}
        for task, waiting in self.waiting.items():
            waiting.tell(distributed.agreed(figures[f"p_{task.lower()}"]))
            kept[f"waited_{task.lower()}"] = float(waiting.epochs)
            kept[f"highest_{task.lower()}"] = waiting.best
        return figures | kept

    def resumed(self, figures: dict[str, float]) -> None:
        """Take up the tasks' waiting where the last epoch left it."""
        for task in UNI_TASK_SETS:
            name = task.lower()
            self.waiting[task] = Waiting(
                figures[f"dev_highest_{name}"], int(figures[f"dev_waited_{name}"])
            )
