"""Step a recorded run again by the decisions that its record keeps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from edge_affect.affect_model import AffectModel
from edge_affect.clock import NS_PER_MS, SystemClock
from edge_affect.config import StreamConfig
from edge_affect.errors import DataError, UsageError
from edge_affect.realtime.budget import StageTimes
from edge_affect.realtime.cell import Cell
from edge_affect.realtime.grid import Grid
from edge_affect.realtime.health import WOKE
from edge_affect.realtime.stepper import CellStepper
from edge_affect.sinks.base import RunHeader
from edge_affect.sources.base import Source
from edge_affect.types import AudioChunk, Estimate, Frame


@dataclass(frozen=True, slots=True)
class Decision:
    """What a live stream decided for one cell."""

    index: int
    """Number of the cell."""
    frame: int | None
    """Index of the frame that reached it; None: held."""
    hop: int | None
    """Voice hop that it used; None: masked."""
    rung: int
    """Rung of the degradation ladder."""
    t_ms: float
    """Instant of the estimate from the start of the grid, ms."""
    lost_chunks: tuple[tuple[int, int], ...] = ()
    """Chunks of sound that were never heard, as runs: index of first and last."""
    woke: bool = False
    """Whether the machine had been suspended since the cell before."""

    @classmethod
    def of(cls, estimate: Estimate | Mapping[str, Any]) -> Decision:
        """Return the decision behind an estimate, or behind a record's line."""
        if isinstance(estimate, Estimate):
            woke = WOKE in estimate.health.reasons
            return cls(**{n: getattr(estimate, n) for n in _DECIDED}, woke=woke)
        values = {"lost_chunks": (), **estimate}  # records of before lack that key
        values["lost_chunks"] = tuple(tuple(run) for run in values["lost_chunks"])
        woke = WOKE in values["health"]["reasons"]
        return cls(**{name: values[name] for name in _DECIDED}, woke=woke)


_DECIDED = tuple(field.name for field in fields(Decision) if field.name != "woke")


class _Player:
    """Reads a source up to what a decision needs, and hears no more than that.

    Sound ahead of the next hop that a decision names waits unheard: a stepper keeps
    only so many hops, and sound may lead the pictures by any time.
    """

    def __init__(
        self, source: Source, stepper: CellStepper, decided: Sequence[Decision]
    ) -> None:
        self._source = source
        self._stepper = stepper
        self._frames: deque[Frame] = deque()
        self._chunks: deque[AudioChunk] = deque()
        self._hops = deque(d.hop for d in decided if d.hop is not None)
        self._lost = deque(run for d in decided for run in d.lost_chunks)

    def frame(self, index: int) -> Frame:
        """Return frame ``index`` and let go of all up to it."""
        while True:
            while self._frames:
                frame = self._frames.popleft()
                if frame.index == index:
                    return frame
            self._advance(f"frame {index}")

    def peek(self, index: int) -> Frame:
        """Return frame ``index`` and keep all frames up to it."""
        while True:
            for frame in self._frames:
                if frame.index == index:
                    return frame
            self._advance(f"frame {index}")

    def hear_next_hop(self) -> None:
        """Hear up to the hop that the next decision with one names."""
        self._hear_waiting()
        while self._stepper.voice.newest < self._hops[0]:
            self._advance(f"voice hop {self._hops[0]}")
        hop = self._hops.popleft()
        if self._stepper.voice.hop(hop) is None:
            raise DataError(
                f"replay: got no voice hop {hop} from {self._source.info.name}, whose "
                "sound was cut otherwise; give the recording that the record was made "
                "from"
            )

    def _hear_waiting(self) -> None:
        while self._chunks and self._hops:
            if self._stepper.voice.newest >= self._hops[0]:
                return
            self._stepper.hear(self._chunks.popleft())
        if not self._hops:
            self._chunks.clear()

    def _is_lost(self, chunk: AudioChunk) -> bool:
        while self._lost and self._lost[0][1] < chunk.index:
            self._lost.popleft()
        return bool(self._lost) and self._lost[0][0] <= chunk.index

    def _advance(self, wanted: str) -> None:
        while not self._source.ended:
            item = self._source.read(0)
            if isinstance(item, AudioChunk):
                if not self._is_lost(item):
                    self._chunks.append(item)
                self._hear_waiting()
                return
            if item is not None:
                self._frames.append(item)
                return
        raise DataError(
            f"replay: {self._source.info.name} ended before {wanted}; give the "
            "recording that the record was made from"
        )


def replay(
    source: Source,
    decisions: Iterable[Decision],
    *,
    model: AffectModel,
    config: StreamConfig,
    header: RunHeader | None = None,
) -> Iterator[Estimate]:
    """Yield the estimates of a recorded run again, equal to the bit.

    Args:
        source: The open, finite source of the same frames and sound.
        decisions: What the run decided for each cell, in order.
        model: The model of the run: its bundle and its target.
        config: Its settings.
        header: The record's header; with it, a model of another bundle or target is
            refused, whose estimates would be other ones.

    Raises:
        UsageError: ``model`` is not the one that ``header`` names; with the first
            estimate, as all others.
        DataError: The source lacks a frame or a hop that the decisions name.
    """
    if header is not None:
        _check_model(model, header)
    stepper = CellStepper(model, config, StageTimes(SystemClock()))
    decided = list(decisions)
    player = _Player(source, stepper, decided)
    grid = _grid(player, decided, model.bundle.manifest.timing.cell_hz)
    for decision in decided:
        frame = None if decision.frame is None else player.frame(decision.frame)
        if decision.hop is not None:
            player.hear_next_hop()
        held_ns = grid.end_ns(decision.index) - 1
        t_ns = held_ns if frame is None else frame.t_capture_ns
        rung, woke = decision.rung, decision.woke
        cell = Cell(decision.index, t_ns, frame, decision.hop, rung, woke)
        yield replace(stepper.step(cell), t_ms=(t_ns - grid.t0_ns) / NS_PER_MS)


def _check_model(model: AffectModel, header: RunHeader) -> None:
    if model.bundle.digest != header.bundle_digest:
        raise UsageError(
            f"replay: got a model of the bundle {model.bundle.digest[:12]}…, expected "
            f"{header.bundle} with {header.bundle_digest[:12]}…, which the record is of"
        )
    if model.target != header.target:
        raise UsageError(
            f"replay: got a model that runs {model.target}, expected {header.target}, "
            "which the record is of; load it with "
            f"AffectModel.load(target={header.target!r})"
        )


def _grid(player: _Player, decided: Sequence[Decision], rate: tuple[int, int]) -> Grid:
    """Return the run's grid in the source's time, by the first frame that it used."""
    for decision in decided:
        if decision.frame is not None:
            t_ns = player.peek(decision.frame).t_capture_ns
            return Grid(t_ns - round(decision.t_ms * NS_PER_MS), rate)
    raise DataError("replay: the record used no frame, so its grid is unknown")
