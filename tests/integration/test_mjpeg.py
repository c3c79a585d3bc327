"""A live stream over the network, read by OpenCV through the camera's thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_affect.clock import NS_PER_S, SystemClock
from edge_affect.errors import SourceError
from edge_affect.sources.camera import CameraSource

pytestmark = [
    pytest.mark.camera,
    pytest.mark.skipif(
        cv2.CAP_FFMPEG not in cv2.videoio_registry.getStreamBackends(),
        reason="this OpenCV has no FFmpeg, which reads streams",
    ),
]

SENT = 90
PERIOD_NS = NS_PER_S // 30
BLOCK_PX = 40
BITS = 8
LOST_AT_ENDS = 3
"""The demuxer may keep a frame to itself at the start and at the end."""


def _painted(number: int) -> NDArray[np.uint8]:
    """Return a picture whose white blocks are the bits of ``number``."""
    picture = np.zeros((240, BITS * BLOCK_PX, 3), np.uint8)
    for bit in range(BITS):
        if number >> bit & 1:
            picture[:, bit * BLOCK_PX : (bit + 1) * BLOCK_PX] = 255
    return picture


def _read_number(picture: NDArray[np.uint8]) -> int:
    means = picture.reshape(240, BITS, BLOCK_PX, 3).mean((0, 2, 3))
    return sum(1 << bit for bit in range(BITS) if means[bit] > 128)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Send every frame when it is due, then close."""
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        with suppress(ConnectionError):  # the reader may leave early
            self._send_frames()

    def _send_frames(self) -> None:
        clock = SystemClock()
        start_ns = clock.now_ns()
        for number in range(SENT):
            clock.sleep_until(start_ns + number * PERIOD_NS)
            jpeg = cv2.imencode(".jpg", _painted(number))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
            self.wfile.write(head.encode() + b"\r\n\r\n" + jpeg + b"\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def _served() -> Iterator[str]:
    """Yield the address of the stream."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/stream.mjpg"
        finally:
            server.shutdown()
            thread.join()


def test_camera_reads_a_live_stream_to_its_end() -> None:
    """Every frame sent is captured or counted, in order; the end is an error."""
    clock = SystemClock()
    numbers: list[int] = []
    arrivals: list[int] = []
    with _served() as address, CameraSource(address, clock) as camera:
        with pytest.raises(SourceError, match="stopped giving frames"):
            while True:
                frame = camera.read(20 * NS_PER_S)
                assert frame is not None
                numbers.append(_read_number(frame.data))
                arrivals.append(frame.t_arrival_ns)
        captured = len(numbers) + camera.dropped
    assert numbers == sorted(set(numbers))
    assert captured >= SENT - LOST_AT_ENDS
    # A busy machine may let a frame be replaced by the next now and then.
    assert len(numbers) > SENT / 2
    assert arrivals == sorted(arrivals)


def test_camera_closes_while_the_stream_runs() -> None:
    """Closing in the middle of a stream leaves no reader behind."""
    with _served() as address:
        with CameraSource(address, SystemClock()) as camera:
            assert camera.read(20 * NS_PER_S) is not None
        assert camera.ended
        assert camera.abandoned == 0
