from __future__ import annotations

import builtins
import random
from pathlib import Path
from typing import Any

import pytest

from edge_affect.errors import BundleError, MissingDependencyError, UsageError
from edge_affect.model.bundle import load_bundle
from tests.fakes.bundles import zipped

pytest.importorskip("cryptography", reason="cryptography is not installed")


@pytest.fixture
def private() -> Any:
    """Return a new private key."""
    from cryptography.hazmat.primitives.asymmetric import ed25519

    return ed25519.Ed25519PrivateKey.generate()


@pytest.fixture
def key(tmp_path: Path, private: Any) -> Path:
    """Return the file of its public key."""
    return _written(tmp_path / "key.pub", private)


def _written(path: Path, private: Any) -> Path:
    from cryptography.hazmat.primitives import serialization

    path.write_bytes(
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return path


@pytest.fixture
def signed(tiny: Path, private: Any) -> Path:
    """Return the tiny bundle, signed."""
    manifest = (tiny / "manifest.json").read_bytes()
    (tiny / "manifest.sig").write_bytes(private.sign(manifest))
    return tiny


def test_a_signed_bundle_is_trusted_by_its_key(
    signed: Path, key: Path, tmp_path: Path
) -> None:
    """With the signer's key it needs no leave, as a folder and as an archive."""
    bundle = load_bundle(signed, key=key)
    assert bundle.trust is not None
    assert bundle.trust.startswith("signed by the key ")
    archived = load_bundle(zipped(signed, tmp_path / "b.zip"), key=key)
    assert (archived.digest, archived.trust) == (bundle.digest, bundle.trust)


def test_a_signature_says_nothing_without_a_key(signed: Path) -> None:
    """Anybody can sign; only a key that was given tells who did."""
    with pytest.raises(BundleError, match="no key=FILE was given"):
        load_bundle(signed)
    assert load_bundle(signed, allow_unsigned=True).trust is None


def test_a_key_without_a_signature_needs_leave(tiny: Path, key: Path) -> None:
    """A bundle that nobody signed is refused, or taken with leave."""
    with pytest.raises(BundleError, match=r"it has no manifest\.sig"):
        load_bundle(tiny, key=key)
    assert load_bundle(tiny, key=key, allow_unsigned=True).trust is None


def test_a_signature_of_another_key_is_refused_even_with_leave(
    signed: Path, tmp_path: Path
) -> None:
    """Leave to go unsigned is no leave to carry a wrong signature."""
    from cryptography.hazmat.primitives.asymmetric import ed25519

    other = _written(tmp_path / "other", ed25519.Ed25519PrivateKey.generate())
    for allow in (False, True):
        with pytest.raises(BundleError, match="not one of this manifest by the key"):
            load_bundle(signed, key=other, allow_unsigned=allow)


def test_every_flipped_bit_of_manifest_or_signature_is_refused(
    signed: Path, key: Path
) -> None:
    """The signature is over the very bytes."""
    draw = random.Random(9)
    for name in ("manifest.json", "manifest.sig"):
        path = signed / name
        sound = path.read_bytes()
        for _ in range(100):
            damaged = bytearray(sound)
            damaged[draw.randrange(len(sound))] ^= 1 << draw.randrange(8)
            path.write_bytes(damaged)
            with pytest.raises(BundleError, match="signature"):
                load_bundle(signed, key=key)
        path.write_bytes(sound)
    load_bundle(signed, key=key)


@pytest.mark.parametrize("length", [0, 63, 65, 4096])
def test_a_signature_of_another_length_is_refused(
    signed: Path, key: Path, length: int
) -> None:
    """Nothing but 64 bytes is a signature."""
    (signed / "manifest.sig").write_bytes(b"\0" * length)
    with pytest.raises(BundleError, match=r"manifest\.sig"):
        load_bundle(signed, key=key)


def test_a_signature_that_is_a_link_is_refused(signed: Path, key: Path) -> None:
    """As any file of a bundle."""
    (signed / "manifest.sig").rename(signed / "aside")
    (signed / "manifest.sig").symlink_to("aside")
    with pytest.raises(BundleError, match="is a link"):
        load_bundle(signed, key=key)


def test_what_is_no_public_key_is_wrong_usage(
    signed: Path, private: Any, tmp_path: Path
) -> None:
    """A missing file, a text, a private key and a key of another kind are named."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    wrong = tmp_path / "wrong"
    for content in (None, b"hello", b"\xff" * 5000):
        if content is not None:
            wrong.write_bytes(content)
        with pytest.raises(UsageError, match="cannot be read as a key"):
            load_bundle(signed, key=wrong)
    wrong.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(UsageError, match="cannot be read as a key"):
        load_bundle(signed, key=wrong)
    _written(wrong, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(UsageError, match="expected an Ed25519 public key"):
        load_bundle(signed, key=wrong)


def test_without_the_extra_a_signature_cannot_be_checked(
    signed: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the extra; without a key nothing needs it."""
    real = builtins.__import__

    def absent(name: str, *arguments: Any, **named: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == "cryptography":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingDependencyError, match=r"edge_affect\[signing\]"):
        load_bundle(signed, key=key)
    assert load_bundle(signed, allow_unsigned=True).manifest.name == "tiny"
