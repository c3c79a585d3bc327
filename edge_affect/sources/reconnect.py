"""A live device that is opened again, with back-off, after it was lost or hung."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar, final

from edge_affect.clock import NS_PER_MS, NS_PER_S, Clock
from edge_affect.errors import SourceError, StreamStateError, WrongRateError
from edge_affect.sources.base import Closing, SourceInfo
from edge_affect.sources.sample_times import SETTLED_NS
from edge_affect.types import AudioChunk, Frame

_LOG = logging.getLogger(__name__)

_LOG_EVERY_NS = 10 * NS_PER_S
_AWAY_NS = 250 * NS_PER_MS
"""A reader that did not look for longer stood still itself, or the machine slept."""
_PERIODS = 5
"""A slow camera hangs once it left out so many items in a row."""
_Item = TypeVar("_Item", bound=Frame | AudioChunk)
_Item_co = TypeVar("_Item_co", bound=Frame | AudioChunk, covariant=True)


_LOST = (SourceError, OSError)
"""What a device that is gone raises: PyAudio tells of its own in OSErrors."""


class Device(Closing, Protocol[_Item_co]):
    """What a camera and a microphone have in common."""

    @property
    def info(self) -> SourceInfo:
        """What is known of it; complete once it is open."""

    def __enter__(self) -> object:
        """Open it; raises SourceError."""

    def read(self, timeout_ns: int) -> _Item_co | None:
        """Return the next item, or None when none came within ``timeout_ns``."""

    @property
    def ended(self) -> bool:
        """Whether every item was read."""


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """When a device counts as lost, and how it is tried again."""

    first_wait_ns: int = 250 * NS_PER_MS
    """Wait before the first try; doubled after each one that fails."""
    longest_wait_ns: int = 5 * NS_PER_S
    """The wait is not doubled beyond this."""
    hang_ns: int = 500 * NS_PER_MS
    """A device that gave items and then none for so long hangs."""
    first_item_ns: int = 5 * NS_PER_S
    """A device that was just opened may take so long to give its first item."""
    good_items: int = 3
    """The device is back with so many items in a row; those before are held back."""
    most_hangs: int = 4
    """Devices whose threads may be left behind at a time; it is tried again once one of
    them has ended."""
    settles_ns: int = SETTLED_NS
    """Once a device lied about its rate, the next one is heard after so long."""


@final
class Reconnecting(Closing, Generic[_Item]):
    """A camera or microphone that may be unplugged and come back.

    Items keep one count across devices, so those that were held back count as lost by
    the source; a chunk after a loss follows a gap.
    """

    def __init__(
        self,
        make: Callable[[], Device[_Item]],
        clock: Clock,
        settings: RetrySettings | None = None,
        present: Callable[[], bool] | None = None,
    ) -> None:
        """Make the first device; ``with`` opens it.

        Args:
            make: Returns the device, not open yet, anew for each try.
            clock: Times the tries.
            settings: When to try again; None for the defaults.
            present: Tells cheaply whether the device is there, where that can be
                told: one that comes back is then tried at once.
        """
        self._make = make
        self._clock = clock
        self._settings = settings or RetrySettings()
        self._present = present
        self._changed = threading.Condition()
        self._source: Device[_Item] | None = make()
        self._info = self._source.info
        self._closed = self._lied = False
        self._wait_ns = self._settings.first_wait_ns
        self._due_ns = 0
        self._seen_absent = False
        self._opened_ns = self._item_ns = self._looked_ns = self._away_ns = 0
        self._items = self._settings.good_items
        self._period_ns = self._settings.hang_ns // _PERIODS
        self._left_behind: list[Device[_Item]] = []
        self._offsets: dict[type, int] = {Frame: 0, AudioChunk: 0}
        self._next = dict(self._offsets)
        self._gap = False
        self._logged_ns: int | None = None

    @property
    def info(self) -> SourceInfo:
        """What is known of the device that was open last."""
        return self._info

    @property
    def ended(self) -> bool:
        """Whether it was closed, or ended in order."""
        source = self._source
        return self._closed or (source is not None and source.ended)

    def __enter__(self) -> Reconnecting[_Item]:
        """Open the device for the first time; raises SourceError."""
        source = self._source
        if source is None or self._closed:
            raise StreamStateError(f"{self._info.name}: was closed; make another")
        source.__enter__()
        self._info = source.info
        self._opened_ns = self._item_ns = self._looked_ns = self._clock.now_ns()
        self._away_ns = 0
        return self

    def read(self, timeout_ns: int) -> _Item | None:
        """Return the next item, or None while there is none or the device is lost."""
        now_ns = self._clock.now_ns()
        until_ns = now_ns + timeout_ns
        if now_ns - self._looked_ns > _AWAY_NS:
            self._away_ns += now_ns - self._looked_ns
        try:
            return self._read(timeout_ns, until_ns)
        finally:
            self._looked_ns = self._clock.now_ns()

    def _read(self, timeout_ns: int, until_ns: int) -> _Item | None:
        source = self._source
        if source is None:
            self._try_again(until_ns)
            return None
        try:
            left_ns = max(0, self._hangs_at_ns() - self._clock.now_ns())
            item = source.read(min(timeout_ns, left_ns))
        except _LOST as error:
            self._lied |= isinstance(error, WrongRateError)
            if self._items < self._settings.good_items or self._lied:
                self._back_off()  # it opened and gave nothing, or nothing of use
            self._lose(source, str(error))
            return None
        if item is not None:
            return self._pass_on(item)
        if not source.ended and self._clock.now_ns() >= self._hangs_at_ns():
            self._back_off()
            self._lose(source, f"{self._info.name}: gives nothing any more")
        return None

    def close(self) -> None:
        """Close the device and try no more; from any thread, idempotent."""
        with self._changed:
            self._closed = True
            source = self._source
            self._changed.notify_all()
        if source is not None:
            source.close()

    def _hangs_at_ns(self) -> int:
        if self._item_ns == self._opened_ns:
            return self._opened_ns + self._away_ns + self._settings.first_item_ns
        hang_ns = max(self._settings.hang_ns, _PERIODS * self._period_ns)
        return self._item_ns + self._away_ns + hang_ns

    def _pass_on(self, item: _Item) -> _Item | None:
        before_ns = self._item_ns
        self._item_ns = max(self._clock.now_ns(), self._opened_ns + 1)
        if before_ns > self._opened_ns and not self._away_ns:
            # The shortest counts, and is forgotten by and by: drops only lengthen it.
            passed_ns = self._item_ns - before_ns
            self._period_ns = min(passed_ns, self._period_ns * 21 // 20)
        self._away_ns = 0
        kind = type(item)
        index = item.index + self._offsets[kind]
        self._next[kind] = max(self._next[kind], index + 1)
        coming_back = self._items < self._settings.good_items
        if coming_back and item.t_capture_ns < self._opened_ns:
            return None  # from a buffer that was filled before the loss
        if self._lied and self._item_ns - self._opened_ns < self._settings.settles_ns:
            return None
        self._items += 1
        if self._items < self._settings.good_items:
            return None
        if self._items == self._settings.good_items:
            self._wait_ns = self._settings.first_wait_ns
            self._lied = False
        if isinstance(item, AudioChunk):
            gap, self._gap = self._gap or item.gap_before, False
            return replace(item, index=index, gap_before=gap)
        return replace(item, index=index)

    def _lose(self, source: Device[_Item], why: str) -> None:
        with self._changed:
            self._source = None
        source.close()
        if source.hangs:
            self._left_behind.append(source)
        self._offsets = dict(self._next)
        self._items = 0
        self._gap = True
        self._seen_absent = self._present is not None and not self._present()
        self._due_ns = self._clock.now_ns() + self._wait_ns
        self._warn(f"{why}; tried again until it is back")

    def _try_again(self, until_ns: int) -> None:
        """Wait for the next try, at most until ``until_ns``, and make it if due."""
        with self._changed:
            while not self._closed and not self._is_due():
                now_ns = self._clock.now_ns()
                if now_ns >= until_ns:
                    return
                self._clock.wait(self._changed, min(until_ns, self._due_ns))
            if self._closed:
                return
            source = self._source = self._make()
        try:
            source.__enter__()
        except (*_LOST, StreamStateError) as error:
            self._back_off()
            self._lose(source, str(error))
            return
        self._info = source.info
        self._opened_ns = self._item_ns = self._looked_ns = self._clock.now_ns()
        self._away_ns = 0

    def _back_off(self) -> None:
        self._wait_ns = min(2 * self._wait_ns, self._settings.longest_wait_ns)

    def _is_due(self) -> bool:
        self._left_behind = [device for device in self._left_behind if device.hangs]
        if len(self._left_behind) >= self._settings.most_hangs:
            self._due_ns = self._clock.now_ns() + self._settings.longest_wait_ns
            self._warn(
                f"{self._info.name}: its driver hangs in {len(self._left_behind)} "
                "threads; tried again once one of them ends"
            )
            return False
        if self._present is not None:
            if not self._present():
                self._seen_absent = True
            elif self._seen_absent:
                self._wait_ns = self._settings.first_wait_ns
                return True
        return self._clock.now_ns() >= self._due_ns

    def _warn(self, message: str) -> None:
        now_ns = self._clock.now_ns()
        if self._logged_ns is None or now_ns - self._logged_ns >= _LOG_EVERY_NS:
            self._logged_ns = now_ns
            _LOG.warning("%s", message)
