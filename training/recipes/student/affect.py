"""The affect student: clips seen and heard by frozen students, told by a teacher."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Items
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_affect.errors import DataError
from edge_affect.labels import EXPRESSIONS
from training.challenge import Estimates, Labels, challenge_figures
from training.clips.recipe import refuse_shared_video
from training.composed.compose import CellConfig, Sequence
from training.data.aff_wild2 import load_aff_wild2
from training.data.aff_wild2.layout import SETS
from training.engine.cache import content_key
from training.engine.loop import Trainer
from training.features.cache import gather_features
from training.features.clips import ClipFeatures
from training.features.ours import OurFace, OurVoice
from training.inputs import Inputs
from training.models.affect import AffectNet, AffectOutput
from training.models.face import FACE_EXPRESSIONS
from training.models.load import load_affect_net
from training.recipes.affect import (
    HOP_CELLS,
    affect_loss,
    ahead_of,
    cut_at,
    draw_hop,
    make_batch,
    new_affect_net,
)
from training.recipes.student.clips import (
    Told,
    cell_of_frames,
    frame_of_cells,
    read_told,
    to_sequence,
)
from training.recipes.student.config import AffectStudent
from training.recipes.student.losses import (
    affect_distance,
    known_distillation,
    mixed,
    shared_classes,
)
from training.targets.folder import TargetFolder

UNDISTURBED = CellConfig(
    frame_hz=(30,),
    drop_share=0.0,
    bursts_per_s=0.0,
    stale_s=(0.5, 0.5),
    no_face_share=0.0,
    no_voice_share=0.0,
)
"""How clips arrive when they are measured: whatever was filmed and said."""
SELECTED = ("p_va", "p_expr")
"""Figures whose mean the best epoch is chosen by, as far as there are labels."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A clip on the grid of cells."""

    sequence: Sequence
    """What is seen, heard and labelled."""
    told: Told | None
    """What the teacher says of each cell; None without one."""


class AffectStudentTrainer(Trainer[AffectStudent, AffectNet]):
    """Trains on pieces of clips, on their labels and on the teacher's word."""

    recipe = "affect"
    selection = "score"

    def __init__(
        self,
        config: AffectStudent,
        net: AffectNet,
        lessons: Items[Lesson],
        dev: Items[ClipFeatures],
        classes: Items[str] = EXPRESSIONS,
    ) -> None:
        """Take clips.

        Args:
            config: The settings.
            net: The network, with seeded weights.
            lessons: Training clips.
            dev: Clips for selection.
            classes: The teacher's, in its logits' order.

        Raises:
            DataError: No clip is as long as a sequence.
        """
        self.lessons = [
            one for one in lessons if len(one.sequence.face) >= config.cells
        ]
        lengths = np.array([len(one.sequence.face) for one in self.lessons], np.float64)
        if len(lengths) == 0:
            raise DataError(
                f"student affect: got no clip of {config.cells} cells, expected some; "
                "set cells lower or give longer clips"
            )
        self.shares = lengths / lengths.sum()
        self.dev = dev
        self.columns = shared_classes(FACE_EXPRESSIONS, classes)
        pieces = int(lengths.sum()) // config.cells // config.batch
        super().__init__(config, net, max(1, pieces))
        self.data = content_key(lessons, dev)

    def losses(self, random: torch.Generator) -> Iterator[Tensor]:
        """Yield the loss of each batch of one epoch."""
        draw = np.random.default_rng(int(torch.randint(2**31, (1,), generator=random)))
        config = self.config
        for _ in range(self.steps):
            rows = draw.choice(len(self.lessons), config.batch, p=self.shares)
            pieces = [self._cut(self.lessons[row], draw) for row in rows]
            batch = make_batch([one.sequence for one in pieces], config.cell, draw)
            output, _ = self.net(batch.given, self.net.new_state(len(pieces)))
            loss = affect_loss(output, batch)
            told = [one.told for one in pieces if one.told is not None]
            if told:
                loss = mixed(loss, self.told_loss(output, told), config.kd_share)
            yield loss

    def told_loss(self, output: AffectOutput, told: Items[Told]) -> Tensor:
        """Return the distance to what the teacher says now and 1/3 s later."""
        affect, ahead, expression = (
            torch.from_numpy(np.stack(column))
            for column in zip(
                *((t.affect, ahead_of(t.affect), t.expression) for t in told),
                strict=True,
            )
        )
        mine, its = self.columns
        return (
            affect_distance(output.affect, affect)
            + affect_distance(output.ahead, ahead)
            + known_distillation(
                output.expression.flatten(0, 1)[:, mine],
                expression.flatten(0, 1)[:, its],
                self.config.temperature,
            )
        )

    def _cut(self, whole: Lesson, draw: np.random.Generator) -> Lesson:
        cells = self.config.cells
        hop = draw_hop(len(whole.sequence.face), cells, draw)
        start = hop * HOP_CELLS
        told = whole.told
        if told is not None:
            told = told.at(np.arange(start, start + cells))
        return Lesson(cut_at(whole.sequence, cells, hop), told)

    def evaluate(self) -> dict[str, float]:
        """Return the averaged network's challenge figures, and the mean ``score``."""
        figures = clips_figures(self.average, self.dev)
        chosen = [figures[name] for name in SELECTED if name in figures]
        if not chosen:
            raise DataError(
                "student affect: got validation clips without valence, arousal and "
                "expression labels, expected some to select by"
            )
        return {**figures, "score": float(np.mean(chosen))}


def clips_figures(net: AffectNet, clips: Items[ClipFeatures]) -> dict[str, float]:
    """Return the challenge figures over all frames of ``clips``, end to end.

    P_EXPR counts eight classes; the network never says ``other``.
    """
    estimates = [estimate_clip(net, clip) for clip in clips]
    affect, scores = (np.concatenate(column) for column in zip(*estimates, strict=True))
    labels = Labels(
        *(
            np.concatenate([getattr(clip, name) for clip in clips])
            for name in ("valence_arousal", "expression", "action_units")
        )
    )
    return challenge_figures(labels, Estimates(affect, scores))


@torch.no_grad()
def estimate_clip(
    net: AffectNet, clip: ClipFeatures
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return ``(T, 2)`` valence and arousal, ``(T, 8)`` scores in Aff-Wild2's order."""
    sequence = to_sequence(clip)
    batch = make_batch([sequence], UNDISTURBED, np.random.default_rng(0))
    output, _ = net(batch.given, net.new_state())
    cells = cell_of_frames(len(clip.present), clip.fps)
    scores = np.full((len(cells), len(EXPRESSIONS)), -np.inf, np.float32)
    mine, its = shared_classes(FACE_EXPRESSIONS, EXPRESSIONS)
    scores[:, its] = output.expression[0, cells][:, mine].numpy()
    return output.affect[0, cells].numpy(), scores


def new_trainer(
    config: AffectStudent, inputs: Inputs, targets: TargetFolder | None
) -> AffectStudentTrainer:
    """Return the trainer on ``inputs``; the committed students embed by default.

    Raises:
        DataError: The clips or a checkpoint cannot be read, a video is in both parts,
            or the teacher has not labelled a clip.
    """
    face, voice = _embedders(inputs)
    train, dev = (_clips(inputs, part, face, voice) for part in ("train", "valid"))
    refuse_shared_video((clip.name for clip in train), (clip.name for clip in dev))
    teacher = "" if targets is None else str(targets.teacher)
    config = replace(
        config,
        sources=f"{teacher} {face.key} {voice.key}".strip(),
        net=replace(config.net, face=face.width, voice=voice.width),
    )
    lessons = [Lesson(to_sequence(clip), _cells_told(targets, clip)) for clip in train]
    net = new_affect_net(config.net, config.seed, face.net)
    classes = EXPRESSIONS if targets is None else targets.teacher.classes
    return AffectStudentTrainer(config, net, lessons, dev, classes)


def evaluate(checkpoint: Path, inputs: Inputs) -> dict[str, float]:
    """Return an affect network's challenge figures on the validation clips.

    Raises:
        DataError: The clips or a checkpoint cannot be read.
    """
    clips = _clips(inputs, "valid", *_embedders(inputs))
    return clips_figures(load_affect_net(checkpoint), clips)


def _embedders(inputs: Inputs) -> tuple[OurFace, OurVoice]:
    face = OurFace() if inputs.face is None else OurFace(inputs.face)
    return face, OurVoice() if inputs.voice is None else OurVoice(inputs.voice)


def _clips(
    inputs: Inputs, split: str, face: OurFace, voice: OurVoice
) -> list[ClipFeatures]:
    clips = load_aff_wild2(inputs.data, split, SETS)
    return gather_features(clips, face, voice, inputs.cache)


def _cells_told(targets: TargetFolder | None, clip: ClipFeatures) -> Told | None:
    if targets is None:
        return None
    told = read_told(targets, "train", clip)
    return told.at(frame_of_cells(len(clip.present), clip.fps))
