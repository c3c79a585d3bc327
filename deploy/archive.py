"""Put a bundle into one file, to be fetched by ``edge-affect update``."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from deploy.files import write_bytes
from edge_affect.errors import UsageError
from edge_affect.model.archive import ARCHIVE_SUFFIX
from edge_affect.model.bundle import Bundle, load_bundle

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first instant that a zip can name: the same bundle gives the same bytes."""
_PLAIN_FILE = 0o100644 << 16


def archive(folder: Path, out: Path) -> Bundle:
    """Write the bundle in ``folder``, its signature included, as one zip.

    Nothing is compressed: weights hardly are, and so no member can be a bomb.

    Raises:
        BundleError: The bundle is damaged, or ``out`` cannot be written.
        UsageError: ``out`` does not end in ``.zip``.
    """
    if out.suffix != ARCHIVE_SUFFIX:
        raise UsageError(
            f"{out}: got the ending {out.suffix!r}, expected {ARCHIVE_SUFFIX}"
        )
    bundle = load_bundle(folder, allow_unsigned=True)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as members:
        for name, content in bundle.files.items():
            member = zipfile.ZipInfo(name, _EPOCH)
            member.external_attr = _PLAIN_FILE
            members.writestr(member, content)
    write_bytes(out, file.getvalue())
    return load_bundle(out, allow_unsigned=True)
