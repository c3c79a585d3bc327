"""A disk whose power is cut at the n-th change, and which then forgets."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from edge_affect.update.disk import Disk

LOSSES = ("nothing", "contents", "names", "early names", "contents and names")
"""What was not synced and is lost with the power. ``early names``: a file system that
keeps the last change of names and loses those before it."""


class PowerCutError(BaseException):
    """Nothing happens after this: no handler may mend anything."""


@dataclass
class _Name:
    """A change of a folder's names that is not synced."""

    path: Path
    """What appeared there, or went."""
    before: Path | None
    """Where it came from, or what lay there lies now; None: it is new."""
    grave: Path | None = None
    """Where what it replaced lies now."""

    def undo(self) -> None:
        if self.before is not None:
            source, target = self.path, self.before
            if not source.exists():  # it was removed
                source, target = self.before, self.path
            source.rename(target)
            if self.grave is not None:
                self.grave.rename(self.path)
        elif self.path.is_dir():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)


class CutDisk(Disk):
    """Makes changes until the power fails in the middle of the ``at``-th.

    What was not synced may be lost then: ``settle`` plays what a file system may do.
    """

    def __init__(self, graveyard: Path, at: int | None = None) -> None:
        """Keep what is removed in ``graveyard``, until it is known to be gone."""
        self.changes = 0
        """Changes so far, the one that was cut included."""
        self._at = at
        self._graveyard = graveyard
        self._graves = count()
        self._unsynced: set[Path] = set()
        self._names: list[_Name] = []

    def make_folder(self, path: Path) -> None:
        self._change()
        super().make_folder(path)
        self._names.append(_Name(path, None))

    def write(self, path: Path, content: bytes) -> None:
        self._put(path, content, super().write)

    def append(self, path: Path, content: bytes) -> None:
        self._put(path, content, super().append)

    def _put(
        self, path: Path, content: bytes, put: Callable[[Path, bytes], None]
    ) -> None:
        is_new = not path.exists()
        is_cut = self._counts()
        if is_new and not self._is_dead:
            self._names.append(_Name(path, None))
        if not self._is_dead:
            self._unsynced.add(path)
            put(path, content[: len(content) // 2] if is_cut else content)
        self._die(is_cut=is_cut)

    def sync(self, path: Path) -> None:
        self._change()
        super().sync(path)
        self._unsynced.discard(path)
        self._names = [name for name in self._names if name.path.parent != path]

    def replace(self, source: Path, target: Path) -> None:
        self._change()
        grave = self._bury(target)
        for name in self._names:
            if name.path == target:  # it was removed before: one change now
                grave = grave or name.before
        self._names = [name for name in self._names if name.path != target]
        super().replace(source, target)
        # What is known of the source and of all in it holds under the new name.
        self._names = [name for name in self._names if name.path != source]
        for name in self._names:
            name.path = _moved(name.path, source, target)
        self._unsynced = {_moved(path, source, target) for path in self._unsynced}
        self._names.append(_Name(target, source, grave))

    def remove(self, path: Path) -> None:
        if not path.exists():
            return
        is_cut = self._counts()
        if is_cut and path.is_dir():  # some of it is gone
            for file in sorted(path.iterdir())[::2]:
                file.unlink()
        self._die(is_cut=is_cut)
        self._names.append(_Name(path, self._bury(path)))

    def settle(self, losses: str) -> None:
        """Lose what was not synced; one of ``LOSSES``."""
        if "contents" in losses:
            for path in self._unsynced:
                if path.exists():
                    path.write_bytes(b"")
        if "names" in losses:
            lost = self._names[:-1] if losses.startswith("early") else self._names
            for name in reversed(lost):
                name.undo()

    def _bury(self, path: Path) -> Path | None:
        if not path.exists():
            return None
        grave = self._graveyard / str(next(self._graves))
        path.rename(grave)
        return grave

    @property
    def _is_dead(self) -> bool:
        return self._at is not None and self.changes > self._at

    def _counts(self) -> bool:
        """Count a change; return whether it is the one that is cut."""
        self.changes += 1
        return self.changes == self._at

    def _die(self, *, is_cut: bool) -> None:
        if is_cut or self._is_dead:
            raise PowerCutError

    def _change(self) -> None:
        self._die(is_cut=self._counts())


def _moved(path: Path, source: Path, target: Path) -> Path:
    inside = path.is_relative_to(source)
    return target / path.relative_to(source) if inside else path
