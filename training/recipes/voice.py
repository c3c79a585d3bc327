"""Train the voice network: EmoDB's emotions, and speech against noise made in code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_affect.errors import DataError
from edge_affect.labels import VOICE_EMOTIONS
from edge_affect.sensing.logmel import logmel
from edge_affect.types import SAMPLE_RATE_HZ
from training.data.emodb import Utterance, load_emodb, read_speech
from training.engine.cache import content_key
from training.engine.checkpoint import load_checkpoint
from training.engine.config import from_plain
from training.engine.loop import Trainer, run
from training.inputs import Inputs
from training.losses import masked_binary_cross_entropy, masked_cross_entropy
from training.metrics import uar
from training.models.voice import HOP_COLUMNS, VoiceConfig, VoiceNet, VoiceOutput
from training.sound import NOISES, SoundConfig, change_speech, change_speed, make_noise

RECIPE = "voice"
HOP_SAMPLES = 1600
"""Samples in a voice hop of 100 ms."""
EARLIEST_HOP = 5
"""Hops of speech (0.5 s) before an emotion is asked for."""
AFTER_ONE_SECOND = 9
"""Index of the hop that ends one second of sound."""
_SPEECH_DB, _PAUSE_DB = -30.0, -45.0


@dataclass(frozen=True, slots=True)
class VoiceTraining:
    """Settings of the recipe ``voice``."""

    epochs: int = 50
    """Passes over the training speakers' utterances, ``repeats`` times each."""
    repeats: int = 2
    """Times that each utterance is heard in an epoch, changed anew."""
    batch: int = 32
    """Clips in a batch."""
    clip_hops: int = 45
    """Length of a clip, hops of 100 ms."""
    noise_share: float = 0.15
    """Share of clips without speech."""
    learning_rate: float = 3e-3
    """Highest rate of the one-cycle schedule."""
    schedule: str = "one_cycle"
    """How the learning rate moves."""
    patience: int | None = None
    """Epochs without a better figure before the run stops; None stops at none."""
    weight_decay: float = 0.1
    """AdamW's weight decay."""
    average: float = 0.98
    """Decay of the weights' moving average, per step."""
    speech_weight: float = 0.5
    """Weight of the speech loss beside the emotion loss."""
    dev_speakers: tuple[str, ...] = ("03",)
    """Training speakers kept for selection; with none the last epoch is kept."""
    seed: int = 1
    """Seed of initial weights, order and augmentation."""
    sound: SoundConfig = field(default_factory=SoundConfig)
    net: VoiceConfig = field(default_factory=VoiceConfig)


SettingsT = TypeVar("SettingsT", bound=VoiceTraining)


@dataclass(frozen=True, slots=True)
class Spoken:
    """One utterance in memory."""

    sound: NDArray[np.float32]
    """``(samples,)`` in [-1, 1] at 16 kHz."""
    emotion: int
    """Index in ``VOICE_EMOTIONS``."""
    speaker: str


@dataclass(frozen=True, slots=True)
class _Clip:
    sound: NDArray[np.float32]
    speech: NDArray[np.float32]
    emotion: int
    weight: NDArray[np.float32]


def read_spoken(utterances: Sequence[Utterance]) -> list[Spoken]:
    """Decode ``utterances``."""
    return [
        Spoken(read_speech(u), VOICE_EMOTIONS.index(u.emotion), u.speaker)
        for u in utterances
    ]


def speech_in_hops(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Tell for each hop of clean speech whether it holds some: 1, 0 or NaN (unsure).

    A hop is measured against the loudest of its utterance.
    """
    hops = len(sound) // HOP_SAMPLES
    power = (sound[: hops * HOP_SAMPLES].reshape(hops, -1) ** 2).mean(axis=1)
    level_db = 10 * np.log10(power + 1e-10) - 10 * np.log10(power.max() + 1e-10)
    speech = np.full(hops, np.nan, np.float32)
    speech[level_db > _SPEECH_DB] = 1
    speech[(level_db < _PAUSE_DB) | (power < 1e-9)] = 0
    return speech


def _spoken_clip(
    spoken: Spoken, config: VoiceTraining, random: np.random.Generator
) -> _Clip:
    length = config.clip_hops * HOP_SAMPLES
    rate = 1 + config.sound.speed * random.uniform(-1, 1)
    voice = change_speed(spoken.sound, float(rate))
    before = int(random.integers(0, SAMPLE_RATE_HZ)) * int(random.random() < 0.7)
    skipped = int(random.integers(0, max(1, len(voice) - length // 2)))
    skipped *= int(random.random() < 0.3)
    clean = np.zeros(length, np.float32)
    heard = voice[skipped : skipped + length - before]
    clean[before : before + len(heard)] = heard
    weight = np.zeros(config.clip_hops, np.float32)
    first = before // HOP_SAMPLES + EARLIEST_HOP
    last = min(config.clip_hops, (before + len(heard)) // HOP_SAMPLES + 3)
    ramp = np.arange(1, last - first + 1, dtype=np.float32)
    weight[first:last] = ramp / max(1, len(ramp))
    sound = change_speech(clean, config.sound, random)
    return _Clip(sound, speech_in_hops(clean), spoken.emotion, weight)


def _noise_clip(config: VoiceTraining, random: np.random.Generator) -> _Clip:
    kind = NOISES[int(random.integers(len(NOISES)))]
    length = config.clip_hops * HOP_SAMPLES
    level = 10 ** (random.uniform(-80, -10) / 20)
    noise = make_noise(kind, length, random) * level
    if random.random() < 0.5:
        start, stop = sorted(random.integers(0, length, 2))
        noise[start:stop] *= 10 ** (random.uniform(-40, 20) / 20)
    silent = np.zeros(config.clip_hops, np.float32)
    return _Clip(np.clip(noise, -1, 1).astype(np.float32), silent, -1, silent)


class VoiceTrainer(Trainer[SettingsT, VoiceNet], Generic[SettingsT]):
    """Holds what one run needs between epochs."""

    recipe = RECIPE
    selection = "uar"

    def __init__(self, config: SettingsT, utterances: Sequence[Utterance]) -> None:
        """Decode ``utterances``; those of ``dev_speakers`` are for selection."""
        spoken = read_spoken(utterances)
        self.spoken = [s for s in spoken if s.speaker not in config.dev_speakers]
        self.dev = [s for s in spoken if s.speaker in config.dev_speakers]
        counts = np.bincount([s.emotion for s in self.spoken], minlength=7)
        balance = counts.mean() / np.maximum(counts, 1)
        self.balance = torch.tensor(balance, dtype=torch.float32)
        torch.manual_seed(config.seed)
        super().__init__(
            config,
            self.new_net(config),
            len(self.spoken) * config.repeats // config.batch,
        )
        self.data = content_key(self.spoken, self.dev)
        if not self.steps:
            raise DataError(
                f"voice: got {len(self.spoken)} utterances to train on, "
                f"{config.repeats} times each, expected a batch of {config.batch} at "
                "least; set batch lower"
            )

    def new_net(self, config: SettingsT) -> VoiceNet:
        """Return the network, with seeded weights."""
        return VoiceNet(config.net)

    def losses(self, random: torch.Generator) -> Iterator[Tensor]:
        """Yield the loss of each batch of one epoch."""
        seed = int(torch.randint(2**31, (1,), generator=random))
        draw = np.random.default_rng(seed)
        order = np.concatenate(
            [draw.permutation(len(self.spoken)) for _ in range(self.config.repeats)]
        )
        for step in range(self.steps):
            rows = order[step * self.config.batch : (step + 1) * self.config.batch]
            yield self._loss([self._clip(row, draw) for row in rows], draw)

    def _clip(self, row: int, draw: np.random.Generator) -> _Clip:
        if draw.random() < self.config.noise_share:
            return _noise_clip(self.config, draw)
        return _spoken_clip(self.spoken[row], self.config, draw)

    def _loss(self, clips: list[_Clip], draw: np.random.Generator) -> Tensor:
        output = self.listen([clip.sound for clip in clips], draw)
        emotion = torch.tensor([clip.emotion for clip in clips])
        weight = torch.from_numpy(np.stack([clip.weight for clip in clips]))
        weight = weight * self.balance[emotion.clamp(min=0)][:, None]
        hops = weight.shape[1]
        speech = torch.from_numpy(np.stack([clip.speech for clip in clips]))
        return masked_cross_entropy(
            output.emotion.flatten(0, 1),
            emotion[:, None].expand(-1, hops).flatten(),
            weight.flatten(),
        ) + self.config.speech_weight * masked_binary_cross_entropy(
            output.speech, speech
        )

    def listen(
        self, sounds: list[NDArray[np.float32]], draw: np.random.Generator
    ) -> VoiceOutput:
        """Run the network on sounds of one length, some of their mel bands hidden."""
        mel = np.stack([_hide_bands(logmel(sound), draw) for sound in sounds])
        state = self.net.new_state(len(sounds))
        output: VoiceOutput = self.net(torch.from_numpy(mel), state)[0]
        return output

    def evaluate(self) -> dict[str, float]:
        """Return the averaged network's figures on the selection speakers."""
        return voice_figures(self.average, self.dev)


class WholeTrainer(VoiceTrainer[VoiceTraining]):
    """Trains on every speaker for as long as it is told: nothing is selected.

    The best epoch is always the last one.
    """

    selection = "epochs"
    _done = 0.0

    def resumed(self, figures: dict[str, float]) -> None:
        """Take up the number of epochs."""
        self._done = figures["dev_epochs"]

    def evaluate(self) -> dict[str, float]:
        """Return how many epochs there were."""
        self._done += 1
        return {"epochs": self._done}


def _hide_bands(
    mel: NDArray[np.float32], draw: np.random.Generator
) -> NDArray[np.float32]:
    """Replace a few neighbouring bands by their mean (SpecAugment's frequency mask)."""
    width = int(draw.integers(0, 9))
    start = int(draw.integers(0, mel.shape[1] - width))
    mel[:, start : start + width] = mel.mean()
    return mel


@torch.no_grad()
def run_voice(net: VoiceNet, sound: NDArray[np.float32]) -> VoiceOutput:
    """Follow ``(samples,)`` sound from a fresh state; outputs ``(1, T, …)``."""
    mel = torch.from_numpy(logmel(sound))
    usable = len(mel) // HOP_COLUMNS * HOP_COLUMNS
    output: VoiceOutput = net(mel[None, :usable], net.new_state())[0]
    return output


def voice_figures(net: VoiceNet, spoken: list[Spoken]) -> dict[str, float]:
    """Return recalls at each utterance's end and after its first second."""
    truth = np.array([s.emotion for s in spoken], np.int64)
    end, early = said_of(net, spoken)
    classes = len(VOICE_EMOTIONS)
    return {
        "uar": uar(truth, end, classes),
        "uar_1s": uar(truth, early, classes),
        "false_speech": false_speech(net),
    }


def said_of(
    net: VoiceNet, spoken: Sequence[Spoken]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the emotion at each utterance's end, and after its first second."""
    logits = [run_voice(net, s.sound).emotion[0].numpy() for s in spoken]
    end = [row[-1].argmax() for row in logits]
    early = [row[min(AFTER_ONE_SECOND, len(row) - 1)].argmax() for row in logits]
    return np.array(end, np.int64), np.array(early, np.int64)


def false_speech(net: VoiceNet, seconds: int = 5, seed: int = 0) -> float:
    """Return the share of hops of noise made in code that are taken for speech."""
    random = np.random.default_rng(seed)
    found = [
        run_voice(net, make_noise(kind, seconds * SAMPLE_RATE_HZ, random) * level)
        for kind in NOISES
        for level in (np.float32(0.003), np.float32(0.03))
    ]
    return float(torch.cat([output.speech for output in found]).gt(0).float().mean())


def dev_speakers(path: Path) -> tuple[str, ...]:
    """Return the training speakers that a checkpoint was selected on.

    Raises:
        DataError: The checkpoint is missing, damaged or another recipe's.
    """
    # A distilled network has more settings than the recipe; both have this one.
    speakers = load_checkpoint(path, RECIPE).config["dev_speakers"]
    return from_plain(VoiceTraining, {"dev_speakers": speakers}).dev_speakers


def train_voice(config: VoiceTraining, data_root: Path, out: Path) -> Path:
    """Train, or go on from where ``out`` stopped; see ``training.engine.loop.run``."""
    trainer = VoiceTrainer if config.dev_speakers else WholeTrainer
    return run(trainer(config, load_emodb(data_root, "train")), out)


def train(config: VoiceTraining, inputs: Inputs, out: Path) -> Path:
    """Train on EmoDB under ``inputs.data``."""
    return train_voice(config, inputs.data, out)


def evaluate(checkpoint: Path, inputs: Inputs) -> dict[str, float]:
    """Return the figures of ``training.evaluate.evaluate_voice``."""
    from training.evaluate import evaluate_voice

    return evaluate_voice(checkpoint, inputs.data)


PRESETS = {
    # Six speakers: one kept for selection costs more than it chooses (folds).
    "default": VoiceTraining(dev_speakers=())
}
