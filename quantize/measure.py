"""Figures of each network's heads on labelled data, for choosing schemes.

They are read on selection parts: FER+ ``dev`` and EmoDB's selection speakers. What is
reported is measured by ``benchmarks`` on the exported graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edge_affect.errors import DataError
from edge_affect.labels import VOICE_EMOTIONS
from edge_affect.sensing.logmel import logmel
from quantize.material import BATCH
from training.data.emodb import load_emodb, read_speech
from training.data.ferplus import VOTE_NAMES, load_ferplus
from training.metrics import accuracy, macro_f1, uar
from training.models.face import FACE_EXPRESSIONS, INPUT_PX
from training.models.voice import HOP_COLUMNS

SELECTION_SPEAKERS = ("03",)
"""Training speakers that the voice network was selected on, not trained on."""
Measure = Callable[[nn.Module], dict[str, float]]


def face_measure(root: Path) -> Measure:
    """Return what gives accuracy and macro F1 on FER+ ``dev``.

    Raises:
        DataError: The set is missing or damaged.
    """
    data = load_ferplus(root, "dev")
    luma = torch.from_numpy(data.archive.read(data.names, INPUT_PX // 2, grey=True))
    order = np.array([FACE_EXPRESSIONS.index(name) for name in VOTE_NAMES])
    truth = order[data.labels]

    def measure(net: nn.Module) -> dict[str, float]:
        with torch.no_grad():
            logits = torch.cat(
                [net(part[:, None].float())[1] for part in torch.split(luma, BATCH)]
            )
        said = logits.argmax(1).numpy()
        return {
            "accuracy": accuracy(truth, said, len(order)),
            "macro_f1": macro_f1(truth, said, len(order)),
        }

    return measure


def voice_measure(root: Path) -> Measure:
    """Return what gives UAR at each utterance's end, on the selection speakers.

    Raises:
        DataError: The set is missing, damaged, or lacks these speakers.
    """
    spoken = [u for u in load_emodb(root, "train") if u.speaker in SELECTION_SPEAKERS]
    if not spoken:
        raise DataError(
            f"{root}: got no utterance of the speakers {', '.join(SELECTION_SPEAKERS)}"
        )
    truth = np.array([VOICE_EMOTIONS.index(u.emotion) for u in spoken])
    mels = [torch.from_numpy(logmel(read_speech(utterance))) for utterance in spoken]

    def measure(net: nn.Module) -> dict[str, float]:
        said = []
        with torch.no_grad():
            for mel in mels:
                hops = len(mel) // HOP_COLUMNS * HOP_COLUMNS
                output = net(mel[None, :hops], net.new_state())[0]  # type: ignore[operator]
                said.append(int(output.emotion[0, -1].argmax()))
        return {"uar": uar(truth, np.array(said), len(VOICE_EMOTIONS))}

    return measure


MEASURES: Mapping[str, Callable[[Path], Measure]] = {
    "face": face_measure,
    "voice": voice_measure,
}
"""Graph → what measures its heads. The affect network's labels are composed by its
recipe: here it is held against itself in float alone."""
