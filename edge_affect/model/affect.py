"""The bundle's graphs with typed inputs and outputs: face, voice and affect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_affect.model.manifest import Manifest
from edge_affect.runners.base import Runner, StreamState

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FaceSignals:
    """What a face does, whatever is felt: units, eyes and the turn of the head."""

    action_units: Mapping[str, float]
    """Activation of each of the bundle's units in [0, 1]; no probability."""
    eyes_closed: float
    """In [0, 1], open to shut."""
    yaw_deg: float
    """Turn of the head against the camera; positive: to the picture's right."""
    pitch_deg: float
    """Nod of the head against the camera; positive: up."""


@dataclass(frozen=True, slots=True)
class FaceReading:
    """What one aligned picture tells."""

    embedding: Vector
    """``(1, E)`` float32, the face's input to the affect graph."""
    valence: float | None
    """In [-1, 1]; None where the bundle has no such head."""
    arousal: float | None
    """In [-1, 1]; None where the bundle has no such head."""
    expression: Mapping[str, float] | None
    """Probability of each expression; None where the bundle has no such head."""
    signals: FaceSignals | None = None
    """None where the bundle has no such heads."""


@dataclass(frozen=True, slots=True)
class VoiceReading:
    """What the sound up to the end of one hop tells."""

    embedding: Vector
    """``(1, E)`` float32, the voice's input to the affect graph."""
    speech: float
    """Probability that the hop holds speech, in [0, 1]."""
    emotion: Mapping[str, float] | None
    """Probability of each voice emotion; None where the bundle has no such head."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one step of the affect graph sees; None and its age are masked."""

    face: Vector | None
    """``(1, E)`` embedding of the newest face, or None when it may not be fused."""
    face_age_s: float
    """From the face's capture to the step, s."""
    voice: Vector | None
    """``(1, E)`` embedding of the newest voice hop, or None."""
    voice_age_s: float
    """From the hop's end to the step, s."""


@dataclass(frozen=True, slots=True)
class AffectReading:
    """What one step of the affect graph tells; None where the bundle has no head."""

    valence: float | None
    arousal: float | None
    valence_std: float | None
    arousal_std: float | None
    valence_ahead: float | None
    arousal_ahead: float | None
    expression: Mapping[str, float] | None


class AffectGraphs:
    """Runs the graphs of one bundle; shared by streams, each with its own state."""

    def __init__(self, runner: Runner, manifest: Manifest) -> None:
        self.runner = runner
        self._expressions = manifest.labels("expression")
        self._emotions = manifest.labels("voice_emotion")
        self._units = manifest.labels("action_units")
        self._temperatures = {g: manifest.temperature(g) for g in runner.signatures}
        affect = runner.signatures["affect"]
        self._no_face = np.zeros(affect.inputs["face_embedding"], np.float32)
        self._no_voice = np.zeros(affect.inputs["voice_embedding"], np.float32)

    def new_state(self) -> StreamState:
        """Return the state of a stream that has seen nothing."""
        return self.runner.new_state()

    def warm_up(self) -> None:
        """Run every graph once on zeros, so that the first step is not the slowest."""
        state = self.new_state()
        for graph, signature in self.runner.signatures.items():
            zeros = {k: np.zeros(s, np.float32) for k, s in signature.inputs.items()}
            self.runner.step(state, graph, zeros)

    def face(self, state: StreamState, image: NDArray[np.uint8]) -> FaceReading:
        """Read an aligned face.

        Args:
            state: The stream's state.
            image: ``(112, 112, 3)`` uint8 RGB.
        """
        out = self.runner.step(state, "face", {"image": _planes(image)})
        return self._face_reading(out)

    def voice(self, state: StreamState, mel: Vector) -> VoiceReading:
        """Read one hop of ``(10, 64)`` float32 log-mel columns."""
        out = self.runner.step(state, "voice", {"mel": mel[None]})
        emotion = out.get("emotion")
        shares = None
        if emotion is not None:
            shares = softmax(emotion[0] / self._temperatures["voice"])
        return VoiceReading(
            out["embedding"],
            float(out["speech"][0, 0]),
            None if shares is None else _named(self._emotions, shares),
        )

    def affect(self, state: StreamState, evidence: Evidence) -> AffectReading:
        """Take one step of the affect graph."""
        face = evidence.face
        given = self._affect_inputs(evidence, with_face=face is not None)
        given["face_embedding"] = self._no_face if face is None else face
        return self._affect_reading(self.runner.step(state, "affect", given))

    def face_and_affect(
        self, state: StreamState, image: NDArray[np.uint8], evidence: Evidence
    ) -> tuple[FaceReading, AffectReading]:
        """Read an aligned face and take the step that it is for, in one go.

        The same, to the bit, as ``face`` and then ``affect`` with its embedding.

        Args:
            state: The stream's state.
            image: ``(112, 112, 3)`` uint8 RGB.
            evidence: Of the step; its ``face`` is that of ``image``, whatever it holds.
        """
        given = self._affect_inputs(evidence, with_face=True)
        both = {"face": {"image": _planes(image)}, "affect": given}
        out = self.runner.step_linked(state, both)
        return self._face_reading(out["face"]), self._affect_reading(out["affect"])

    def _affect_inputs(
        self, evidence: Evidence, *, with_face: bool
    ) -> dict[str, Vector]:
        """Return the affect graph's inputs but for the face's embedding."""
        voice = evidence.voice
        return {
            "voice_embedding": self._no_voice if voice is None else voice,
            "face_valid": _column(with_face),
            "voice_valid": _column(voice is not None),
            "face_age": _column(evidence.face_age_s if with_face else 0.0),
            "voice_age": _column(0.0 if voice is None else evidence.voice_age_s),
        }

    def _face_reading(self, out: Mapping[str, Vector]) -> FaceReading:
        return FaceReading(
            out["embedding"],
            _scalar(out, "valence"),
            _scalar(out, "arousal"),
            self._expression(out, "face"),
            self._signals(out),
        )

    def _affect_reading(self, out: Mapping[str, Vector]) -> AffectReading:
        return AffectReading(
            valence=_scalar(out, "valence"),
            arousal=_scalar(out, "arousal"),
            valence_std=_scalar(out, "valence_std"),
            arousal_std=_scalar(out, "arousal_std"),
            valence_ahead=_scalar(out, "valence_ahead"),
            arousal_ahead=_scalar(out, "arousal_ahead"),
            expression=self._expression(out, "affect"),
        )

    def _signals(self, out: Mapping[str, Vector]) -> FaceSignals | None:
        if not self._units:
            return None
        yaw_deg, pitch_deg = (float(angle) for angle in out["pose"][0])
        return FaceSignals(
            dict(zip(self._units, out["action_units"][0].tolist(), strict=True)),
            float(out["eyes_closed"][0, 0]),
            yaw_deg,
            pitch_deg,
        )

    def _expression(
        self, out: Mapping[str, Vector], graph: str
    ) -> Mapping[str, float] | None:
        logits = out.get("expression")
        if logits is None:
            return None
        shares = softmax(logits[0] / self._temperatures[graph])
        return _named(self._expressions, shares)


def softmax(logits: Vector) -> NDArray[np.float64]:
    """Return ``(K,)`` probabilities of ``(K,)`` logits, in double precision."""
    powers = np.exp(logits.astype(np.float64) - float(logits.max()))
    shares: NDArray[np.float64] = powers / powers.sum()
    return shares


def _named(labels: tuple[str, ...], shares: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(labels, shares.tolist(), strict=True))


def _scalar(out: Mapping[str, Vector], name: str) -> float | None:
    value = out.get(name)
    return None if value is None else float(value[0, 0])


def _planes(image: NDArray[np.uint8]) -> Vector:
    planes: Vector = image.transpose(2, 0, 1)[None].astype(np.float32)
    return planes


def _column(value: float) -> Vector:
    return np.full((1, 1), value, np.float32)
