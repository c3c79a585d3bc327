"""A camera with sound that was drawn before: its own cost is none of the figures."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge_affect.clock import NS_PER_MS, NS_PER_S, Clock
from edge_affect.sources.base import Closing, SourceInfo, iterate
from edge_affect.sources.simulated import SimulatedSource
from edge_affect.types import AudioChunk, Frame

SECONDS = 5
"""Length of what is drawn."""
LATENCY_NS = 30 * NS_PER_MS
"""From capture to arrival."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Frames and sound of a simulated driver, in order of arrival."""

    items: tuple[Frame | AudioChunk, ...]
    fps: int
    """Frames per second."""

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return SECONDS * self.fps

    @property
    def chunks(self) -> int:
        """How many chunks of sound there are."""
        return len(self.items) - self.frames


def draw(
    seed: int = 0,
    fps: int = 30,
    size: tuple[int, int] = (640, 480),
    *,
    sound: bool = True,
) -> Drawn:
    """Film a simulated driver for ``SECONDS``.

    Args:
        seed: Of the driver.
        fps: Frames per second.
        size: Width and height, pixels.
        sound: Whether there is sound.
    """
    source = SimulatedSource(
        seed, SECONDS, fps, size, audio=sound, latency_ns=LATENCY_NS, start_ns=0
    )
    with source:
        return Drawn(tuple(iterate(source, 0)), fps)


class LoopedSource(Closing):
    """Plays what was drawn again and again, by the clock: the loop is open.

    An item is as old as the clock says, however late it is read. ``hold`` stops the
    frames for a while, as a camera that rests.
    """

    def __init__(self, drawn: Drawn, clock: Clock) -> None:
        self._drawn = drawn
        self._clock = clock
        self._next = 0
        self._began_ns = 0
        self._held_ns = 0
        self._closed = False

    @property
    def info(self) -> SourceInfo:
        """What is known of the source."""
        has_audio = self._drawn.chunks > 0
        return SourceInfo(
            "looped", live=True, latency_ns=LATENCY_NS, has_audio=has_audio
        )

    def __enter__(self) -> LoopedSource:
        """Begin now."""
        self._began_ns = self._clock.now_ns()
        return self

    def arrived_ns(self, index: int) -> int:
        """Return when frame ``index`` was due to arrive."""
        return self._began_ns + index * NS_PER_S // self._drawn.fps + LATENCY_NS

    def hold(self, until_ns: int) -> None:
        """Let frames that arrive before ``until_ns`` be lost."""
        self._held_ns = until_ns

    def read(self, timeout_ns: int) -> Frame | AudioChunk | None:
        """Return the next item once it is due."""
        until_ns = self._clock.now_ns() + timeout_ns
        while not self._closed:
            item = self._item()
            if item.t_arrival_ns > until_ns:
                self._clock.sleep_until(until_ns)
                return None
            self._next += 1
            self._clock.sleep_until(item.t_arrival_ns)
            if item.t_arrival_ns >= self._held_ns or isinstance(item, AudioChunk):
                return item
        return None

    def _item(self) -> Frame | AudioChunk:
        loop, place = divmod(self._next, len(self._drawn.items))
        item = self._drawn.items[place]
        shift_ns = self._began_ns + loop * SECONDS * NS_PER_S
        capture_ns = item.t_capture_ns + shift_ns
        if isinstance(item, AudioChunk):
            return replace(
                item,
                t_capture_ns=capture_ns,
                t_arrival_ns=item.t_arrival_ns + shift_ns,
                index=item.index + loop * self._drawn.chunks,
            )
        index = item.index + loop * self._drawn.frames
        return replace(
            item,
            t_capture_ns=capture_ns,
            t_arrival_ns=self.arrived_ns(index),
            index=index,
        )

    @property
    def ended(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def close(self) -> None:
        """Stop."""
        self._closed = True
