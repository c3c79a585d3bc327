"""What csi:// and gst:// addresses mean."""

from __future__ import annotations

import pytest

from edge_affect.errors import UsageError
from edge_affect.sources.capture import CameraSettings
from edge_affect.sources.pipelines import csi_pipeline, given_pipeline

NEWEST = "appsink name=edge_affect max-buffers=1 drop=true sync=false"


def test_csi_pipeline_takes_the_newest_small_picture() -> None:
    """Argus, the scaler, NV12, and a sink that holds one picture and waits for none."""
    pipeline = csi_pipeline("csi://1", CameraSettings(320, 180, 15))
    elements = [part.strip() for part in pipeline.text.split(" ! ")]
    assert elements[0] == "nvarguscamerasrc sensor-id=1"
    assert elements[1] == "video/x-raw(memory:NVMM),format=NV12,framerate=15/1"
    assert elements[2:4] == [
        "nvvidconv",
        "video/x-raw,format=NV12,width=320,height=180",
    ]
    assert elements[4].startswith(NEWEST)
    assert pipeline.name == "csi camera 1"
    assert pipeline.endless


def test_csi_pipeline_keeps_the_shape_of_a_wide_sensor() -> None:
    """Nothing is squashed: 16 to 9 unless told otherwise."""
    assert "width=640,height=360" in csi_pipeline("csi://0").text


@pytest.mark.parametrize("address", ["csi://", "csi://x", "csi://-1", "csi://0 ! x"])
def test_csi_pipeline_refuses_what_is_no_number(address: str) -> None:
    """Only digits reach the pipeline's text."""
    with pytest.raises(UsageError, match="expected csi://0 or another number"):
        csi_pipeline(address)


def test_given_pipeline_ends_in_our_sink() -> None:
    """A user's elements come first, as they are; a last ``!`` is forgiven."""
    for address in (
        "gst://v4l2src device=/dev/video2",
        "gst:// v4l2src device=/dev/video2 ! ",
    ):
        text = given_pipeline(address).text
        assert text.startswith("v4l2src device=/dev/video2 ! videoconvert ! ")
        assert text.partition(" ! appsink")[2]


def test_given_pipeline_is_named_without_its_secrets() -> None:
    """The name is the kind of the first element: its settings may hold a password."""
    pipeline = given_pipeline(
        "gst://rtspsrc location=rtsp://user:secret@cam/ ! decodebin"
    )
    assert pipeline.name == "gst rtspsrc"


@pytest.mark.parametrize("address", ["gst://", "gst:// ! ", "gst://v4l2src ! appsink"])
def test_given_pipeline_refuses_what_has_no_end_for_us(address: str) -> None:
    """Nothing at all, or a sink of its own, is wrong usage."""
    with pytest.raises(UsageError, match="end before the sink"):
        given_pipeline(address)
