"""Keys, signatures and archives: from the build machine to a device."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from deploy.__main__ import main
from deploy.archive import archive
from deploy.pack import PackSettings, pack
from edge_affect.errors import BundleError, UsageError
from edge_affect.model.bundle import load_bundle

pytest.importorskip("cryptography", reason="cryptography is not installed")

from deploy.signing import keygen, sign


@pytest.fixture
def packed(export: Path, tmp_path: Path) -> Path:
    """Return a packed bundle."""
    pack(PackSettings(export, tmp_path / "packed", "tiny", "1.2.3"))
    return tmp_path / "packed"


def test_a_signed_archive_is_trusted_by_the_public_key(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands of the build machine make what the runtime takes."""
    key, out = tmp_path / "key", tmp_path / "b.zip"
    assert main(["keygen", str(key)]) == 0
    assert main(["sign", str(packed), "--key", str(key)]) == 0
    assert main(["archive", str(packed), str(out)]) == 0
    assert "tiny 1.2.3" in capsys.readouterr().out
    bundle = load_bundle(out, key=Path(f"{key}.pub"))
    assert bundle.files == load_bundle(packed, allow_unsigned=True).files
    assert bundle.trust is not None


def test_archive_gives_the_same_bytes_twice(packed: Path, tmp_path: Path) -> None:
    """Neither the day nor the folder shows in it."""
    archive(packed, tmp_path / "one.zip")
    copy = shutil.copytree(packed, tmp_path / "copy")
    archive(copy, tmp_path / "two.zip")
    one, two = ((tmp_path / name).read_bytes() for name in ("one.zip", "two.zip"))
    assert one == two


def test_archive_leaves_out_what_the_manifest_does_not_name(
    packed: Path, tmp_path: Path
) -> None:
    """A note in the folder is not handed over."""
    (packed / "notes.txt").write_text("mine", encoding="utf-8")
    assert "notes.txt" not in archive(packed, tmp_path / "b.zip").files


def test_archive_refuses_damaged_bundles_and_other_endings(
    packed: Path, tmp_path: Path
) -> None:
    """What a device would refuse is not written."""
    with pytest.raises(UsageError, match=r"expected \.zip"):
        archive(packed, tmp_path / "b.tar")
    (packed / "face.cpu-fp32.onnx").write_bytes(b"damaged")
    with pytest.raises(BundleError):
        archive(packed, tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_keygen_keeps_the_private_key_private(tmp_path: Path) -> None:
    """Nobody else may read it, and neither file is ever written over."""
    key = tmp_path / "key"
    keygen(key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    with pytest.raises(UsageError, match="never written over"):
        keygen(key)
    key.unlink()
    with pytest.raises(UsageError, match=r"key\.pub: exists"):
        keygen(key)
    assert b"PRIVATE" in before
    assert not key.exists()


def test_packing_again_drops_the_signature(packed: Path, tmp_path: Path) -> None:
    """A signature never stands beside a manifest that it is not of."""
    keygen(tmp_path / "key")
    sign(packed, tmp_path / "key")
    assert (packed / "manifest.sig").exists()
    pack(PackSettings(tmp_path / "export", packed, "tiny", "1.2.4"))
    assert not (packed / "manifest.sig").exists()


def test_sign_refuses_what_is_no_private_key(packed: Path, tmp_path: Path) -> None:
    """The public half, a text and a missing file are named."""
    keygen(tmp_path / "key")
    (tmp_path / "text").write_text("hello", encoding="utf-8")
    for name in ("key.pub", "text"):
        with pytest.raises(UsageError, match="is no private key"):
            sign(packed, tmp_path / name)
    with pytest.raises(BundleError, match="cannot be read"):
        sign(packed, tmp_path / "none")
