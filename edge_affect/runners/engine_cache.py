"""Engines built on this device, kept for the next start: checked, or built anew."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_affect.clock import NS_PER_S, SystemClock
from edge_affect.errors import RunnerError, SinkError
from edge_affect.runners.cache import CACHE_VARIABLE, cache_folder
from edge_affect.runners.seal import TAG_BYTES, Seal, find_seal

_LOG = logging.getLogger(__name__)

_MAGIC = b"EDGE-AFFECT-1\n"
_LENGTH_BYTES = 4
_MAX_BYTES = 1 << 30
MODE = 0o700
"""Of the folder: nobody else looks into it or writes there."""


@dataclass(frozen=True, slots=True)
class EngineKey:
    """What an engine holds for; where any of it differs, it is another engine."""

    graph: str
    """SHA-256 of the graph's bytes, hex."""
    tensorrt: str
    """Version of TensorRT."""
    driver: int
    """Version of CUDA that the driver is for."""
    l4t: str
    """Release of L4T; empty where this is no Jetson."""
    device: str
    """Name of the GPU."""
    multiprocessors: int
    """How many streaming multiprocessors the GPU has: power modes change it."""
    flags: str
    """How it was built."""

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, hex."""
        return hashlib.sha256(self.text).hexdigest()

    @property
    def text(self) -> bytes:
        """All of it as JSON."""
        return json.dumps(asdict(self), sort_keys=True).encode()


MOST_KEPT = 64
"""Files that are kept, those used last: a bundle has a dozen at most."""
_PARTIAL = ".engine-"
_PARTIAL_S = 3_600
"""Nobody writes on a file for so long."""


class EngineCache:
    """Files in one folder that is this user's alone."""

    def __init__(self, folder: Path, seal: Seal) -> None:
        """Make the folder, or check the one that is there.

        Raises:
            RunnerError: It belongs to another user, others may enter it, or it cannot
                be made.
        """
        self.folder = folder
        """Where the files lie."""
        self.seal = seal
        """What tags them."""
        try:
            folder.mkdir(mode=MODE, parents=True, exist_ok=True)
            info = folder.lstat()
        except OSError as error:
            raise RunnerError(
                f"engine cache {folder}: cannot be made ({error.strerror or error}); "
                f"set {CACHE_VARIABLE} to a folder that can be written"
            ) from error
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid():
            raise RunnerError(
                f"engine cache {folder}: is no folder or belongs to user "
                f"{info.st_uid}, expected one of user {os.geteuid()}; remove it, or "
                f"set {CACHE_VARIABLE} to another one"
            )
        # A set-gid parent gives its bit to what is made in it; that lets nobody in.
        if stat.S_IMODE(info.st_mode) & 0o077:
            raise RunnerError(
                f"engine cache {folder}: got the mode "
                f"{stat.S_IMODE(info.st_mode):04o}, expected {MODE:04o}: others may "
                f"have changed it; remove it, so that it is made anew"
            )
        self._tidy()

    def _tidy(self) -> None:
        """Remove what a killed process left half written, and what is long unused."""
        with contextlib.suppress(OSError):
            oldest_s = SystemClock().wall_ns() / NS_PER_S - _PARTIAL_S
            for partial in self.folder.glob(f"{_PARTIAL}*"):
                if partial.stat().st_mtime < oldest_s:
                    partial.unlink(missing_ok=True)
            kept = sorted(self.folder.glob("*.engine"), key=lambda p: p.stat().st_mtime)
            for engine in kept[:-MOST_KEPT]:
                engine.unlink(missing_ok=True)

    def load(self, key: EngineKey) -> bytes | None:
        """Return what was kept for exactly ``key``; None: build it.

        The file is read once: what is returned are the very bytes that were checked.
        One that is damaged, or that somebody else made, is left aside with a warning.
        """
        path = self._path(key)
        try:
            content = _read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            _LOG.warning("%s: %s; it is built anew", path, error.strerror or error)
            return None
        kept = self._opened(content, key)
        if kept is None:
            _LOG.warning(
                "%s: is damaged, was changed or was made by somebody else (its %s does "
                "not fit); it is built anew",
                path,
                self.seal.kind,
            )
        else:
            with contextlib.suppress(OSError):
                os.utime(path)  # what is used last is kept longest
        return kept

    def save(self, key: EngineKey, content: bytes) -> None:
        """Keep ``content`` for ``key``, whole or not at all; warn where that fails."""
        text = key.text
        body = len(text).to_bytes(_LENGTH_BYTES, "big") + text + content
        try:
            handle, name = tempfile.mkstemp(prefix=_PARTIAL, dir=self.folder)
            partial = Path(name)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_MAGIC + self.seal.tag(body) + body)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(self._path(key))
                self._sync()
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            _LOG.warning(
                "%s: an engine cannot be kept (%s), the next start builds it again",
                self.folder,
                error.strerror or error,
            )

    def _sync(self) -> None:
        """Return when the names in the folder would outlive a power cut."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self, key: EngineKey) -> None:
        """Remove what was kept for ``key``."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: EngineKey) -> Path:
        return self.folder / f"{key.digest[:32]}.engine"

    def _opened(self, content: bytes, key: EngineKey) -> bytes | None:
        body = content[len(_MAGIC) + TAG_BYTES :]
        tag = content[len(_MAGIC) : len(_MAGIC) + TAG_BYTES]
        if not content.startswith(_MAGIC) or not self.seal.fits(tag, body):
            return None
        text = key.text
        start = _LENGTH_BYTES + len(text)
        # A file that was moved here from another name is whole, and yet not the one.
        if body[:start] != len(text).to_bytes(_LENGTH_BYTES, "big") + text:
            return None
        return body[start:]


def open_engine_cache() -> EngineCache:
    """Return this user's cache of engines.

    Raises:
        RunnerError: It, or the key that it is sealed with, is not safe to use.
    """
    try:
        folder = cache_folder("engines")
    except SinkError as error:
        raise RunnerError(f"engine cache: {error}") from error
    return EngineCache(folder, find_seal())


def l4t_release(root: Path = Path("/")) -> str:
    """Return the release of L4T; empty where this is no Jetson.

    Args:
        root: Where ``etc`` lies; another one in tests.
    """
    try:
        text = (root / "etc/nv_tegra_release").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    return " ".join(text.splitlines()[0].split()) if text else ""


def _read(path: Path) -> bytes:
    """Read a plain file of this user; never through a link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid():
            raise OSError("is no plain file of this user")
        return file.read(_MAX_BYTES)
