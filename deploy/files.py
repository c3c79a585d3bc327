"""Write files and folders whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edge_affect.errors import BundleError
from edge_affect.model.entries import MANIFEST_FILE


def read_file(path: Path) -> bytes:
    """Return the content of ``path``.

    Raises:
        BundleError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` in one step; see ``write_bytes``."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace ``path`` in one step.

    Args:
        path: The file.
        content: What it shall hold.
        mode: Who may read and write it, from its first byte on.

    Raises:
        BundleError: The folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(partial, flags, mode), "wb") as file:
            file.write(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise BundleError(f"{path}: cannot be written ({error.strerror})") from error


@contextmanager
def staged_bundle(out: Path, files: Mapping[str, bytes]) -> Iterator[Path]:
    """Write ``files`` beside ``out``, and put them there when the caller is content.

    An error inside of the ``with`` leaves ``out`` as it was. A bundle that stands
    there already is replaced; between the two renames ``out`` is absent, never half.

    Args:
        out: Directory of the bundle.
        files: Plain name → content.

    Yields:
        The directory to look at.

    Raises:
        BundleError: ``out`` is something else than a bundle, or cannot be written.
    """
    if out.exists() and not (out / MANIFEST_FILE).is_file():
        raise BundleError(f"{out}: exists and is no bundle; give another --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise BundleError(f"{out}: cannot be written ({error.strerror})") from error
    try:
        new = aside / out.name
        new.mkdir()
        for name, content in files.items():
            _write_through(new / name, content)
        yield new
        if out.exists():
            out.rename(aside / "old")
        new.rename(out)
    except OSError as error:
        raise BundleError(f"{out}: cannot be written ({error.strerror})") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_through(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
