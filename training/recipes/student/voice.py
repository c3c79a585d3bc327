"""The voice student: EmoDB as ever, and clips whose teacher also saw the face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_affect.errors import DataError
from training.data.aff_wild2 import NoSoundError, load_aff_wild2, read_sound
from training.data.aff_wild2.layout import SETS
from training.data.emodb import Utterance
from training.engine.cache import content_key
from training.engine.progress import progress
from training.inputs import Inputs
from training.models.load import TRAIN_ONLY
from training.models.voice import VoiceNet
from training.recipes.student.clips import Told, frame_of_hops, read_told
from training.recipes.student.config import VoiceStudent
from training.recipes.student.losses import affect_distance, known_distillation, mixed
from training.recipes.voice import EARLIEST_HOP, HOP_SAMPLES, VoiceTrainer
from training.sound import change_speech
from training.targets.folder import TargetFolder

_FULL_SCALE = 32767


@dataclass(frozen=True, slots=True)
class Heard:
    """The sound of a clip."""

    sound: NDArray[np.int16]
    """``(hops * 1600,)`` at 16 kHz: half of what floats would take."""
    told: Told
    """What the teacher says at the end of each hop."""


class VoiceStudentTrainer(VoiceTrainer[VoiceStudent]):
    """Adds a teacher's word on clips to the recipe ``voice``.

    It is read from the embedding by a layer that only training needs, so that what the
    affect network will get from the embedding is what the teacher shapes.
    """

    def __init__(
        self,
        config: VoiceStudent,
        utterances: Sequence[Utterance],
        heard: Sequence[Heard],
    ) -> None:
        """Take utterances and clips.

        Raises:
            DataError: An utterance is not usable, or there is no clip.
        """
        if not heard:
            raise DataError(
                "student voice: got no clip with sound, expected some; or set "
                "kd_share=0"
            )
        self.heard = heard
        self.classes = heard[0].told.expression.shape[1]
        super().__init__(config, utterances)
        self.data += f" {content_key(heard)}"

    def new_net(self, config: VoiceStudent) -> VoiceNet:
        """Return the network with a layer for the teacher's outputs."""
        net = super().new_net(config)
        layer = nn.Linear(config.net.embedding, 2 + self.classes)
        net.add_module(TRAIN_ONLY, layer)
        return net

    def losses(self, random: torch.Generator) -> Iterator[Tensor]:
        """Yield the mixed loss of each batch of EmoDB and each of clips."""
        seed = int(torch.randint(2**31, (1,), generator=random))
        draw = np.random.default_rng(seed)
        for hard in super().losses(random):
            yield mixed(hard, self.told_loss(draw), self.config.kd_share)

    def told_loss(self, draw: np.random.Generator) -> Tensor:
        """Return the distance to the teacher on a batch of pieces of clips."""
        rows = draw.integers(len(self.heard), size=self.config.clip_batch)
        sounds, told = zip(
            *(self._cut(self.heard[row], draw) for row in rows), strict=True
        )
        embedding = self.listen(list(sounds), draw).embedding[:, EARLIEST_HOP:]
        said = self.net.get_submodule(TRAIN_ONLY)(embedding).flatten(0, 1)
        affect, expression = (
            torch.from_numpy(np.concatenate(column))
            for column in zip(*((t.affect, t.expression) for t in told), strict=True)
        )
        return affect_distance(torch.tanh(said[:, :2]), affect) + known_distillation(
            said[:, 2:], expression, self.config.temperature
        )

    def _cut(
        self, heard: Heard, draw: np.random.Generator
    ) -> tuple[NDArray[np.float32], Told]:
        """Take a piece and change its sound; the memory's first hops are not asked."""
        hops = self.config.clip_hops
        whole = len(heard.told.affect)
        first = int(draw.integers(0, max(0, whole - hops) + 1))
        clean = np.zeros(hops * HOP_SAMPLES, np.float32)
        piece = heard.sound[first * HOP_SAMPLES : (first + hops) * HOP_SAMPLES]
        clean[: len(piece)] = piece.astype(np.float32) / _FULL_SCALE
        asked = first + np.arange(EARLIEST_HOP, hops)
        told = heard.told.at(np.where(asked < whole, asked, -1))
        return change_speech(clean, self.config.sound, draw), told


def hear_clips(inputs: Inputs, targets: TargetFolder) -> list[Heard]:
    """Return the training clips that have a sound, with the teacher's word.

    Raises:
        DataError: A clip cannot be read, or the teacher has not labelled it.
    """
    clips = load_aff_wild2(inputs.data, "train", SETS)
    heard = []
    for clip in progress(clips, "clips heard"):
        try:
            sound = read_sound(clip)
        except NoSoundError:
            continue
        told = read_told(targets, "train", clip)
        hops = len(sound) // HOP_SAMPLES
        if hops:
            rows = frame_of_hops(hops, len(clip.present), clip.fps)
            heard.append(Heard(to_int16(sound[: hops * HOP_SAMPLES]), told.at(rows)))
    return heard


def to_int16(sound: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return sound in [-1, 1] as 16-bit integers."""
    return np.rint(np.clip(sound, -1, 1) * _FULL_SCALE).astype(np.int16)
