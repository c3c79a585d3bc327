"""Make keys, and sign bundles with them."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from deploy.files import read_file, write_bytes
from edge_affect.errors import UsageError
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.model.entries import MANIFEST_FILE, SIGNATURE_FILE
from edge_affect.model.signature import fingerprint

PUBLIC_SUFFIX = ".pub"
"""Ends the name of the public key, beside the private one."""


def keygen(path: Path) -> str:
    """Write a new private key to ``path`` and its public one beside it.

    Returns:
        The key's fingerprint.

    Raises:
        UsageError: One of the files is there: a key is never written over.
        BundleError: The folder cannot be written.
    """
    public_path = path.with_name(f"{path.name}{PUBLIC_SUFFIX}")
    for place in (path, public_path):
        if place.exists():
            raise UsageError(f"{place}: exists; a key is never written over")
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_bytes(path, private, 0o600)
    public = key.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    write_bytes(public_path, public)
    return fingerprint(key.public_key())


def sign(folder: Path, key: Path) -> Bundle:
    """Sign the manifest of the bundle in ``folder``; the signature lies beside it.

    Raises:
        BundleError: The bundle is damaged, or the folder cannot be written.
        UsageError: ``key`` is no private Ed25519 key.
    """
    bundle = load_bundle(folder, allow_unsigned=True)
    signature = _private_key(key).sign(bundle.files[MANIFEST_FILE])
    write_bytes(folder / SIGNATURE_FILE, signature)
    return bundle


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(read_file(path), None)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{path}: is no private key in PEM without a password ({error!s:.100}); "
            "expected the one that python -m deploy keygen wrote"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path}: got {type(key).__name__}, expected an Ed25519 key")
    return key
