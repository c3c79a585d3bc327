"""A whole stream over a pipeline that GStreamer plays."""

from __future__ import annotations

import pytest

from edge_affect import AffectStream
from edge_affect.model.bundle import shipped_folder
from edge_affect.types import HealthState

pytestmark = [
    pytest.mark.gst,
    pytest.mark.skipif(
        not shipped_folder("edge-affect-s").exists(), reason="no bundle is shipped"
    ),
]
CAPS = "video/x-raw,width=320,height=240,framerate=30/1,format={}"


@pytest.mark.parametrize("pixel_format", ["NV12", "GRAY8", "BGR"])
def test_stream_over_a_pipeline_accounts_for_every_picture(pixel_format: str) -> None:
    """A test picture holds no face, and every one of its frames is accounted for."""
    caps = CAPS.format(pixel_format)
    pipeline = f"gst://videotestsrc is-live=true num-buffers=30 ! {caps}"
    with AffectStream(pipeline, purpose="research") as stream:
        estimates = list(stream)
        stats = stream.stats
    assert estimates
    assert stats.captured == stats.processed + sum(stats.dropped.values())
    assert stats.processed
    assert stream.info.source == "gst videotestsrc"
    for estimate in estimates:
        assert estimate.health.face is not HealthState.OK
        assert estimate.valence is None
