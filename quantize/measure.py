"""Figures of each network's heads on labelled data, for choosing schemes.

They are read on selection parts: FER+ ``dev`` and EmoDB's selection speakers. What is
reported is measured by ``benchmarks`` on the exported graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from quantize.material import BATCH
from training.data.ferplus import VOTE_NAMES, load_ferplus
from training.metrics import accuracy, macro_f1
from training.models.face import FACE_EXPRESSIONS, INPUT_PX

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
