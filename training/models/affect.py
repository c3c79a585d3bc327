"""Affect network: both modalities over time to affect, its spread and its future."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

AFFECT_STATES = ("memory",)
"""Names of the state tensors; in the graph with ``state_`` before them."""
LEAST_DEVIATION = 0.02
"""Smallest spread of valence and arousal: a step of the raters' scale is 0.1."""


@dataclass(frozen=True, slots=True)
class AffectConfig:
    """Shape of the affect network."""

    face: int = 64
    """Length of the face embedding."""
    voice: int = 32
    """Length of the voice embedding."""
    width: int = 64
    """Features of the recurrent memory."""
    expressions: int = 8
    """Number of expression classes."""
    dropout: float = 0.2
    """Share of the recurrent features dropped in training."""


@dataclass(frozen=True, slots=True)
class AffectInput:
    """What reaches the network in ``T`` cells."""

    face: Tensor
    """``(B, T, 64)`` newest face embedding."""
    voice: Tensor
    """``(B, T, 32)`` newest voice embedding."""
    face_valid: Tensor
    """``(B, T, 1)`` 0 or 1; 0 hides the embedding and its age altogether."""
    voice_valid: Tensor
    """``(B, T, 1)`` 0 or 1."""
    face_age: Tensor
    """``(B, T, 1)`` seconds since the face was seen."""
    voice_age: Tensor
    """``(B, T, 1)`` seconds since the end of the voice hop."""


@dataclass(frozen=True, slots=True)
class AffectOutput:
    """What the network says in each of ``T`` cells."""

    affect: Tensor
    """``(B, T, 2)`` valence and arousal in [-1, 1]."""
    deviation: Tensor
    """``(B, T, 2)`` their spread, one deviation."""
    ahead: Tensor
    """``(B, T, 2)`` valence and arousal 1/3 s later, in [-1, 1]."""
    expression: Tensor
    """``(B, T, K)`` logits."""


class AffectNet(nn.Module):
    """Read the newest face linearly, and correct the reading by a causal memory.

    The reading starts as the face network's own heads, so that an untrained memory
    costs nothing; how far it counts is a gate that the memory sets.
    """

    def __init__(self, config: AffectConfig) -> None:
        super().__init__()
        self.config = config
        width, classes = config.width, config.expressions
        self.read_expression = nn.Linear(config.face, classes)
        self.read_affect = nn.Linear(config.face, 2)
        self.face = nn.Linear(config.face, width // 2)
        self.voice = nn.Linear(config.voice, width // 4)
        self.gru = nn.GRU(width // 2 + width // 4 + 4, width, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.gate = nn.Linear(width, 2)
        self.correct_expression = nn.Linear(width, classes)
        self.correct_affect = nn.Linear(width, 2)
        self.change = nn.Linear(width, 2)
        self.spread = nn.Linear(width, 2)
        for layer in (self.gate, self.correct_expression, self.correct_affect):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.gate.bias, 2.0)

    def read_like(self, expression: nn.Linear, affect: nn.Linear) -> None:
        """Start the reading as the heads of a trained face network."""
        self.read_expression.load_state_dict(expression.state_dict())
        self.read_affect.load_state_dict(affect.state_dict())

    def new_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Return the state of a stream that has seen nothing, as ``AFFECT_STATES``."""
        return (torch.zeros(1, batch, self.config.width),)

    def forward(
        self, given: AffectInput, state: tuple[Tensor, ...]
    ) -> tuple[AffectOutput, tuple[Tensor, ...]]:
        """Run over ``T`` cells; return the outputs and the state after the last."""
        seen, heard = given.face_valid, given.voice_valid
        face, voice = given.face * seen, given.voice * heard
        features = torch.cat(
            [
                torch.relu(self.face(face)) * seen,
                torch.relu(self.voice(voice)) * heard,
                seen,
                heard,
                torch.clamp(given.face_age * seen, 0, 1),
                torch.clamp(given.voice_age * heard, 0, 1),
            ],
            dim=2,
        )
        memory, following = self.gru(features, state[0])
        memory = self.dropout(memory)
        trust = torch.sigmoid(self.gate(memory)) * seen
        expression = self.read_expression(face) * trust[..., :1]
        affect = self.read_affect(face) * trust[..., 1:]
        level = affect + self.correct_affect(memory)
        output = AffectOutput(
            torch.tanh(level),
            functional.softplus(self.spread(memory)) + LEAST_DEVIATION,
            torch.tanh(level + self.change(memory)),
            expression + self.correct_expression(memory),
        )
        return output, (following,)


class AffectGraph(nn.Module):
    """The network as exported: one cell and its state in, named outputs out."""

    def __init__(self, net: AffectNet) -> None:
        super().__init__()
        self.net = net

    def forward(  # noqa: PLR0913, PLR0917 - the graph's inputs, in their order
        self,
        face_embedding: Tensor,
        voice_embedding: Tensor,
        face_valid: Tensor,
        voice_valid: Tensor,
        face_age: Tensor,
        voice_age: Tensor,
        *state: Tensor,
    ) -> tuple[Tensor, ...]:
        """Run one cell.

        Args:
            face_embedding: ``(1, 64)``.
            voice_embedding: ``(1, 32)``.
            face_valid: ``(1, 1)`` 0 or 1.
            voice_valid: ``(1, 1)`` 0 or 1.
            face_age: ``(1, 1)`` seconds.
            voice_age: ``(1, 1)`` seconds.
            state: As ``AFFECT_STATES``.

        Returns:
            ``valence``, ``arousal``, ``valence_std``, ``arousal_std``,
            ``valence_ahead``, ``arousal_ahead``, each ``(1, 1)``, ``expression
            (1, K)`` logits, and the next state.
        """
        given = AffectInput(
            face_embedding[:, None],
            voice_embedding[:, None],
            face_valid[:, None],
            voice_valid[:, None],
            face_age[:, None],
            voice_age[:, None],
        )
        output, following = self.net(given, state)
        pairs = (output.affect[:, 0], output.deviation[:, 0], output.ahead[:, 0])
        singles = [part for pair in pairs for part in (pair[:, :1], pair[:, 1:])]
        return (*singles, output.expression[:, 0], *following)
