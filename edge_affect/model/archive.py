"""Read a zip that nobody vouches for: plain members, bounded, nothing is extracted."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NoReturn

from edge_affect.errors import BundleError
from edge_affect.model.entries import MAX_BUNDLE_BYTES, MAX_FILE_BYTES, PLAIN_NAME

ARCHIVE_SUFFIX = ".zip"
"""Ends the name of a bundle in one file."""
MAX_MEMBERS = 64
"""Most files in an archive."""
MAX_RATIO = 100
"""A member may be so many times longer than what it is packed into."""

_END = struct.Struct("<4s4H2LH")
"""The record that ends a zip: where its directory is, and how long."""
_END_SIGNATURE, _ZIP64_SIGNATURE = b"PK\x05\x06", b"PK\x06\x07"
_ZIP64_BYTES = 20
_MAX_DIRECTORY_BYTES = 64 * 1024
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_FAULTS = (
    *(OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, struct.error),
    *(NotImplementedError, RuntimeError, OverflowError),
)
"""What the zip module raises for damaged files."""


class Archive:
    """The members of a zip whose directory was checked."""

    def __init__(self, name: str, file: zipfile.ZipFile) -> None:
        self._name = name
        self._zip = file
        self._members = {member.filename: member for member in file.infolist()}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the members, in the archive's order."""
        return tuple(self._members)

    def has(self, name: str) -> bool:
        """Tell whether there is a member ``name``."""
        return name in self._members

    def read(self, name: str, max_bytes: int) -> bytes:
        """Return a member of at most ``max_bytes``; its CRC is checked.

        Raises:
            BundleError: It is missing, longer or damaged.
        """
        member = self._members.get(name)
        if member is None:
            raise BundleError(f"{self._name}: has no {name}, expected one")
        if member.file_size > max_bytes:
            raise BundleError(
                f"{name}: got {member.file_size} bytes, expected <= {max_bytes}"
            )
        try:
            with self._zip.open(member) as file:
                content = file.read(max_bytes + 1)
        except _FAULTS as error:
            raise BundleError(
                f"{name}: is damaged in {self._name} ({_one_line(error)}); "
                "fetch the archive again"
            ) from error
        return content

    def check_names(self, expected: Iterable[str]) -> None:
        """Refuse members that are not ``expected``.

        Raises:
            BundleError: There is one.
        """
        for name in sorted(self._members.keys() - set(expected)):
            raise BundleError(
                f"{self._name}: holds {name}, which the manifest does not name; "
                "pack the archive again"
            )


@contextmanager
def open_archive(file: BinaryIO, name: str) -> Iterator[Archive]:
    """Open a zip and check its directory before any member is looked at.

    Args:
        file: The zip, open to read.
        name: What the user calls it, for errors.

    Raises:
        BundleError: It is no zip, or holds links, folders, a name twice, names that
            are not plain, or more than a bundle may hold.
    """
    _check_end(file, name)
    try:
        archive = zipfile.ZipFile(file)
    except _FAULTS as error:
        raise BundleError(f"{name}: is no zip ({_one_line(error)})") from error
    with archive:
        _check_members(archive.infolist(), name)
        yield Archive(name, archive)


def _check_end(file: BinaryIO, name: str) -> None:
    """Refuse what is not exactly one small-enough zip, before a directory is built."""
    try:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END.size - _ZIP64_BYTES))
        tail = file.read()
        file.seek(0)
    except OSError as error:
        raise BundleError(f"{name}: cannot be read ({error.strerror})") from error
    if len(tail) < _END.size:
        raise BundleError(f"{name}: got {size} bytes, expected a zip")
    end = _END.unpack(tail[-_END.size :])
    signature, disk, first_disk, here, members, length, start, comment = end
    if signature != _END_SIGNATURE or comment or disk or first_disk or here != members:
        raise BundleError(
            f"{name}: is no zip, or ends early; fetch or pack the archive again"
        )
    if tail[: -_END.size][-_ZIP64_BYTES:].startswith(_ZIP64_SIGNATURE):
        raise BundleError(f"{name}: is a zip64, expected a plain zip")
    if members > MAX_MEMBERS or length > _MAX_DIRECTORY_BYTES:
        raise BundleError(
            f"{name}: got {members} members in a directory of {length} bytes, expected "
            f"<= {MAX_MEMBERS} in <= {_MAX_DIRECTORY_BYTES}"
        )
    if start + length + _END.size != size:
        raise BundleError(f"{name}: bytes lie before or after the zip; pack it again")


def _check_members(members: list[zipfile.ZipInfo], name: str) -> None:
    def refuse(member: zipfile.ZipInfo, why: str) -> NoReturn:
        shown = ascii(member.orig_filename[:100])
        raise BundleError(f"{name}: member {shown} {why}; pack the archive again")

    seen: set[str] = set()
    for member in members:
        plain = PLAIN_NAME.fullmatch(member.orig_filename)
        if not plain or member.filename != member.orig_filename:
            refuse(member, "has a path, expected a plain name")
        if member.filename in seen:
            refuse(member, "stands there twice")
        seen.add(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            refuse(member, "is a link or a folder, expected a plain file")
        if member.flag_bits & _ENCRYPTED or member.compress_type not in _METHODS:
            refuse(member, "is encrypted or packed in an unknown way")
        if member.file_size > MAX_FILE_BYTES:
            refuse(member, f"is longer than {MAX_FILE_BYTES} bytes")
        if member.file_size > MAX_RATIO * max(1, member.compress_size):
            refuse(member, f"is over {MAX_RATIO} times longer than what holds it")
    if sum(member.file_size for member in members) > MAX_BUNDLE_BYTES:
        raise BundleError(f"{name}: expected <= {MAX_BUNDLE_BYTES} bytes in all")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
