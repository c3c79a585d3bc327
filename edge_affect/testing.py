"""Fakes for tests: scripted sources, a runner and a model of known arithmetic.

Only tests import this module.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_affect.affect_model import AffectModel
from edge_affect.clock import NS_PER_MS, NS_PER_S, Clock
from edge_affect.errors import SourceError
from edge_affect.labels import EXPRESSIONS, VOICE_EMOTIONS
from edge_affect.model.affect import AffectGraphs
from edge_affect.model.bundle import Bundle
from edge_affect.model.manifest import Head, Manifest, Timing, Validity
from edge_affect.model.preprocessing import (
    FacePreprocessing,
    Preprocessing,
    VoicePreprocessing,
)
from edge_affect.runners.base import Runner, Signature, StreamState, Tensors
from edge_affect.sinks.base import RunHeader
from edge_affect.sinks.record import SCHEMA
from edge_affect.sources.base import SourceInfo
from edge_affect.types import (
    SAMPLE_RATE_HZ,
    AudioChunk,
    Estimate,
    Face,
    Frame,
    Health,
    HealthState,
)

Item = TypeVar("Item", Frame, AudioChunk, "Frame | AudioChunk")


class _Scripted(Generic[Item]):
    """Delivers what a script says, when it says so.

    Args:
        script: Arrival in ns from the opening, and what arrives: an item, or an error
            that ``read`` raises then. In order of arrival.
        clock: Live: items wait for their arrival. None: as fast as they are read.
        info: What the source says of itself.
    """

    def __init__(
        self,
        script: Sequence[tuple[int, Item | Exception]],
        clock: Clock | None,
        info: SourceInfo,
    ) -> None:
        self._script = deque(script)
        self._clock = clock
        self._info = info
        self._start_ns = 0
        self._closed = threading.Event()
        self.opened = 0
        """Times that it was opened."""

    @property
    def info(self) -> SourceInfo:
        """What it says of itself."""
        return self._info

    def __enter__(self) -> Any:
        """Begin the script's time."""
        self.opened += 1
        self._start_ns = 0 if self._clock is None else self._clock.now_ns()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def read(self, timeout_ns: int) -> Item | None:
        """Return the next item once it is due."""
        if self.ended:
            return None
        due_ns, item = self._script[0]
        if self._clock is not None:
            now_ns = self._clock.now_ns()
            due_ns += self._start_ns
            self._clock.sleep_until(min(due_ns, now_ns + timeout_ns))
            if due_ns > now_ns + timeout_ns:
                return None
        self._script.popleft()
        if isinstance(item, Exception):
            raise item
        if self._clock is None:
            return item
        shift_ns = due_ns - item.t_arrival_ns
        return replace(
            item, t_arrival_ns=due_ns, t_capture_ns=item.t_capture_ns + shift_ns
        )

    @property
    def ended(self) -> bool:
        """Whether the script was read to its end."""
        return self._closed.is_set() or not self._script

    def close(self) -> None:
        """End it; idempotent."""
        self._closed.set()


class ScriptedSource(_Scripted["Frame | AudioChunk"]):
    """A camera or file that follows a script; see ``_Scripted``."""

    def __init__(
        self,
        script: Sequence[tuple[int, Frame | AudioChunk | Exception]],
        *,
        clock: Clock | None = None,
        name: str = "scripted",
        note: str | None = None,
    ) -> None:
        has_audio = any(isinstance(item, AudioChunk) for _, item in script)
        live = clock is not None
        info = SourceInfo(name, live=live, has_audio=has_audio, note=note)
        super().__init__(script, clock, info)


class ScriptedMicrophone(_Scripted[AudioChunk]):
    """A microphone that follows a script; see ``_Scripted``."""

    def __init__(
        self,
        script: Sequence[tuple[int, AudioChunk | Exception]],
        *,
        clock: Clock,
        name: str = "scripted microphone",
    ) -> None:
        info = SourceInfo(name, live=True, has_video=False, has_audio=True)
        super().__init__(script, clock, info)


def make_frame(index: int = 0, t_ns: int = 0, *, delay_ns: int = 0) -> Frame:
    """Return a small grey frame whose brightness follows ``index``."""
    level = 64 + index * 7 % 128
    return Frame(
        np.full((48, 64, 3), level, np.uint8), t_ns, t_ns + delay_ns, index=index
    )


def make_chunk(
    index: int = 0, t_ns: int = 0, samples: int = 1_600, level: float = 0.1
) -> AudioChunk:
    """Return a chunk of a steady tone, delivered when its last sample was taken."""
    first = t_ns * SAMPLE_RATE_HZ // NS_PER_S
    phase = 2 * np.pi * 220 / SAMPLE_RATE_HZ * np.arange(first, first + samples)
    sound = (level * np.sin(phase)).astype(np.float32)
    end_ns = t_ns + samples * NS_PER_S // SAMPLE_RATE_HZ
    return AudioChunk(sound, t_ns, end_ns, index)


def camera_script(
    seconds: float, fps: float = 30.0
) -> list[tuple[int, Frame | AudioChunk | Exception]]:
    """Return the script of a steady camera without delay."""
    times = [round(k * NS_PER_S / fps) for k in range(int(seconds * fps))]
    return [(t_ns, make_frame(k, t_ns)) for k, t_ns in enumerate(times)]


def make_estimate(index: int = 0, **changes: Any) -> Estimate:
    """Return a healthy estimate of cell ``index``, some of its fields changed."""
    t_ms = (index + 0.5) * 1_000 / 30
    shares = {label: 0.05 for label in EXPRESSIONS} | {"happiness": 0.65}
    values: dict[str, Any] = {
        "index": index,
        "t_ns": NS_PER_S + round(t_ms * NS_PER_MS),
        "t_ms": t_ms,
        "age_ms": 12.5,
        "held": False,
        "rung": 0,
        "health": Health(HealthState.OK, HealthState.OK),
        "valence": 0.25,
        "arousal": -0.5,
        "valence_std": 0.1,
        "arousal_std": 0.2,
        "valence_ahead": 0.3,
        "arousal_ahead": -0.4,
        "expression": shares,
        "confidence": 0.65,
        "frame": index,
        "hop": index // 3,
    }
    return Estimate(**{**values, **changes})


def make_lost_estimate(index: int = 0) -> Estimate:
    """Return the estimate of a cell about which nothing is known."""
    health = Health(HealthState.LOST, HealthState.LOST, ("no_face", "no_sound"))
    t_ms = (index + 0.5) * 1_000 / 30
    t_ns = NS_PER_S + round(t_ms * NS_PER_MS)
    return Estimate(index, t_ns, t_ms, 0.0, held=True, rung=0, health=health)


def make_header(**changes: Any) -> RunHeader:
    """Return a run header, some of its fields changed."""
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "version": "0.0.0",
        "bundle": "fake 0.0.1",
        "bundle_digest": "ab" * 32,
        "backend": "fake",
        "provider": "FakeProvider",
        "target": "cpu-fp32",
        "purpose": "research",
        "source": "scripted",
        "audio": None,
        "mount": {"yaw_deg": 0.0},
        "t0_ns": NS_PER_S,
        "cell_hz": (30, 1),
        "utc_offset_ns": 1_750_000_000 * NS_PER_S,
        "utc_source": "system",
    }
    return RunHeader(**{**values, **changes})


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
        super().__init__({"face": _FACE, "voice": _VOICE, "affect": _AFFECT})
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
            return _face(inputs["image"]), {}
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


def _face(image: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    patches = image.mean(axis=1).reshape(8, 14, 8, 14).mean(axis=(1, 3))
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


class FakeModel(AffectModel):
    """A model over ``FakeRunner`` and ``CentreLocator``; loads nothing."""

    def __init__(self, purpose: str = "research") -> None:
        manifest = make_manifest()
        bundle = Bundle(manifest, "ab" * 32, MappingProxyType({}))
        graphs = AffectGraphs(FakeRunner(), manifest)
        super().__init__(bundle, purpose, graphs, "cpu-fp32")

    def new_locator(self) -> CentreLocator:
        """Return a locator of its own for each stream."""
        return CentreLocator()


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


def device_lost(what: str = "camera 0") -> SourceError:
    """Return the error of a device that was unplugged, for scripts."""
    return SourceError(f"{what}: the device is gone")
