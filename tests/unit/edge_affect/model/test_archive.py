"""Crafted archives: all are refused, with one line, in little memory."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import shutil
import stat
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_affect.errors import BundleError
from edge_affect.model import archive as module
from edge_affect.model.archive import open_archive
from edge_affect.model.bundle import load_bundle
from tests.fakes.bundles import TINY, golden_bundle, zipped

MANIFEST = "manifest.json"
FACE = "face.cpu-fp32.onnx"
MOST_MEMORY_BYTES = 64 * 1024 * 1024
"""What refusing an archive may take."""
MEMBERS = {path.name: path.read_bytes() for path in sorted(TINY.iterdir())}

Write = Callable[[zipfile.ZipFile], None]


def _tiny(archive: zipfile.ZipFile, *without: str) -> None:
    for name, content in MEMBERS.items():
        if name not in without:
            archive.writestr(name, content)


def _made(path: Path, write: Write) -> Path:
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of a name that stands twice
        write(archive)
    return path


def _named(name: str, *, mode: int = 0o100644) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = mode << 16
    return member


def _slip(name: str) -> Write:
    def write(archive: zipfile.ZipFile) -> None:
        _tiny(archive)
        archive.writestr(name, b"harm")

    return write


def _link(archive: zipfile.ZipFile) -> None:
    _tiny(archive, FACE)
    archive.writestr(_named(FACE, mode=stat.S_IFLNK | 0o777), b"/etc/passwd")


def _folder(archive: zipfile.ZipFile) -> None:
    _tiny(archive)
    archive.mkdir("folder") if hasattr(archive, "mkdir") else archive.writestr(
        _named("folder/", mode=stat.S_IFDIR | 0o755), b""
    )


def _bomb(archive: zipfile.ZipFile) -> None:
    _tiny(archive, FACE)
    archive.writestr(FACE, b"\0" * 60 * 1024 * 1024, zipfile.ZIP_DEFLATED)


def _twice(archive: zipfile.ZipFile) -> None:
    _tiny(archive)
    archive.writestr(FACE, MEMBERS[FACE])


def _extra(archive: zipfile.ZipFile) -> None:
    _tiny(archive)
    archive.writestr("notes.txt", b"nobody names me")


def _missing(archive: zipfile.ZipFile) -> None:
    _tiny(archive, FACE)


def _no_manifest(archive: zipfile.ZipFile) -> None:
    _tiny(archive, MANIFEST)


def _wrong_digest(archive: zipfile.ZipFile) -> None:
    _tiny(archive, FACE)
    archive.writestr(FACE, MEMBERS[FACE][::-1])


def _longer(archive: zipfile.ZipFile) -> None:
    _tiny(archive, FACE)
    archive.writestr(FACE, MEMBERS[FACE] + b"\0")


def _shorter(archive: zipfile.ZipFile) -> None:
    _tiny(archive, FACE)
    archive.writestr(FACE, MEMBERS[FACE][:-1])


def _packed_by(method: int) -> Write:
    def write(archive: zipfile.ZipFile) -> None:
        _tiny(archive, FACE)
        archive.writestr(FACE, MEMBERS[FACE], method)

    return write


def _many(archive: zipfile.ZipFile) -> None:
    for number in range(module.MAX_MEMBERS + 1):
        archive.writestr(f"n{number}", b"")


CRAFTED: dict[str, tuple[Write, str]] = {
    "slip": (_slip("../../harm"), r"'\.\./\.\./harm' has a path"),
    "absolute": (_slip("/tmp/harm"), r"'/tmp/harm' has a path"),
    "backslash": (_slip("..\\harm"), "has a path"),
    "hidden": (_slip(".harm"), "has a path"),
    "link": (_link, "is a link or a folder"),
    "folder": (_folder, "has a path"),
    "bomb": (_bomb, "over 100 times longer"),
    "twice": (_twice, "stands there twice"),
    "extra": (_extra, r"holds notes\.txt, which the manifest does not name"),
    "missing": (_missing, f"has no {FACE}"),
    "no manifest": (_no_manifest, f"has no {MANIFEST}"),
    "wrong digest": (_wrong_digest, "got SHA-256"),
    "longer": (_longer, "got 6291 bytes, expected <= 6290"),
    "shorter": (_shorter, "got 6289 bytes, expected 6290"),
    "bzip2": (_packed_by(zipfile.ZIP_BZIP2), "packed in an unknown way"),
    "many": (_many, "got 65 members"),
}


def _refused(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(path, allow_unsigned=True)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path.parent) not in message
    return message


def test_archive_gives_the_very_bundle_of_the_folder(tmp_path: Path) -> None:
    """In one file or in many, it is the same bundle, byte for byte."""
    folder = golden_bundle(tmp_path / "folder")
    zipped_one = load_bundle(zipped(folder, tmp_path / "b.zip"), allow_unsigned=True)
    plain = load_bundle(folder, allow_unsigned=True)
    assert zipped_one.digest == plain.digest
    assert zipped_one.files == plain.files


def test_archive_may_be_deflated(tmp_path: Path) -> None:
    """Any zip tool will do."""
    path = _made(tmp_path / "b.zip", _packed_by(zipfile.ZIP_DEFLATED))
    assert load_bundle(path, allow_unsigned=True).manifest.name == "tiny"


@pytest.mark.parametrize("craft", CRAFTED)
def test_archive_that_was_crafted_is_refused(tmp_path: Path, craft: str) -> None:
    """One line says why, nothing is written, and memory stays small."""
    write, named = CRAFTED[craft]
    path = _made(tmp_path / "b.zip", write)
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match=named):
            load_bundle(path, allow_unsigned=True)
        most_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most_bytes < MOST_MEMORY_BYTES
    assert [found.name for found in tmp_path.iterdir()] == ["b.zip"]


def test_archive_with_a_lying_size_is_refused(tmp_path: Path) -> None:
    """A member that unpacks to more than its directory says is never unpacked whole."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        _tiny(archive, FACE)
        archive.writestr(FACE, b"\0" * 50 * 1024 * 1024)
    lying = bytearray(content.getvalue())
    at = lying.rindex(FACE.encode()) - 46  # its entry in the directory
    assert lying[at : at + 4] == b"PK\x01\x02"
    lying[at + 24 : at + 28] = struct.pack("<L", len(MEMBERS[FACE]))
    (tmp_path / "b.zip").write_bytes(lying)
    tracemalloc.start()
    try:
        _refused(tmp_path / "b.zip")
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY_BYTES
    finally:
        tracemalloc.stop()


def test_archive_truncated_anywhere_is_refused(tmp_path: Path) -> None:
    """A download that broke off is no bundle, wherever it broke off."""
    whole = zipped(TINY, tmp_path / "whole.zip").read_bytes()
    path = tmp_path / "b.zip"
    for length in (0, 1, 21, 22, *range(100, len(whole), 997), len(whole) - 1):
        path.write_bytes(whole[:length])
        _refused(path)


def test_archive_with_any_flipped_bit_is_refused_or_the_same(tmp_path: Path) -> None:
    """What does not matter, such as a date, may flip; the bundle never differs."""
    whole = zipped(TINY, tmp_path / "whole.zip").read_bytes()
    digest = hashlib.sha256(MEMBERS[MANIFEST]).hexdigest()
    path = tmp_path / "b.zip"
    draw = random.Random(5)
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        with contextlib.suppress(BundleError):
            assert load_bundle(path, digest=digest).files == MEMBERS


@pytest.mark.parametrize(("before", "after"), [(b"x", b""), (b"", b"x")])
def test_archive_has_nothing_around_it(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    """Bytes before or after the zip could be another file in disguise."""
    path = zipped(TINY, tmp_path / "b.zip")
    path.write_bytes(before + path.read_bytes() + after)
    _refused(path)


def test_archive_with_a_zip64_end_is_refused(tmp_path: Path) -> None:
    """A second end record could name another directory, of any length."""
    path = zipped(TINY, tmp_path / "b.zip")
    whole = path.read_bytes()
    locator = b"PK\x06\x07" + bytes(16)
    path.write_bytes(whole[:-22] + locator + whole[-22:])
    assert "is a zip64" in _refused(path)


def test_archive_must_be_a_plain_file(tmp_path: Path) -> None:
    """A link is refused, and what is no zip is named."""
    zipped(TINY, tmp_path / "real.zip")
    (tmp_path / "link.zip").symlink_to("real.zip")
    assert "is a link" in _refused(tmp_path / "link.zip")
    (tmp_path / "text.zip").write_text("hello", encoding="utf-8")
    assert "text.zip: got 5 bytes, expected a zip" in _refused(tmp_path / "text.zip")
    assert "cannot be read" in _refused(tmp_path / "none.zip")


def test_archive_that_is_a_folder_is_read_as_one(tmp_path: Path) -> None:
    """The ending of a directory's name means nothing."""
    folder = shutil.copytree(TINY, tmp_path / "folder.zip")
    assert load_bundle(folder, allow_unsigned=True).manifest.name == "tiny"


def test_archive_encrypted_is_refused(tmp_path: Path) -> None:
    """Nobody is asked for a password."""
    path = zipped(TINY, tmp_path / "b.zip")
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 8] |= 1
    path.write_bytes(content)
    assert "is encrypted" in _refused(path)


def test_archive_bounds_the_sum_of_its_members(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many members that are each allowed may still be too much."""
    monkeypatch.setattr(module, "MAX_BUNDLE_BYTES", 10_000)
    path = zipped(TINY, tmp_path / "b.zip")
    assert "expected <= 10000 bytes in all" in _refused(path)
    with (
        path.open("rb") as file,
        pytest.raises(BundleError),
        open_archive(file, "b.zip"),
    ):
        pass


def test_archive_bounds_each_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what its directory says, before anything is unpacked."""
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 6_000)
    path = zipped(TINY, tmp_path / "b.zip")
    assert "is longer than 6000 bytes" in _refused(path)


class _FailingFile(io.BytesIO):
    def seek(self, *_: int) -> int:
        raise OSError(5, "Input/output error")


def test_archive_on_a_disk_that_fails_is_one_line() -> None:
    """A card that wears out is told as such."""
    with (
        pytest.raises(BundleError, match="Input/output error"),
        open_archive(_FailingFile(), "b.zip"),
    ):
        pass


def test_a_manifest_cannot_name_itself_or_its_signature(tmp_path: Path) -> None:
    """A graph under the name of another role is refused."""
    for name in (MANIFEST, "manifest.sig"):
        folder = shutil.copytree(TINY, tmp_path / name)
        manifest = json.loads((folder / MANIFEST).read_bytes())
        manifest["graphs"]["face"]["cpu-fp32"]["file"] = name
        (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        assert "expected a file of its own" in _refused(folder)
