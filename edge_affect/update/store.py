"""The bundles installed on this device: whole folders, and one file that names them."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_affect.errors import BundleError
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.model.fields import MAX_JSON_BYTES
from edge_affect.model.files import open_plain
from edge_affect.update.disk import Disk, boot_name
from edge_affect.update.state import STATE_FILE, Installed, StoreState, parse_state

STORE_VARIABLE = "EDGE_AFFECT_BUNDLES"
"""Environment variable that names the store's folder."""
DATA_VARIABLE = "XDG_DATA_HOME"
"""Environment variable that moves the user's data, as freedesktop.org has it."""
NEW_PREFIX = ".new-"
"""Begins the names of what is not whole yet; the next update removes it."""
_LOCK, _UPDATE_LOCK = "lock", "update.lock"
_KEPT = frozenset({STATE_FILE, _LOCK, _UPDATE_LOCK})


def store_folder() -> Path | None:
    """Return the folder of this device's store; None where there is no place for it."""
    named = os.environ.get(STORE_VARIABLE)
    if named:
        return Path(named)
    home = Path(os.environ.get(DATA_VARIABLE, ""))
    if not home.is_absolute():  # a relative path is to be ignored, says freedesktop.org
        try:
            home = Path.home() / ".local" / "share"
        except RuntimeError:
            return None
    return home / "edge_affect" / "bundles"


class Store:
    """Bundles by digest, and what is known of them.

    Whatever instant the power fails at, the state names whole bundles: a folder gets
    its name after its files are on the disk, and the state is replaced in one step
    after that.
    """

    def __init__(
        self, folder: Path, disk: Disk | None = None, boot: str | None = None
    ) -> None:
        """Look at the store in ``folder``; nothing is made yet.

        Args:
            folder: Where it is, or will be.
            disk: Changes it; another one in tests.
            boot: Name of this boot of the machine; None for the kernel's.
        """
        self.folder = folder
        self.boot = boot_name() if boot is None else boot
        """Name of this boot of the machine."""
        self._disk = disk or Disk()

    def state(self) -> StoreState:
        """Return what the store says of itself; that of an empty one without any.

        Raises:
            BundleError: The state is damaged, or others may write to the store.
        """
        path = self.folder / STATE_FILE
        if not os.path.lexists(path):
            return StoreState()
        self._check_owner()
        try:
            with open_plain(path) as file:
                return parse_state(file.read(MAX_JSON_BYTES + 1))
        except (BundleError, OSError) as error:
            raise BundleError(
                f"{self.folder}: what is installed cannot be read ({error}); remove "
                "the folder to begin anew with the shipped bundle"
            ) from error

    def bundle(self, installed: Installed) -> Bundle:
        """Load a bundle of the store, every byte checked.

        Raises:
            BundleError: It is damaged or gone.
        """
        return load_bundle(self.folder / installed.digest, digest=installed.digest)

    def prepare(self) -> None:
        """Make the folder, where there is none.

        Raises:
            BundleError: It cannot be made, or others may write to it.
        """
        try:
            if not self.folder.is_dir():
                self.folder.parent.mkdir(parents=True, exist_ok=True)
                self._disk.make_folder(self.folder)
                self._disk.sync(self.folder.parent)
        except OSError as error:
            raise self._unwritable(error) from error
        self._check_owner()

    def keep(self, bundle: Bundle) -> None:
        """Write a bundle's files; it is there whole, or not at all.

        Raises:
            BundleError: The disk is full or may not be written.
        """
        target = self.folder / bundle.digest
        if self._has(bundle):
            return
        new = self.folder / f"{NEW_PREFIX}{bundle.digest[:16]}"
        try:
            self._disk.remove(new)
            self._disk.make_folder(new)
            for name, content in bundle.files.items():
                self._disk.write(new / name, content)
                self._disk.sync(new / name)
            self._disk.sync(new)
            self._disk.remove(target)  # nothing names it, or it is damaged
            self._disk.replace(new, target)
            self._disk.sync(self.folder)
        except OSError as error:
            raise self._unwritable(error) from error

    def change(self, turn: Callable[[StoreState], StoreState]) -> StoreState:
        """Replace the state by what ``turn`` makes of it; return the new one.

        Raises:
            BundleError: The state is damaged, or cannot be written.
        """
        with self._locked(_LOCK):
            before = self.state()
            after = turn(before)
            if after != before:
                self._write_state(after)
            return after

    @contextlib.contextmanager
    def updating(self) -> Iterator[None]:
        """Keep a second update away.

        Raises:
            BundleError: One is under way, or the store cannot be written.
        """
        with self._locked(_UPDATE_LOCK, wait=False):
            yield

    def sweep(self) -> None:
        """Remove what the state does not name: drafts, and bundles of long ago.

        Raises:
            BundleError: Something cannot be removed.
        """
        state = self.state()
        named = {b.digest for b in (state.current, state.previous) if b is not None}
        try:
            for path in sorted(self.folder.iterdir()):
                if path.name not in named | _KEPT:
                    self._disk.remove(path)
        except OSError as error:
            raise self._unwritable(error) from error

    @contextlib.contextmanager
    def draft(self, name: str) -> Iterator[Callable[[bytes], Path]]:
        """Yield what appends to a file of the store that is removed in the end.

        Raises:
            BundleError: The disk is full or may not be written.
        """
        path = self.folder / f"{NEW_PREFIX}{name}"

        def append(content: bytes) -> Path:
            self._disk.append(path, content)
            return path

        try:
            self._disk.remove(path)
            yield append
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            with contextlib.suppress(OSError):
                self._disk.remove(path)

    def _has(self, bundle: Bundle) -> bool:
        try:
            found = load_bundle(self.folder / bundle.digest, digest=bundle.digest)
        except BundleError:
            return False
        return found.files == bundle.files

    def _write_state(self, state: StoreState) -> None:
        new = self.folder / f"{NEW_PREFIX}{STATE_FILE}"
        try:
            self._disk.write(new, state.to_json())
            self._disk.sync(new)
            self._disk.replace(new, self.folder / STATE_FILE)
            self._disk.sync(self.folder)
        except OSError as error:
            raise self._unwritable(error) from error

    @contextlib.contextmanager
    def _locked(self, name: str, *, wait: bool = True) -> Iterator[None]:
        import fcntl

        how = fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)
        try:
            descriptor = os.open(self.folder / name, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            fcntl.flock(descriptor, how)
        except BlockingIOError as error:
            os.close(descriptor)
            raise BundleError(
                f"{self.folder}: another update is under way; wait for its end"
            ) from error
        try:
            yield
        finally:
            os.close(descriptor)

    def _check_owner(self) -> None:
        """Refuse a store that somebody else could have filled: its state is trusted."""
        try:
            found = self.folder.stat()
        except OSError as error:
            raise self._unwritable(error) from error
        if found.st_uid not in (0, os.getuid()) or found.st_mode & (
            stat.S_IWGRP | stat.S_IWOTH
        ):
            raise BundleError(
                f"{self.folder}: others than its user may write to the store of "
                f"bundles; make it yours alone: chmod 700 {self.folder}"
            )

    def _unwritable(self, error: OSError) -> BundleError:
        return BundleError(
            f"{self.folder}: the store of bundles cannot be written "
            f"({error.strerror or error}); make room, make it yours, or set "
            f"{STORE_VARIABLE} to another folder"
        )
