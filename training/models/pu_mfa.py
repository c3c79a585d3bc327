"""PU-MFA: a patch of points to four times as many, by attention over several scales.

Whatever the network reads is a length or an angle, and whatever it writes is a sum of
differences of points: a turned, shifted, mirrored or scaled patch gives the same
points, turned, shifted, mirrored or scaled, however it was trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_affect.errors import ConfigError
from training.engine.config import check_choice

PATCH_POINTS = 256
"""Points of a patch, N."""
RATIO = 4
"""Points that are born of each, r."""
ATTENTIONS = ("local", "global", "none")
"""What a new point asks: its parent's neighbours, all points, or its parent alone."""
STARTS = ("midpoints", "duplicates")
"""Where new points begin: between the parent and its neighbours, or on the parent."""
_TOWARD = slice(0, RATIO - 1)
"""Neighbours that new points begin half-way to, the first three; a fourth stays on the
parent. The caller orders them so that no two points beget one mid-point."""
_SMALLEST = 1e-6
"""Of a patch's radius: points closer than this count as one."""


@dataclass(frozen=True, slots=True)
class PuMfaConfig:
    """Shape of the network; the values are those of ``edge``."""

    width: int = 32
    """Features of a point, of a pair of neighbours and of a new point, C."""
    vectors: int = 8
    """Directions that each point collects from its neighbours, M."""
    levels: int = 2
    """Scales: each sees one neighbourhood farther than the one before, L."""
    neighbours: int = 10
    """Neighbours of a point, k, 3 at least."""
    attention: str = "local"
    """One of ``ATTENTIONS``."""
    multi_scale: bool = True
    """Whether the decoder reads every level, or the deepest alone, L times."""
    start: str = "midpoints"
    """One of ``STARTS``."""

    def __post_init__(self) -> None:
        """Check the choices."""
        check_choice("attention", self.attention, ATTENTIONS)
        check_choice("start", self.start, STARTS)
        if self.neighbours < _TOWARD.stop:
            raise ConfigError(
                f"neighbours: got {self.neighbours}, expected {_TOWARD.stop} or more"
            )


EDGE = PuMfaConfig()
"""The network that is made for devices."""
PAPER = PuMfaConfig(width=256, vectors=32, levels=4, neighbours=16, attention="global")
"""The reconstruction of the paper's, for figures and ablations."""


@dataclass(frozen=True, slots=True)
class Hood:
    """Every point's neighbours, in units of their usual distance."""

    rows: Tensor
    """``(B·N·k,)`` int64: which of all the batch's points they are."""
    offsets: Tensor
    """``(B, N, k, 3)``: from the point to each, over ``scale``."""
    squares: Tensor
    """``(B, N, k, 1)``: their squared lengths."""
    scale: Tensor
    """``(B, N, 1, 1)``: root mean square distance."""

    def of(self, features: Tensor) -> Tensor:
        """Return the neighbours' ``(B, N, k, …)`` of ``(B, N, …)`` features."""
        batch, points, count = _sizes(self.offsets)[:3]
        rest = _sizes(features)[2:]
        flat = features.reshape(batch * points, -1)
        return flat.index_select(0, self.rows).reshape(batch, points, count, *rest)


def _sizes(tensor: Tensor) -> list[int]:
    """Return a shape as plain numbers, which an export takes for constants."""
    return [int(size) for size in tensor.shape]


def hood_of(points: Tensor, neighbours: Tensor) -> Hood:
    """Gather ``(B, N, k)`` neighbours of ``(B, N, 3)`` points."""
    batch, count, k = _sizes(neighbours)
    first = torch.arange(batch, device=points.device)[:, None, None] * count
    rows = (neighbours + first).reshape(-1)
    there = points.reshape(-1, 3).index_select(0, rows).reshape(batch, count, k, 3)
    offsets = there - points[:, :, None]
    squares = (offsets * offsets).sum(dim=3, keepdim=True)
    scale = torch.sqrt(squares.mean(dim=2, keepdim=True) + _SMALLEST**2)
    return Hood(rows, offsets / scale, squares / (scale * scale), scale)


class Level(nn.Module):
    """One scale of the encoder: messages of neighbours, their maximum and directions.

    An edge convolution (Wang et al. 2019) whose edges are described by what does not
    turn: lengths, and angles to the directions that the point has collected.
    """

    def __init__(self, config: PuMfaConfig, number: int) -> None:
        super().__init__()
        width, first = config.width, number == 0
        self.edge = nn.Linear((1 if first else config.vectors) + 1, width)
        self.near = None if first else nn.Linear(width, width, bias=False)
        self.point = nn.Linear(width if first else 2 * width, width)
        # Nobody asks for the deepest level's directions.
        last = number == config.levels - 1
        self.direct = None if last else nn.Linear(width, config.vectors, bias=False)

    def forward(
        self, hood: Hood, features: Tensor | None, vectors: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Go one neighbourhood farther.

        Args:
            hood: Who is next to whom.
            features: ``(B, N, C)`` of the level before; None at the first.
            vectors: ``(B, N, M, 3)`` directions of the level before.

        Returns:
            ``(B, N, k, C)`` of the pairs, ``(B, N, C)`` of the points, both not
            negative, and ``(B, N, M, 3)`` directions; the last level gives those that
            it was given.
        """
        offsets = hood.offsets
        angles = offsets @ vectors.transpose(2, 3)
        pairs = self.edge(torch.cat([angles, hood.squares], dim=3))
        if features is None or self.near is None:
            pairs = torch.relu(pairs)
            found = torch.relu(self.point(pairs.amax(dim=2)))
        else:
            pairs = torch.relu(pairs + hood.of(self.near(features)))
            both = torch.cat([pairs.amax(dim=2), features], dim=2)
            found = torch.relu(self.point(both))
        if self.direct is not None:
            directed = self.direct(pairs).transpose(2, 3) @ offsets
            vectors = directed / offsets.shape[2]
        return pairs, found, vectors


class Refine(nn.Module):
    """One step of the decoder: new points ask a level's features, then think."""

    def __init__(self, config: PuMfaConfig) -> None:
        super().__init__()
        width = config.width
        asks = config.attention != "none"
        self.query = nn.Linear(width, width) if asks else None
        local = config.attention == "local"
        self.toward = nn.Linear(width, 1) if local else None
        self.value = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(
        self, tokens: Tensor, pairs: Tensor, found: Tensor, angles: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Refine ``(B, N, r, C)`` tokens.

        Args:
            tokens: Features of the new points.
            pairs: ``(B, N, k, C)`` of a level.
            found: ``(B, N, C)`` of the same level.
            angles: ``(B, N, r, k)``: how far each neighbour lies in the direction of
                each new point.

        Returns:
            The tokens, and what each asked: ``(B, N, r, k)`` or ``(B, N, r, N)``
            shares with the sum 1; None without attention.
        """
        shares: Tensor | None = None
        if self.query is None:
            heard = self.value(found)[:, :, None]
        elif self.toward is not None:
            # Keys and values are the pairs themselves: a projection of the keys would
            # be one of the query, and one of the values comes after the sum.
            scores = self.query(tokens) @ pairs.transpose(2, 3)
            scores = scores * score_scale(tokens) + self.toward(tokens) * angles
            shares = functional.softmax(scores, dim=3)
            heard = self.value(shares @ pairs)
        else:
            batch, points, born, width = _sizes(tokens)
            query = self.query(tokens).reshape(batch, points * born, width)
            scores = query @ found.transpose(1, 2) * score_scale(tokens)
            shares = functional.softmax(scores, dim=2)
            heard = self.value(shares @ found).reshape(tokens.shape)
            shares = shares.reshape(batch, points, born, points)
        tokens = self.norm(tokens + heard)
        return tokens + self.down(torch.relu(self.up(tokens))), shares


def score_scale(features: Tensor) -> float:
    """Return what products of features are multiplied by."""
    return float(features.shape[-1] ** -0.5)


class PuMfaNet(nn.Module):
    """A U-Net over neighbourhoods: levels down, attention to each of them up again.

    The deepest level's maximum over the patch is the global feature. It is expanded to
    r·N tokens, one for each new point, which ask the levels from the deepest to the
    first; each then moves its point by a weighted sum of the ways to its parent's
    neighbours. These weights begin at 0: untrained, the network gives its start.
    """

    def __init__(self, config: PuMfaConfig) -> None:
        super().__init__()
        self.config = config
        width, levels = config.width, config.levels
        self.encoder = nn.ModuleList(Level(config, number) for number in range(levels))
        self.whole = nn.Linear(width, width)
        self.parent = nn.Linear(width, width, bias=False)
        self.toward = nn.Linear(width, width, bias=False)
        self.code = nn.Parameter(0.5 * torch.randn(RATIO, width))
        self.decoder = nn.ModuleList(Refine(config) for _ in range(levels))
        self.stencil = nn.Linear(width, width)
        self.bent = nn.Linear(width, 1)
        for last in (self.stencil, self.bent):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, points: Tensor, neighbours: Tensor) -> Tensor:
        """Return ``(B, 4 N, 3)`` of ``(B, N, 3)`` points, four of each in turn.

        Args:
            points: Float32; any scale and place.
            neighbours: ``(B, N, k)`` int64, the nearest without the point itself. New
                points begin half-way to the first three; the order of the others does
                not matter.
        """
        return self.explained(points, neighbours)[0]

    def explained(
        self, points: Tensor, neighbours: Tensor
    ) -> tuple[Tensor, list[Tensor | None]]:
        """Do what ``forward`` does, and tell what was asked.

        Returns:
            The points, and the attention of each step, the deepest level's first.
        """
        hood = hood_of(points, neighbours)
        pairs, found = self._encoded(hood)
        begun = self._begun(hood)
        tokens = self._tokens(pairs[-1], found[-1])
        angles = begun @ hood.offsets.transpose(2, 3)
        asked = []
        for step, refine in enumerate(self.decoder, 1):
            level = -step if self.config.multi_scale else -1
            tokens, shares = refine(tokens, pairs[level], found[level], angles)
            asked.append(shares)
        weights = self._weights(tokens, pairs[0], angles)
        moved = begun + weights @ hood.offsets
        dense = points[:, :, None] + moved * hood.scale
        batch, count = _sizes(points)[:2]
        return dense.reshape(batch, RATIO * count, 3), asked

    def _encoded(self, hood: Hood) -> tuple[list[Tensor], list[Tensor]]:
        vectors = hood.offsets.mean(dim=2, keepdim=True)
        features: Tensor | None = None
        pairs, found = [], []
        for level in self.encoder:
            pair, features, vectors = level(hood, features, vectors)
            pairs.append(pair)
            found.append(features)
        return pairs, found

    def _begun(self, hood: Hood) -> Tensor:
        """Return ``(B, N, r, 3)``: where the new points begin, seen from the parent."""
        near = hood.offsets[:, :, _TOWARD]
        if self.config.start == "duplicates":
            near = 0 * near
        return functional.pad(near / 2, (0, 0, 1, 0))

    def _tokens(self, pairs: Tensor, found: Tensor) -> Tensor:
        """Expand the global feature to ``(B, N, r, C)``."""
        whole = self.whole(found.amax(dim=1, keepdim=True))
        toward = functional.pad(self.toward(pairs[:, :, _TOWARD]), (0, 0, 1, 0))
        parent = (whole + self.parent(found))[:, :, None]
        tokens: Tensor = parent + toward + self.code
        return tokens

    def _weights(self, tokens: Tensor, pairs: Tensor, angles: Tensor) -> Tensor:
        """Return ``(B, N, r, k)``: how much of each way a new point goes."""
        weights = self.stencil(tokens) @ pairs.transpose(2, 3) * score_scale(tokens)
        whole: Tensor = weights + self.bent(tokens) * angles
        return whole


class PuMfaGraph(nn.Module):
    """The network as exported: patches and their neighbours in, points out."""

    def __init__(self, net: PuMfaNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, points: Tensor, neighbours: Tensor) -> tuple[Tensor]:
        """Run on ``(B, 256, 3)`` float32 and ``(B, 256, k)`` int64.

        Returns:
            ``dense (B, 1024, 3)``.
        """
        return (self.net(points, neighbours),)
