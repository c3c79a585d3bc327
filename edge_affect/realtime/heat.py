"""Whether the board is too hot for full service."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from edge_affect.board import BoardState, read_board
from edge_affect.clock import NS_PER_S

_LOG = logging.getLogger(__name__)

LOOK_NS = NS_PER_S
"""Time between two looks at the board."""
HOT_C = 95.0
"""From here on a board is hot: an Orin slows itself down at 99 °C."""
COOL_C = 88.0
"""Below it a hot board is cool again."""
THROTTLED_NS = 10 * NS_PER_S
"""A board that throttled is hot for so long, whatever its temperature."""


class HeatWatch:
    """Looks at temperature and throttling; one per stream."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Know nothing yet.

        Args:
            root: Where the board's files lie, see ``read_board``.
        """
        self._root = root
        self._events: int | None = None
        self._throttled_ns: int | None = None
        self._hot = False

    def look(self, t_ns: int) -> bool:
        """Return whether the board is hot at ``t_ns``; a board that is silent is not.

        A count of throttling that rises since the look before is heat, the count itself
        is not.
        """
        state = read_board(self._root)
        rose = None not in (state.throttle_events, self._events) and (
            state.throttle_events != self._events
        )
        self._events = state.throttle_events
        if rose:
            self._throttled_ns = t_ns
        since_ns = self._throttled_ns
        throttled = since_ns is not None and t_ns - since_ns < THROTTLED_NS
        hot = throttled or self._is_warm(state)
        if hot != self._hot:
            _tell(state, hot=hot, throttled=throttled)
        self._hot = hot
        return hot

    def _is_warm(self, state: BoardState) -> bool:
        limit_c = COOL_C if self._hot else HOT_C
        return state.temperature_c is not None and state.temperature_c >= limit_c


class HeatMonitor:
    """Looks at the board in a thread of its own: a sensor may be slow, or hang."""

    def __init__(self, watch: HeatWatch) -> None:
        """Know nothing until ``run`` runs in a thread.

        Args:
            watch: Looks at the board.
        """
        self._watch = watch
        # Re-entrant, unlike an Event's lock: a signal handler may call ``stop``.
        self._changed = threading.Condition(threading.RLock())
        self._asked_ns: int | None = None
        self._due = self._stopped = False
        self._hot = False

    def ask(self, t_ns: int) -> bool:
        """Return what was seen last, at once; ask for a look ``LOOK_NS`` apart."""
        if self._asked_ns is None or t_ns - self._asked_ns >= LOOK_NS:
            with self._changed:
                self._asked_ns, self._due = t_ns, True
                self._changed.notify_all()
        return self._hot

    def run(self) -> None:
        """Look whenever it was asked for, until ``stop``."""
        while True:
            with self._changed:
                while not (self._due or self._stopped):
                    self._changed.wait()
                self._due = False
                asked_ns = self._asked_ns
            if self._stopped or asked_ns is None:
                return
            self._hot = self._watch.look(asked_ns)

    def stop(self) -> None:
        """Let ``run`` return; at once, from any thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


def _tell(state: BoardState, *, hot: bool, throttled: bool) -> None:
    if hot:
        why = "throttled" if throttled else f"{state.temperature_c:.0f} °C"
        _LOG.warning("the board is hot (%s): vision runs at half its rate", why)
    else:
        _LOG.warning("the board is cool again")
