"""What a stream says of itself: what runs, and how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_affect.affect_model import AffectModel
from edge_affect.config import StreamConfig
from edge_affect.realtime.budget import StageStats, StageTimes
from edge_affect.realtime.devices import Devices
from edge_affect.realtime.loop import StreamLoop


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a stream runs on."""

    source: str
    """Name of the video source."""
    audio: str | None
    """Name of the sound source; None without sound."""
    live: bool
    """Whether it runs in real time."""
    backend: str
    """Backend that runs the graphs."""
    provider: str
    """Provider that really runs them."""
    target: str
    """Target of the graphs, such as ``cpu-fp32``."""
    target_reason: str
    """Why that target runs: it was asked for, measured here, or is the default."""
    bundle: str
    """Name and version of the bundle."""
    bundle_digest: str
    """SHA-256 of the bundle's manifest, hex."""
    purpose: str
    """Declared purpose."""
    cell_hz: tuple[int, int] = (30, 1)
    """Cells per second, as numerator and denominator."""
    notes: tuple[str, ...] = ()
    """One line each for whatever the user should know, such as absent sound."""


def printable(text: str) -> str:
    r"""Return ``text`` with bytes that are no letters spelt out, as ``\udcff``.

    The name of a file may hold such bytes; a page or a terminal cannot.
    """
    return text.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, slots=True)
class StreamStats:
    """How a stream went so far."""

    stages: Mapping[str, StageStats]
    """Durations of each stage that ran."""
    captured: int
    """Frames that the source counted."""
    processed: int
    """Frames that reached a cell."""
    dropped: Mapping[str, int]
    """Frames dropped, by reason; captured = processed + dropped once closed."""
    misses: int
    """Steps that overran the budget."""
    masked_hops: int
    """Cells whose voice hop was not computed in time."""
    lost_samples: int
    """Samples of live sound that could not be heard in time."""
    cells: int
    """Cells that were stepped."""
    skipped: int
    """Cells left out by a stall of the process or a gap in the source's time."""
    consumer_dropped: int
    """Estimates that a slow consumer never read."""
    face_ok_share: float
    """Share of cells whose face was ``ok``, in [0, 1]."""


def stream_info(
    devices: Devices,
    model: AffectModel,
    config: StreamConfig,
    failures: Sequence[str] = (),
) -> StreamInfo:
    """Return what a stream of ``devices`` through ``model`` runs on.

    Args:
        devices: Its sources; what is said of them is complete once they are open.
        model: What it runs.
        config: What was asked for.
        failures: One line for each sink that was left out.
    """
    video = devices.video.info
    audio = None if devices.audio is None else devices.audio.info
    if audio is None and video.has_audio:
        audio = video
    bundle, runner = model.bundle, model.graphs.runner
    notes = [note for note in (video.note, audio and audio.note) if note]
    spectrum, valid = config.mount.spectrum, bundle.manifest.validity.spectra
    if spectrum not in valid:
        notes.append(
            f"the bundle was made for {', '.join(valid)} light; "
            f"{spectrum} light is unproven"
        )
    return StreamInfo(
        source=printable(video.name),
        audio=None if audio is None else printable(audio.name),
        live=video.live,
        backend=runner.backend,
        provider=runner.provider,
        target=model.target,
        target_reason=model.target_reason,
        bundle=f"{bundle.manifest.name} {bundle.manifest.version}",
        bundle_digest=bundle.digest,
        purpose=config.purpose,
        cell_hz=bundle.manifest.timing.cell_hz,
        notes=tuple(map(printable, (*dict.fromkeys(notes), *failures))),
    )


def stream_stats(
    loop: StreamLoop, times: StageTimes, *, lost_samples: int, consumer_dropped: int
) -> StreamStats:
    """Return how the stream of ``loop`` went so far.

    Args:
        loop: Counts frames and cells.
        times: Durations of its stages.
        lost_samples: Samples of live sound that could not be heard in time.
        consumer_dropped: Estimates that a slow consumer never read.
    """
    accounts = loop.accounts
    return StreamStats(
        stages=times.stats(),
        captured=accounts.captured,
        processed=accounts.processed,
        dropped=accounts.dropped,
        misses=loop.misses,
        masked_hops=loop.masked_hops,
        lost_samples=lost_samples,
        cells=loop.cells,
        skipped=loop.skipped,
        consumer_dropped=consumer_dropped,
        face_ok_share=loop.face_ok / loop.cells if loop.cells else 0.0,
    )
