"""A runner and a model of known arithmetic."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edge_affect.affect_model import AffectModel
from edge_affect.labels import EXPRESSIONS, VOICE_EMOTIONS
from edge_affect.model.affect import AffectGraphs
from edge_affect.model.bundle import LINKS, Bundle
from edge_affect.model.manifest import Head, Manifest, Timing, Validity
from edge_affect.model.preprocessing import (
    FacePreprocessing,
    Preprocessing,
    VoicePreprocessing,
)
from edge_affect.runners.base import Runner, Signature, StreamState, Tensors
from edge_affect.runners.choices import Choice
from edge_affect.sensing.align import Box
from edge_affect.sensing.flow import View
from edge_affect.sensing.locator import Locator
from edge_affect.sensing.tracker import Tracker
from edge_affect.types import SAMPLE_RATE_HZ, Face, Frame

_FACE = Signature(
    {"image": (1, 3, 112, 112)},
    {
        "embedding": (1, 64),
        "expression": (1, 8),
        "valence": (1, 1),
        "arousal": (1, 1),
    },
    {},
)
_VOICE = Signature(
    {"mel": (1, 10, 64)},
    {"embedding": (1, 32), "speech": (1, 1), "emotion": (1, 7)},
    {"state_h": (1, 32)},
)
_AFFECT = Signature(
    {
        "face_embedding": (1, 64),
        "voice_embedding": (1, 32),
        "face_valid": (1, 1),
        "voice_valid": (1, 1),
        "face_age": (1, 1),
        "voice_age": (1, 1),
    },
    {
        "valence": (1, 1),
        "arousal": (1, 1),
        "valence_std": (1, 1),
        "arousal_std": (1, 1),
        "valence_ahead": (1, 1),
        "arousal_ahead": (1, 1),
        "expression": (1, 8),
    },
    {"state_h": (1, 8)},
)


class FakeRunner(Runner):
    """The graphs' contracts with arithmetic that a test can follow.

    Every output is a function of the inputs and the state, so a causality or
    determinism test means as much over it as over real weights.
    """

    def __init__(self) -> None:
        super().__init__({"face": _FACE, "voice": _VOICE, "affect": _AFFECT}, LINKS)
        self.closed = False
        """Whether ``close`` was called."""

    @property
    def backend(self) -> str:
        """Name of the backend."""
        return "fake"

    @property
    def provider(self) -> str:
        """The provider that runs the graphs."""
        return "FakeProvider"

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True

    def _step(
        self, state: StreamState, which: str, inputs: Tensors
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
        if which == "face":
            return _face(self._patches(inputs["image"])), {}
        before = state.tensors[which]["state_h"]
        if which == "voice":
            heard = np.tanh(inputs["mel"].reshape(1, 20, 32).mean(axis=1))
            after = np.float32(0.9) * before + np.float32(0.1) * heard
            return _voice(after), {"state_h": after}
        face = inputs["face_embedding"] * inputs["face_valid"]
        voice = inputs["voice_embedding"] * inputs["voice_valid"]
        seen = face.reshape(1, 8, 8).mean(axis=2) + voice.reshape(1, 8, 4).mean(axis=2)
        after = np.float32(0.8) * before + np.float32(0.2) * seen
        return _affect(after), {"state_h": after}

    def _patches(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return ``(8, 8)`` mean levels of the parts of an aligned face."""
        grid = image.mean(axis=1).reshape(8, 14, 8, 14)
        return np.asarray(grid.mean(axis=(1, 3)), np.float32)


def _face(patches: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    embedding = (patches.reshape(1, 64) / np.float32(128)) - np.float32(1)
    return {
        "embedding": embedding,
        "expression": embedding[:, :8],
        "valence": np.tanh(embedding[:, :1]),
        "arousal": np.tanh(embedding[:, 1:2]),
    }


def _voice(state: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    return {
        "embedding": state,
        "speech": np.abs(np.tanh(state[:, :1])),
        "emotion": state[:, :7],
    }


def _affect(state: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    level = np.tanh(state)
    return {
        "valence": level[:, :1],
        "arousal": level[:, 1:2],
        "valence_std": np.abs(level[:, 2:3]) + np.float32(0.1),
        "arousal_std": np.abs(level[:, 3:4]) + np.float32(0.1),
        "valence_ahead": level[:, 4:5],
        "arousal_ahead": level[:, 5:6],
        "expression": state,
    }


class CentreLocator:
    """Finds one face in the middle of any frame that is not black."""

    def locate(self, frame: Frame) -> list[Face]:
        """Return the face, half as wide as the frame is high."""
        if not frame.data.any():
            return []
        side = frame.height_px / 2
        left, top = (frame.width_px - side) / 2, (frame.height_px - side) / 2
        return [Face((left, top, side, side), score=1.0)]


class LocatingTracker:
    """Locates the face in every frame and remembers nothing: cheap in long runs."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator

    def reset(self) -> None:
        """Have nothing to forget."""

    def update(self, frame: Frame, detect_every: int, view: View) -> Face | None:
        """Return the first face that is found."""
        del detect_every, view
        return next(iter(self._locator.locate(frame)), None)


class FakeModel(AffectModel):
    """A model over ``FakeRunner`` and ``CentreLocator``; loads nothing."""

    def __init__(
        self,
        purpose: str = "research",
        *,
        runner: Runner | None = None,
        tracks: bool = True,
    ) -> None:
        """Put the fakes together.

        Args:
            purpose: What the estimates are for.
            runner: Runs the graphs; None for a ``FakeRunner``.
            tracks: Whether faces are followed by the real tracker, or located in
                every frame.
        """
        manifest = make_manifest()
        bundle = Bundle(manifest, "ab" * 32, MappingProxyType({}))
        graphs = AffectGraphs(runner or FakeRunner(), manifest)
        self._tracks = tracks
        choice = Choice("cpu-fp32", "the only one")
        super().__init__(bundle, purpose, graphs, choice, CentreLocator)

    def new_tracker(self, roi: Box) -> Tracker:
        """Return a tracker without a face."""
        if self._tracks:
            return super().new_tracker(roi)
        return LocatingTracker(self.new_locator())


def make_manifest() -> Manifest:
    """Return the manifest of a bundle whose graphs ``FakeRunner`` stands for."""
    heads = {
        "expression": Head("nobody", EXPRESSIONS),
        "valence": Head("nobody"),
        "arousal": Head("nobody"),
        "voice_emotion": Head("nobody", VOICE_EMOTIONS),
        "speech": Head("nobody"),
    }
    points = ((36.5, 41.5), (75.5, 41.5), (56.0, 65.0), (40.0, 83.0), (72.0, 83.0))
    voice = VoicePreprocessing(
        SAMPLE_RATE_HZ, 400, 160, 512, 64, 60.0, 7600.0, 1e-6, -5.0, 3.0
    )
    return Manifest(
        name="fake",
        version="0.0.1",
        licence="Apache-2.0",
        default_target="cpu-fp32",
        graphs={},
        heads=heads,
        timing=Timing((30, 1), voice_hop_ms=100, voice_lag_ms=100, ahead_ms=333),
        preprocessing=Preprocessing(
            FacePreprocessing(112, "RGB", (0.0, 255.0), points), voice
        ),
        ranges={"valence": (-1.0, 1.0), "arousal": (-1.0, 1.0)},
        validity=Validity(30.0, 20.0, ("visible",)),
        temperatures={},
        training=(),
        figures=(),
    )
