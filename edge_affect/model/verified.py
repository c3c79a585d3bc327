"""Read a bundle's files: no byte is parsed before its digest was checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from edge_affect import bundles
from edge_affect.bundles.digests import DIGESTS
from edge_affect.errors import BundleError
from edge_affect.model.entries import MANIFEST_FILE, SIGNATURE_FILE, FileEntry
from edge_affect.model.fields import MAX_JSON_BYTES
from edge_affect.model.files import BundleFiles, open_files
from edge_affect.model.signature import SIGNATURE_BYTES, check_signature

SHIPPED = "shipped with this edge_affect"
"""Who vouches for a bundle whose digest is built in."""


class NamesFiles(Protocol):
    """A manifest, whatever else it says."""

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """Every file that the bundle has beside its manifest."""


ManifestT = TypeVar("ManifestT", bound=NamesFiles)


@dataclass(frozen=True, slots=True)
class Verified(Generic[ManifestT]):
    """A bundle's manifest and the bytes that it vouches for."""

    manifest: ManifestT
    digest: str
    """SHA-256 of the manifest, hex."""
    files: Mapping[str, bytes]
    """Plain name → the bytes that were checked: everything that the bundle is."""
    trust: str | None
    """Who vouches for it: edge_affect, or a key; None where nobody was asked."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What makes a bundle be trusted that did not come with edge_affect."""

    allow_unsigned: bool = False
    """Whether one that nobody vouches for may be loaded."""
    key: Path | None = None
    """Public key, a PEM file: a bundle that its holder signed is trusted."""
    digest: str | None = None
    """SHA-256 that the manifest must have, hex: whoever knows it vouches."""


def shipped_folder(name: str) -> Path:
    """Return where the shipped bundle ``name`` lies in this installation."""
    return Path(next(iter(bundles.__path__))) / name


def read_verified(
    path: Path | str | None,
    name: str,
    parse: Callable[[bytes], ManifestT],
    trust: Trust,
) -> Verified[ManifestT]:
    """Read the bundle at ``path``.

    Args:
        path: Its directory or archive, or a shipped one's name; None for ``name``.
        name: The shipped one that is meant where none is named.
        parse: Reads the manifest; raises BundleError.
        trust: Whom to trust.

    Raises:
        BundleError: It is missing, damaged, or not trusted.
        UsageError: The key is no key.
        MissingDependencyError: A signature is to be checked without the extra.
    """
    place = shipped_folder(name) if path is None else _place(Path(path))
    if path is None and not place.is_dir():
        raise BundleError(
            f"bundle {name!r}: did not come with this installation; install "
            "edge_affect again, or name the directory of a bundle"
        )
    with open_files(place) as files:
        content = files.read(MANIFEST_FILE, MAX_JSON_BYTES)
        found = hashlib.sha256(content).hexdigest()
        if trust.digest is not None and found != trust.digest:
            raise BundleError(
                f"{MANIFEST_FILE}: got SHA-256 {found[:12]}…, expected "
                f"{trust.digest[:12]}…: the bundle is damaged or was changed"
            )
        contents = {MANIFEST_FILE: content}
        if files.has(SIGNATURE_FILE):
            contents[SIGNATURE_FILE] = files.read(SIGNATURE_FILE, SIGNATURE_BYTES)
        vouches = _who_vouches(contents, found, trust.key)
        if vouches is None and trust.digest is None and not trust.allow_unsigned:
            raise _not_trusted(place, trust.key)
        manifest = parse(content)
        for entry in manifest.files:
            contents[entry.file] = _read_entry(files, entry)
        files.check_names(contents)
    return Verified(manifest, found, MappingProxyType(contents), vouches)


def _place(path: Path) -> Path:
    """Return where a named bundle lies: a file or folder, else a shipped one's name."""
    if str(path) in DIGESTS and not path.exists():
        return shipped_folder(str(path))
    return path


def _who_vouches(
    contents: Mapping[str, bytes], digest: str, key: Path | None
) -> str | None:
    """Return who vouches for the bundle; None where nobody does.

    A signature that is not the key's is refused even where none is asked for.
    """
    if digest in DIGESTS.values():
        return SHIPPED
    if key is None or SIGNATURE_FILE not in contents:
        return None
    signature = contents[SIGNATURE_FILE]
    signer = check_signature(contents[MANIFEST_FILE], signature, key)
    return f"signed by the key {signer}"


def _not_trusted(place: Path, key: Path | None) -> BundleError:
    lacks = "no key=FILE was given to check a signature with"
    if key is not None:
        lacks = f"it has no {SIGNATURE_FILE}"
    return BundleError(
        f"{MANIFEST_FILE}: the bundle {place.name or '.'!a} was not shipped with this "
        f"edge_affect (its digest is unknown), and {lacks}; allow_unsigned=True loads "
        "it, if you trust its origin"
    )


def _read_entry(files: BundleFiles, entry: FileEntry) -> bytes:
    content = files.read(entry.file, entry.size_bytes)
    if len(content) != entry.size_bytes:
        raise BundleError(
            f"{entry.file}: got {len(content)} bytes, expected {entry.size_bytes}; "
            "copy the bundle again"
        )
    digest = hashlib.sha256(content).hexdigest()
    if digest != entry.sha256:
        raise BundleError(
            f"{entry.file}: got SHA-256 {digest[:12]}…, expected "
            f"{entry.sha256[:12]}…: the file is damaged or was changed; "
            "copy the bundle again"
        )
    return content
