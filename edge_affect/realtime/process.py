"""What a stepping thread asks of the machine: its turn, its memory, no collections."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import threading
from collections.abc import Callable, Iterator

from edge_affect.config import RealtimeSettings

_LOG = logging.getLogger(__name__)

_MLOCK_ALL = 1 | 2
"""``MCL_CURRENT | MCL_FUTURE`` of Linux."""
_NEVER = 1 << 30
_MEMORY_HINT = "LimitMEMLOCK=infinity in a systemd unit, ulimit -l unlimited in a shell"
_PRIORITY_HINT = "LimitRTPRIO=49 in a systemd unit, ulimit -r 49 in a shell"


@contextlib.contextmanager
def in_real_time(settings: RealtimeSettings) -> Iterator[None]:
    """Run the body, on the calling thread, as ``settings`` ask for.

    What the machine refuses is logged, and the body runs without it. Only the collector
    is set back afterwards: the thread's own settings end with it, and memory that is
    locked serves every stream of the process.
    """
    if settings.cores:
        _try("cores", lambda: os.sched_setaffinity(0, settings.cores))
    if settings.priority is not None:
        _try("priority", lambda: _take_turns(settings.priority or 0), _PRIORITY_HINT)
    if settings.lock_memory:
        _try("lock_memory", _lock_memory, _MEMORY_HINT)
    with _FROZEN if settings.freeze_collector else contextlib.nullcontext():
        yield


def _try(what: str, ask: Callable[[], None], hint: str = "") -> None:
    try:
        ask()
    except (OSError, AttributeError, ImportError) as error:
        told = error.strerror if isinstance(error, OSError) else "not on this system"
        more = f"; it takes {hint}" if hint else ""
        _LOG.warning("realtime.%s: refused (%s)%s", what, told, more)


def _take_turns(priority: int) -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))


def _lock_memory() -> None:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft != resource.RLIM_INFINITY and os.geteuid() != 0:
        # It might fit now, and every allocation beyond the limit would fail later.
        raise OSError(0, f"only {soft} bytes may be locked")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MLOCK_ALL) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class _FrozenCollector:
    """Keeps what lives now out of collections, and the oldest generation out of them.

    Shared: the collector is the process's. The last to leave sets it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._thresholds = (0, 0, 0)

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside > 1:
                return
            self._thresholds = gc.get_threshold()
            gc.collect()
            gc.freeze()
            gc.set_threshold(*self._thresholds[:2], _NEVER)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                gc.set_threshold(*self._thresholds)
                gc.unfreeze()


_FROZEN = _FrozenCollector()
