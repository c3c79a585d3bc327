"""What a run does to its process: memory, handles, threads, collector, privacy."""

from __future__ import annotations

import gc
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from edge_affect.clock import NS_PER_MS, SystemClock

_OWN = ("RssAnon", "RssShmem", "VmSwap")
"""What of its memory a process has made. Pages of files, its libraries' too, come and
go as the system likes, and are nobody's leak."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_FILE_EVENTS = ("os.mkdir", "os.rename", "os.link", "os.symlink", "os.truncate")


@dataclass(frozen=True, slots=True)
class Growth:
    """What changed from the end of the warm-up to the end of the run."""

    memory_bytes: int
    """Memory of its own more than after warm-up, without pages of files."""
    handles: int
    """Open files more."""
    threads: int
    """Threads more."""
    collections: int
    """Collections of the oldest generation after warm-up."""
    pause_ms: float
    """Longest collection of any generation after warm-up."""
    sockets: int
    """Sockets that were made or used."""
    writes: int
    """Files that were opened for writing, made or moved."""

    def joined(self, later: Growth) -> Growth:
        """Return both as one: what was counted added up, the larger of what grew."""
        return Growth(
            max(self.memory_bytes, later.memory_bytes),
            max(self.handles, later.handles),
            max(self.threads, later.threads),
            self.collections + later.collections,
            max(self.pause_ms, later.pause_ms),
            self.sockets + later.sockets,
            self.writes + later.writes,
        )


class ProcessWatch:
    """Watches this process inside ``with``; ``start`` marks the end of the warm-up."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._before = _footprint()
        self._after = self._before
        self._collections = 0
        self._began_ns = 0
        self._longest_ns = 0
        self._audit = (0, 0)

    def start(self) -> None:
        """Take the process as it is now for the one to compare with."""
        self._before = _footprint()
        self._collections = self._longest_ns = 0

    def __enter__(self) -> ProcessWatch:
        """Begin to watch."""
        _AUDIT.install()
        self._audit = _AUDIT.sockets, _AUDIT.writes
        gc.callbacks.append(self._collected)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop watching."""
        gc.callbacks.remove(self._collected)
        sockets, writes = self._audit
        self._audit = _AUDIT.sockets - sockets, _AUDIT.writes - writes
        self._after = _footprint()

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began_ns = self._clock.now_ns()
            return
        took_ns = self._clock.now_ns() - self._began_ns
        self._longest_ns = max(self._longest_ns, took_ns)
        self._collections += info["generation"] == 2

    @property
    def growth(self) -> Growth:
        """What changed."""
        before, after = self._before, self._after
        sockets, writes = self._audit
        return Growth(
            memory_bytes=after[0] - before[0],
            handles=after[1] - before[1],
            threads=after[2] - before[2],
            collections=self._collections,
            pause_ms=self._longest_ns / NS_PER_MS,
            sockets=sockets,
            writes=writes,
        )


def _footprint() -> tuple[int, int, int]:
    """Return bytes of its own, open files and threads."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    told = dict(line.split(":", 1) for line in status)
    own_kb = sum(int(told[name].split()[0]) for name in _OWN)
    files = sum(1 for _ in Path("/proc/self/fd").iterdir())
    return own_kb * 1_024, files, threading.active_count()


class _Audit:
    """Counts what Python audits; a hook cannot be taken out, so there is one."""

    def __init__(self) -> None:
        self.sockets = 0
        self.writes = 0
        self._installed = False

    def install(self) -> None:
        """Listen from now on; once."""
        if not self._installed:
            self._installed = True
            sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            flags = arguments[2]
            self.writes += isinstance(flags, int) and bool(flags & _WRITES)
        elif event.startswith("socket."):
            self.sockets += 1
        elif event in _FILE_EVENTS:
            self.writes += 1


_AUDIT = _Audit()
