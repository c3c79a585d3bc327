"""The files of a bundle as its manifest promises them: names, sizes, digests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from edge_affect.errors import BundleError
from edge_affect.labels import TARGETS
from edge_affect.model.fields import Fields

MANIFEST_FILE = "manifest.json"
"""The one file whose name is fixed: it names all others but its signature."""
SIGNATURE_FILE = "manifest.sig"
"""Signature of the manifest, beside it; the manifest cannot name it."""
GRAPH_NAMES = ("locator", "face", "voice", "affect")
"""Graphs a bundle may hold."""
MAX_FILE_BYTES = 64 * 1024 * 1024
"""Largest file."""
MAX_BUNDLE_BYTES = 256 * 1024 * 1024
"""Largest sum of all files."""
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Names of files, and of bundles: nothing in them leads elsewhere."""
SHA256 = re.compile(r"[0-9a-f]{64}")
"""A digest as it is written."""
FILE_KEYS = ("file", "bytes", "sha256")
"""Keys of a file in the manifest."""
GOLDEN_KEYS = (*FILE_KEYS, "tolerances")
"""Keys of the manifest's ``golden``."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file as the manifest promises it."""

    file: str
    """Plain name of the file, beside the manifest."""
    size_bytes: int
    """Length of the file; ``bytes`` in JSON."""
    sha256: str
    """SHA-256 of the file, lower-case hex."""


@dataclass(frozen=True, slots=True)
class GoldenEntry:
    """Recorded inputs with the outputs that are expected of every target."""

    entry: FileEntry
    """The recording."""
    tolerances: Mapping[str, float]
    """Target → largest error of an output, as a share of its largest value or of 1."""


def read_graphs(fields: Fields) -> Mapping[str, Mapping[str, FileEntry]]:
    """Return graph → target → file.

    Raises:
        BundleError: The message names the key that is wrong.
    """
    graphs = {name: _targets(fields.child(name, (), TARGETS)) for name in fields.keys}
    if not any(graphs.values()):
        raise BundleError(f"{fields.where}: got no graph, expected at least one")
    return MappingProxyType(graphs)


def read_golden(
    fields: Fields, graphs: Mapping[str, Mapping[str, FileEntry]]
) -> GoldenEntry:
    """Return the recording, with a tolerance for each target that can run.

    Raises:
        BundleError: The message names the key that is wrong.
    """
    targets = [t for t in TARGETS if all(t in files for files in graphs.values())]
    shares = fields.child("tolerances", targets, TARGETS)
    tolerances = {key: shares.number(key, 0, 1) for key in shares.keys}
    return GoldenEntry(_file(fields), MappingProxyType(tolerances))


def check_files(entries: Sequence[FileEntry]) -> None:
    """Refuse a file that is promised twice, and too many bytes in all.

    Raises:
        BundleError: The manifest does one of these.
    """
    files = [entry.file for entry in entries]
    if len(set(files)) != len(files):
        raise BundleError(f"{MANIFEST_FILE}: one file stands for two things")
    total = sum(entry.size_bytes for entry in entries)
    if total > MAX_BUNDLE_BYTES:
        raise BundleError(
            f"{MANIFEST_FILE}: got {total} bytes in all, expected <= {MAX_BUNDLE_BYTES}"
        )


def _targets(fields: Fields) -> Mapping[str, FileEntry]:
    entries = {key: _file(fields.child(key, FILE_KEYS)) for key in fields.keys}
    return MappingProxyType(entries)


def _file(fields: Fields) -> FileEntry:
    file = fields.matching("file", PLAIN_NAME, "a plain file name")
    if file in (MANIFEST_FILE, SIGNATURE_FILE):
        fields.refuse("file", "a file of its own")
    return FileEntry(
        file,
        fields.integer("bytes", 1, MAX_FILE_BYTES),
        fields.matching("sha256", SHA256, "64 hex digits"),
    )
