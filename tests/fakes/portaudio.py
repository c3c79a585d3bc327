"""PyAudio without a sound card: a test is the device."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Info = dict[str, Any]


def microphone(index: int, name: str, channels: int = 1, rate_hz: int = 16_000) -> Info:
    """Return what PortAudio tells of a device."""
    return {
        "index": index,
        "name": name,
        "maxInputChannels": channels,
        "defaultSampleRate": float(rate_hz),
    }


class FakePyAudio:
    """Stands in for the package, for its ``PyAudio`` and for the one open stream."""

    paInt16 = 8  # noqa: N815 - PyAudio's name
    paContinue = 0  # noqa: N815
    paInputOverflow = 2  # noqa: N815

    def __init__(
        self,
        devices: Sequence[Info] = (microphone(0, "fake"),),
        default: int | None = 0,
        refused: Collection[tuple[int, int]] = (),
    ) -> None:
        """Describe the machine.

        Args:
            devices: Every device, outputs too.
            default: Number of the default input; None: there is none.
            refused: Rates and channel counts that cannot be opened.
        """
        self.devices = devices
        self.default = default
        self.refused = refused
        self.active = True
        self.opened: Info = {}
        self.closed = self.terminated = 0
        self.while_closing: Callable[[], object] = lambda: None

    def install(self, monkeypatch: pytest.MonkeyPatch) -> FakePyAudio:
        """Make ``import pyaudio`` find this."""
        monkeypatch.setitem(sys.modules, "pyaudio", self)
        return self

    def PyAudio(self) -> FakePyAudio:  # noqa: N802 - PyAudio's name
        return self

    def get_device_count(self) -> int:
        return len(self.devices)

    def get_device_info_by_index(self, index: int) -> Info:
        return self.devices[index]

    def get_default_input_device_info(self) -> Info:
        if self.default is None:
            raise OSError("No Default Input Device Available")
        return self.devices[self.default]

    def open(self, **wanted: Any) -> FakePyAudio:
        if (wanted["rate"], wanted["channels"]) in self.refused:
            raise OSError("Invalid sample rate", -9997)
        self.opened = wanted
        return self

    def get_input_latency(self) -> float:
        return 0.04

    def is_active(self) -> bool:
        return self.active

    def close(self) -> None:
        self.while_closing()
        self.closed += 1

    def terminate(self) -> None:
        self.terminated += 1

    def feed(self, samples: NDArray[np.int16], age_s: float, status: int = 0) -> None:
        """Call back with ``(samples, channels)`` whose first one is ``age_s`` old."""
        times = {"current_time": 500.0 + age_s, "input_buffer_adc_time": 500.0}
        callback = self.opened["stream_callback"]
        answer = callback(samples.tobytes(), len(samples), times, status)
        assert answer == (None, self.paContinue)
