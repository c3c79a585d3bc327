"""Three tasks from six faces and the sound before them, behind one shared trunk.

Jeong et al. 2022 (arXiv 2203.13072): LSTM over faces, sound beside it, a shared trunk,
a head for each task, and a discriminator behind a gradient reversal that must not tell
which label set a frame came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from edge_affect.labels import ACTION_UNITS, EXPRESSIONS
from training.data.aff_wild2.layout import UNI_TASK_SETS
from training.models.batch_norm import WholeBatchNorm1d

SET = "SET"
"""Output of the discriminator, beside one for each of ``UNI_TASK_SETS``."""
STREAMS = ("both", "image", "audio")
"""What the network is given: faces and sound, faces alone, sound alone."""
_WIDTHS = {"VA": 2, "EXPR": len(EXPRESSIONS), "AU": len(ACTION_UNITS)}


@dataclass(frozen=True, slots=True)
class MtlShape:
    """Widths of the network. The defaults are the paper's."""

    lstm: int = 512
    """Features of the LSTM over faces."""
    trunk: tuple[int, ...] = (1024, 512)
    """Layers that all tasks share."""
    head: tuple[int, ...] = (256, 128)
    """Layers of each task's own, before its output."""
    discriminator: tuple[int, ...] = (64, 32)
    """Layers of the task discriminator, before its output."""
    dropout: float = 0.5
    """Share of a layer's features dropped in trunk and discriminator."""
    adaptation: float = 1.0
    """Factor of the reversed gradient."""


class _Reversal(torch.autograd.Function):
    """The identity, whose gradient is turned round."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.factor * gradients[0], None


def reverse_gradient(features: Tensor, factor: float) -> Tensor:
    """Return ``features``; what flows back is multiplied by ``-factor``.

    Ganin and Lempitsky 2015, section 3: the layers above learn to tell, the layers
    below learn to keep them from it.
    """
    out: Tensor = _Reversal.apply(features, factor)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return out


class ReluLstm(nn.Module):
    """LSTM with ReLU in place of its two hyperbolic tangents, as the paper has it.

    The forget gate's bias begins at 1 (Keras's default).
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.read = nn.Linear(inputs, 4 * width)
        self.recall = nn.Linear(width, 4 * width, bias=False)
        nn.init.ones_(self.read.bias[width : 2 * width])

    def forward(self, x: Tensor) -> Tensor:
        """Return the ``(B, width)`` output after the last of ``(B, n, inputs)``."""
        read = self.read(x)
        out: Tensor = read.new_zeros(len(x), self.recall.in_features)
        cell = out
        for step in read.unbind(dim=1):
            enter, keep, leave, new = (step + self.recall(out)).chunk(4, dim=1)
            cell = torch.sigmoid(keep) * cell + torch.sigmoid(enter) * torch.relu(new)
            out = torch.sigmoid(leave) * torch.relu(cell)
        return out


class MtlNet(nn.Module):
    """Faces and sound to valence and arousal, expression and action units."""

    def __init__(
        self, shape: MtlShape, face: int, sound: int, stream: str, *, tells_set: bool
    ) -> None:
        super().__init__()
        self.stream = stream
        self.adaptation = shape.adaptation
        widths = {"image": shape.lstm, "audio": sound, "both": shape.lstm + sound}
        if stream != "audio":
            self.faces = ReluLstm(face, shape.lstm)
        self.trunk = _dense((widths[stream], *shape.trunk), shape.dropout)
        shared = (widths[stream], *shape.trunk)[-1]
        self.heads = nn.ModuleDict()
        for task, width in _WIDTHS.items():
            last = nn.Linear((shared, *shape.head)[-1], width)
            self.heads[task] = _dense((shared, *shape.head), 0.0).append(last)
        # Last, so that the rest starts alike with and without it.
        if tells_set:
            last = nn.Linear((shared, *shape.discriminator)[-1], len(UNI_TASK_SETS))
            layers = _dense((shared, *shape.discriminator), shape.dropout)
            self.heads[SET] = layers.append(last)

    def share(self, faces: Tensor, sound: Tensor) -> Tensor:
        """Return the ``(B, trunk[-1])`` features that all heads read."""
        seen = [] if self.stream == "audio" else [self.faces(faces)]
        heard = [] if self.stream == "image" else [sound]
        out: Tensor = self.trunk(torch.cat([*seen, *heard], dim=1))
        return out

    def forward(
        self, faces: Tensor, sound: Tensor, wanted: Sequence[str] = UNI_TASK_SETS
    ) -> dict[str, Tensor]:
        """Return the outputs of the wanted heads.

        In training the other heads run without a gradient: the statistics of their
        batch normalisation are of all sets, as in the paper's code.

        Args:
            faces: ``(B, 6, Dv)``, oldest first.
            sound: ``(B, Da)``.
            wanted: Some of ``UNI_TASK_SETS`` and ``SET``.

        Returns:
            ``VA``: ``(B, 2)`` in [-1, 1]; ``EXPR``: ``(B, 8)``, ``AU``: ``(B, 12)``,
            ``SET``: ``(B, 3)`` logits.
        """
        shared = self.share(faces, sound)
        outputs = {}
        for name, head in self.heads.items():
            with torch.set_grad_enabled(torch.is_grad_enabled() and name in wanted):
                given = shared
                if name == SET:
                    given = reverse_gradient(shared, self.adaptation)
                told = head(given)
            if name in wanted:
                outputs[name] = torch.tanh(told) if name == "VA" else told
        return outputs


def _dense(widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Return dense, batch norm, swish and dropout from each width to the next."""
    layers = nn.Sequential()
    for inputs, outputs in pairwise(widths):
        # The norm has a bias of its own.
        layers.append(nn.Linear(inputs, outputs, bias=False))
        layers.append(WholeBatchNorm1d(outputs))
        layers.append(nn.SiLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
    return layers
