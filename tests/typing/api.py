"""User code that mypy checks: every public name, used as the documents say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import edge_affect as ea


class Printer:
    """A sink of a user's own."""

    def open(self, header: ea.RunHeader) -> None:
        """Start."""
        print(header.bundle, header.cell_hz)  # noqa: T201

    def write(self, estimate: ea.Estimate) -> None:
        """Take one estimate."""
        print(estimate.label, estimate.confidence)  # noqa: T201

    def close(self) -> None:
        """Finish."""


def live(clock: ea.Clock) -> None:
    """Run a camera and a microphone."""
    mount = ea.CameraMount(yaw_deg=20.0, rotate=180)
    sink: ea.Sink = Printer()
    with ea.AffectStream(
        0,
        "default",
        purpose="private_vehicle",
        budget_ms=33,
        mount=mount,
        sinks=[sink, ea.JsonlSink(Path("run.jsonl"))],
        clock=clock,
    ) as stream:
        info: ea.StreamInfo = stream.info
        newest: ea.Estimate | None = stream.latest()
        for estimate in stream:
            health: ea.Health = estimate.health
            if health.face is ea.HealthState.LOST or newest is None:
                stream.stop()
        changes: tuple[ea.Event, ...] = stream.take_events()
        stats: ea.StreamStats = stream.stats
    print(info.provider, stats.dropped, changes)  # noqa: T201


def shared(first: ea.Source, second: ea.Source, sound: ea.AudioSource) -> float:
    """Share one model between two streams of a user's own sources."""
    model = ea.AffectModel.load(purpose="research", backend="onnxruntime")
    rest = ea.RealtimeSettings(priority=40, cores=(1,), freeze_collector=True)
    config = ea.StreamConfig("research", detect_every=5, realtime=rest)
    with (
        ea.AffectStream(first, sound, config=config, model=model) as left,
        ea.AffectStream(second, purpose="research", model=model) as right,
    ):
        pairs = zip(left, right, strict=False)
        return sum((a.valence or 0.0) - (b.valence or 0.0) for a, b in pairs)


def still(model: ea.AffectModel) -> ea.Face | None:
    """Read one picture."""
    found: ea.StillEstimate = model.still(np.zeros((480, 640, 3), np.uint8))
    return found.face


def again(source: ea.Source, model: ea.AffectModel) -> Iterator[ea.Estimate]:
    """Analyse a file, then replay it."""
    decisions = [ea.Decision.of(e) for e in ea.analyze("drive.mp4", purpose="research")]
    config = ea.StreamConfig("research")
    return ea.replay(source, decisions, model=model, config=config)


async def without_blocking(stream: ea.AffectStream) -> list[ea.Estimate]:
    """Read a stream from asyncio."""
    estimates = []
    iterator = iter(stream)
    while (estimate := await asyncio.to_thread(next, iterator, None)) is not None:
        estimates.append(estimate)
    return estimates


def own_frame(clock: ea.SystemClock, simulated: ea.SimClock) -> ea.Frame:
    """Make a frame of a user's own camera."""
    now_ns = clock.now_ns() + simulated.now_ns()
    data = np.zeros((480, 640), np.uint8)
    return ea.Frame(data, now_ns, now_ns, 0, pixel_format=ea.PixelFormat.GREY8)


def own_sound(info: ea.SourceInfo) -> ea.AudioChunk:
    """Make a chunk of a user's own microphone."""
    return ea.AudioChunk(np.zeros(320, np.float32), info.latency_ns, 0, 0)


NAMES: tuple[str, ...] = (
    *ea.EXPRESSIONS,
    *ea.ACTION_UNITS,
    *ea.DRIVER_SIGNALS,
    *ea.PURPOSES,
)
ERRORS: tuple[type[ea.EdgeAffectError], ...] = (
    ea.BundleError,
    ea.ConfigError,
    ea.DataError,
    ea.MissingDependencyError,
    ea.NonFiniteError,
    ea.PurposeError,
    ea.RunnerError,
    ea.SinkError,
    ea.SourceError,
    ea.StreamStateError,
    ea.UsageError,
)
