"""The estimates of a whole file: a stream that is drained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_affect.affect_model import AffectModel
from edge_affect.errors import UsageError
from edge_affect.realtime.stream import AffectStream
from edge_affect.sinks.base import Sink
from edge_affect.sources.given import VideoLike
from edge_affect.types import Estimate


def analyze(
    video: VideoLike,
    *,
    purpose: str,
    model: AffectModel | None = None,
    sinks: Sequence[Sink] = (),
) -> Iterator[Estimate]:
    """Yield the estimates of a file, as fast as it goes.

    Args:
        video: A path, ``simulated``, or any finite ``Source``.
        purpose: What the estimates are for, one of ``labels.PURPOSES``.
        model: A loaded model to share; None loads the shipped bundle.
        sinks: Take every estimate.

    Raises:
        UsageError: ``video`` is a live source; this and a wrong purpose at once.
        SourceError: The file cannot be read; with the first estimate.
    """
    stream = AffectStream(video, purpose=purpose, model=model, sinks=sinks)
    if stream.info.live:
        stream.close()
        raise UsageError(
            f"analyze: {stream.info.source} is live; use AffectStream for it"
        )
    return _drain(stream)


def _drain(stream: AffectStream) -> Iterator[Estimate]:
    with stream:
        yield from stream
