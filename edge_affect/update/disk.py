"""The steps that change a store: each one is an instant at which the power may fail."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def boot_name(root: Path = Path("/")) -> str:
    """Return what the kernel calls this boot; empty where it does not tell.

    Args:
        root: Where ``proc`` lies; another one in tests.
    """
    try:
        path = root / "proc/sys/kernel/random/boot_id"
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


class Disk:
    """Changes files; what is not synced yet may be gone after a power cut.

    Every change of a store goes through one of these, so that tests can cut the power
    at each.
    """

    def make_folder(self, path: Path) -> None:
        """Make a folder that nobody else may look into; its parent is there."""
        path.mkdir(mode=0o700)

    def write(self, path: Path, content: bytes) -> None:
        """Write a file; the content may still be on its way to the disk."""
        with path.open("wb") as file:
            file.write(content)

    def append(self, path: Path, content: bytes) -> None:
        """Write on at the end of a file, which is made where there is none."""
        with path.open("ab") as file:
            file.write(content)

    def sync(self, path: Path) -> None:
        """Return when the file's content, or the folder's list of names, is kept."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        """Give ``source`` the name ``target`` in one step, over a file of that name."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Remove a file, or a folder with all that is in it."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
