"""A folder of one teacher's soft targets, with an index of what is finished."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from edge_affect.errors import DataError
from training.engine.cache import file_key
from training.engine.files import written_whole
from training.targets.soft_targets import (
    VERSION,
    SoftTargets,
    Teacher,
    labelled_data,
    load_targets,
    refuse_other_version,
    save_targets,
    teacher_from_plain,
)

INDEX = "targets.json"
"""What a folder holds: version, teacher, and the digest of each file."""


@dataclass(frozen=True, slots=True)
class TargetFolder:
    """Soft targets of one teacher; a part is a file's path without its ending."""

    path: Path
    """Where they lie."""
    teacher: Teacher
    """Whose they are, all of them."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Part → digest of its file, of all parts that were finished."""

    def holds(self, part: str, data: str) -> bool:
        """Tell whether ``part`` is there already, finished or not.

        Raises:
            DataError: It was labelled from other data, or cannot be read.
        """
        path = self._file(part)
        if not path.exists():
            return False
        if labelled_data(path) != data:
            raise DataError(
                f"{path}: was labelled from other data of the same name; give another "
                "--out or remove it"
            )
        return True

    def write(self, part: str, targets: SoftTargets) -> None:
        """Add ``part``.

        Raises:
            DataError: It cannot be written.
        """
        save_targets(self._file(part), targets)

    def read(self, part: str, data: str | None = None) -> SoftTargets:
        """Return the targets of ``part``.

        Args:
            part: One of ``files``.
            data: Digest of what they are wanted for; None takes any.

        Raises:
            DataError: The part is not there, was not finished, is not what was
                written, or belongs to other data.
        """
        path = self._file(part)
        if part not in self.files:
            raise DataError(
                f"{path}: not among the finished targets of {self.teacher}; run the "
                "label command for it, to its end"
            )
        if not path.exists() or file_key(path) != self.files[part]:
            raise DataError(
                f"{path}: is not the file that {INDEX} names; run the label command "
                "again"
            )
        targets = load_targets(path)
        if data is not None and targets.data != data:
            raise DataError(
                f"{path}: was labelled from other data than is trained on; label this "
                "data"
            )
        return targets

    def finish(self) -> TargetFolder:
        """Enter every file that is there into the index; return the folder as it is.

        Raises:
            DataError: The index cannot be written.
        """
        files = {
            path.relative_to(self.path).with_suffix("").as_posix(): file_key(path)
            for path in sorted(self.path.rglob("*.npz"))
        }
        finished = replace(self, files=files)
        _write_index(finished)
        return finished

    def _file(self, part: str) -> Path:
        return self.path / f"{part}.npz"


def begin_targets(path: Path, teacher: Teacher) -> TargetFolder:
    """Return the folder at ``path`` to write into, made or gone on with.

    Raises:
        DataError: It holds another teacher's targets, or cannot be written.
    """
    if not (path / INDEX).exists():
        folder = TargetFolder(path, teacher)
        _write_index(folder)
        return folder
    folder = open_targets(path)
    if folder.teacher != teacher:
        raise DataError(
            f"{path}: holds targets of {folder.teacher}, got {teacher}; one folder "
            "holds one teacher's: give another --out"
        )
    return folder


def open_targets(path: Path) -> TargetFolder:
    """Return the folder at ``path`` to read from.

    Raises:
        DataError: There is none, or its index is damaged or of another version.
    """
    try:
        index = json.loads((path / INDEX).read_text(encoding="utf-8"))
        refuse_other_version(index, path / INDEX)
        teacher = teacher_from_plain(index["teacher"])
        return TargetFolder(path, teacher, dict(index["files"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path / INDEX}: no index of soft targets ({error}); make them with: "
            "python -m training label"
        ) from error


def _write_index(folder: TargetFolder) -> None:
    plain = {
        "version": VERSION,
        "teacher": asdict(folder.teacher),
        "files": folder.files,
    }
    with written_whole(folder.path / INDEX) as partial:
        partial.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
