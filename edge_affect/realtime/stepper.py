"""One cell of a stream: what it is given decides its estimate, and nothing else."""

from __future__ import annotations

import logging
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_affect.affect_model import AffectModel
from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.config import StreamConfig
from edge_affect.errors import NonFiniteError, RunnerError
from edge_affect.model.affect import AffectReading, Evidence, Vector
from edge_affect.realtime.budget import StageTimes
from edge_affect.realtime.cell import Cell
from edge_affect.realtime.health import (
    MODEL_FAILED,
    NON_FINITE,
    WOKE,
    confidence_share,
    face_health,
    fusable,
    voice_health,
)
from edge_affect.realtime.ladder import RUNGS, Rung
from edge_affect.realtime.vision import VisionPath
from edge_affect.realtime.voice import Hop, VoicePath
from edge_affect.types import AudioChunk, Estimate, Health, HealthState

_LOG = logging.getLogger(__name__)

FORGET_NS = NS_PER_S
"""A gap between steps, or between faces, longer than this resets the state."""
SPEECH = 0.5
"""Speech probability from which a voice alone carries an estimate."""
WARM_NS = NS_PER_S
"""A model that read no face for so long is kept warm, so often."""
DEAD_NS = 10 * NS_PER_S
"""A graph that failed in every step for so long will not come back by itself."""
_READ = tuple(field.name for field in fields(AffectReading))
_LEFT_OUT = (RunnerError, MemoryError)
"""What costs one frame, hop or cell, and not the stream."""


class CellStepper:
    """The stepper over a real model."""

    def __init__(
        self, model: AffectModel, config: StreamConfig, times: StageTimes
    ) -> None:
        self._graphs = model.graphs
        self._detect_every = config.detect_every
        self._times = times
        self._state = model.graphs.new_state()
        self._vision = VisionPath(model, self._state, config.mount, times)
        lag_ns = model.bundle.manifest.timing.voice_lag_ms * NS_PER_MS
        self.voice = VoicePath(model.graphs, self._state, lag_ns, times)
        self._last_ns: int | None = None
        self._face_ns: int | None = None
        self._failing_ns: dict[str, int] = {}
        self._warm_ns = 0

    def hear(self, chunk: AudioChunk) -> None:
        """Take one chunk of sound; a hop that failed or is not finite is left out.

        Raises:
            RunnerError: The voice graph has failed for ``DEAD_NS``.
        """
        try:
            self.voice.hear(chunk)
        except _LEFT_OUT as error:
            self.voice.reset()
            self._left_out("voice", chunk.t_capture_ns, error)
        else:
            self._failing_ns.pop("voice", None)

    def interrupt(self) -> None:
        """Make a graph that hangs in a step fail, where the backend can; any thread."""
        self._graphs.runner.interrupt(self._state)

    def choose_hop(self, t_ns: int) -> int | None:
        """Return the voice hop that a step at ``t_ns`` would use now."""
        return self.voice.choose(t_ns)

    def step(self, cell: Cell) -> Estimate:
        """Return the estimate of ``cell``, without stream time, age and drops.

        Raises:
            RunnerError: The face or the affect graph has failed for ``DEAD_NS``.
        """
        with self._times.measure("step"):
            return self._step(cell)

    def rest(self, t_ns: int) -> None:
        """Keep warm what read no face for long: the next one shall not come late.

        A launch that fails costs nothing but that: what is broken shows in a step.
        """
        self._warm_ns = max(self._warm_ns, self._vision.face_ns or 0)
        if t_ns - self._warm_ns >= WARM_NS:
            self._warm_ns = t_ns
            try:
                self._graphs.runner.keep_warm(self._state)
            except _LEFT_OUT as error:
                _LOG.debug("not kept warm at %d ns: %s", t_ns, error)

    def _step(self, cell: Cell) -> Estimate:
        rung = RUNGS[cell.rung]
        gap = self._last_ns is not None and cell.t_ns - self._last_ns > FORGET_NS
        if gap or cell.woke:
            self._vision.reset()
            self._forget()
        self._last_ns = cell.t_ns
        image, reasons = self._look(cell, rung)
        if image is not None and self._goes_together(cell, rung):
            try:
                return self._finish(cell, (), image)
            except _LEFT_OUT as error:
                # Nothing was kept: each graph by itself shows which one it was.
                _LOG.debug("cell %d is stepped graph by graph: %s", cell.index, error)
        if image is not None:
            reasons = self._see(image, cell.t_ns)
        return self._finish(cell, reasons)

    def _look(
        self, cell: Cell, rung: Rung
    ) -> tuple[NDArray[np.uint8] | None, tuple[str, ...]]:
        """Return the face to read in the cell's frame, or why there is none."""
        if cell.frame is None:
            return None, ()
        try:
            every = self._detect_every * rung.detect_share
            return self._vision.look(cell.frame, every), ()
        except _LEFT_OUT as error:
            return None, (self._left_out("face", cell.t_ns, error),)

    def _goes_together(self, cell: Cell, rung: Rung) -> bool:
        """Tell whether the newest face and the step that it is for take one launch."""
        if not (self._graphs.runner.launches_links and rung.gives_values):
            return False
        seen = self._vision.input_at(cell.t_ns, with_face=True)
        frame_ns = self._vision.frame_ns or 0
        forgets = self._face_ns is not None and frame_ns - self._face_ns > FORGET_NS
        return fusable(face_health(seen)[0]) and not forgets

    def _finish(
        self,
        cell: Cell,
        reasons: tuple[str, ...],
        image: NDArray[np.uint8] | None = None,
    ) -> Estimate:
        """Return the estimate of ``cell``; read the face ``image`` along with it."""
        rung = RUNGS[cell.rung]
        seen = self._vision.input_at(cell.t_ns, with_face=image is not None)
        face_state, face_reasons = face_health(seen)
        hop, heard = self.voice.use(cell.t_ns, cell.hop)
        voice_state, voice_reasons = voice_health(heard)
        told = {*reasons, *face_reasons, *voice_reasons}
        if cell.woke:
            told.add(WOKE)
        health = Health(face_state, voice_state, tuple(sorted(told)))
        # Stepped in every cell, as in training; what nothing supports is not told.
        reading: AffectReading | None = None
        if image is not None:
            reading = self._read_together(cell, hop, image)
        elif rung.gives_values:
            try:
                reading = self._read(cell, hop, health)
            except _LEFT_OUT as error:
                why = self._left_out("affect", cell.t_ns, error)
                reasons = tuple(sorted({*health.reasons, why}))
                health = replace(health, reasons=reasons)
        if not _has_input(hop, health):
            reading = None
        estimate = _estimate(cell, health, reading, seen.face_age_ns)
        if not rung.gives_values or not fusable(health.face):
            return estimate
        return self._with_signals(estimate)

    def _with_signals(self, estimate: Estimate) -> Estimate:
        """Return the estimate with what the newest face does."""
        face = self._vision.reading
        if face is None or face.signals is None:
            return estimate
        return replace(
            estimate,
            action_units=face.signals.action_units,
            driver=self._vision.driver,
        )

    def _see(self, image: NDArray[np.uint8], t_ns: int) -> tuple[str, ...]:
        try:
            self._vision.read(image)
        except _LEFT_OUT as error:
            return (self._left_out("face", t_ns, error),)
        self._failing_ns.pop("face", None)
        before_ns, face_ns = self._face_ns, self._vision.face_ns
        if face_ns is not None:
            self._face_ns = face_ns
            if before_ns is not None and face_ns - before_ns > FORGET_NS:
                self._forget()
        return ()

    def _forget(self) -> None:
        self._graphs.runner.reset(self._state, "affect")

    def _left_out(self, graph: str, t_ns: int, error: Exception) -> str:
        """Return the reason code of ``error``; raise it when it will not cease."""
        _LOG.debug("%s left out at %d ns: %s", graph, t_ns, error)
        if isinstance(error, NonFiniteError):
            return NON_FINITE
        if t_ns - self._failing_ns.setdefault(graph, t_ns) >= DEAD_NS:
            raise error
        return MODEL_FAILED

    def _read(self, cell: Cell, hop: Hop | None, health: Health) -> AffectReading:
        reading = self._vision.reading
        with_face = reading is not None and fusable(health.face)
        embedding = reading.embedding if reading is not None and with_face else None
        face_ns = self._vision.face_ns if with_face else None
        evidence = _evidence(cell, embedding, face_ns, hop)
        with self._times.measure("affect"):
            affect = self._graphs.affect(self._state, evidence)
        self._failing_ns.pop("affect", None)
        return affect

    def _read_together(
        self, cell: Cell, hop: Hop | None, image: NDArray[np.uint8]
    ) -> AffectReading:
        """Read the last frame's face and take the step in one launch."""
        evidence = _evidence(cell, None, self._vision.frame_ns, hop)
        with self._times.measure("affect"):
            face, affect = self._graphs.face_and_affect(self._state, image, evidence)
        for graph in ("face", "affect"):
            self._failing_ns.pop(graph, None)
        self._vision.take(face)
        self._face_ns = self._vision.face_ns
        return affect


def _evidence(
    cell: Cell, face: Vector | None, face_ns: int | None, hop: Hop | None
) -> Evidence:
    return Evidence(
        face,
        0.0 if face_ns is None else (cell.t_ns - face_ns) / NS_PER_S,
        None if hop is None else hop.reading.embedding,
        0.0 if hop is None else (cell.t_ns - hop.end_ns) / NS_PER_S,
    )


def _has_input(hop: Hop | None, health: Health) -> bool:
    """Tell whether a face or a speaking voice carries an estimate."""
    if health.face is not HealthState.LOST:
        return True
    return hop is not None and hop.reading.speech >= SPEECH


def _estimate(
    cell: Cell, health: Health, reading: AffectReading | None, face_age_ns: int | None
) -> Estimate:
    values: dict[str, Any] = {}
    if reading is not None:
        values = {name: getattr(reading, name) for name in _READ}
    confidence = None
    if values.get("expression"):
        confidence = max(values["expression"].values())
        if health.face is not HealthState.LOST:
            confidence *= confidence_share(face_age_ns or 0)
    return Estimate(
        index=cell.index,
        t_ns=cell.t_ns,
        t_ms=0.0,
        age_ms=0.0,
        held=cell.frame is None,
        rung=cell.rung,
        health=health,
        confidence=confidence,
        frame=None if cell.frame is None else cell.frame.index,
        hop=cell.hop,
        **values,
    )
