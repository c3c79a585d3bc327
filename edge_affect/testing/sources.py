"""Sources that follow a script, and what they deliver."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

import numpy as np

from edge_affect.clock import NS_PER_S, Clock
from edge_affect.errors import SourceError
from edge_affect.sources.base import Closing, SourceInfo
from edge_affect.types import SAMPLE_RATE_HZ, AudioChunk, Frame

Item = TypeVar("Item", bound="Frame | AudioChunk")


class _Scripted(Closing, Generic[Item]):
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
        self._script: deque[tuple[int, Item | Exception]] = deque(script)
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
        return _shifted(item, due_ns - item.t_arrival_ns)

    @property
    def ended(self) -> bool:
        """Whether the script was read to its end."""
        return self._closed.is_set() or not self._script

    def close(self) -> None:
        """End it; idempotent."""
        self._closed.set()


def _shifted(item: Item, by_ns: int) -> Item:
    return replace(
        item,
        t_capture_ns=item.t_capture_ns + by_ns,
        t_arrival_ns=item.t_arrival_ns + by_ns,
    )


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


def device_lost(what: str = "camera 0") -> SourceError:
    """Return the error of a device that was unplugged, for scripts."""
    return SourceError(f"{what}: the device is gone")
