"""Ed25519 signatures of manifests; needs the extra ``signing``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from edge_affect.errors import BundleError, UsageError, missing_package
from edge_affect.model.entries import SIGNATURE_FILE

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNATURE_BYTES = 64
"""Length of a signature."""
_MAX_KEY_BYTES = 4096


def check_signature(manifest: bytes, signature: bytes, key: Path) -> str:
    """Check that the holder of ``key`` signed these very bytes.

    Args:
        manifest: The manifest's file, byte for byte.
        signature: What lies beside it.
        key: File of the public key, PEM.

    Returns:
        The key's fingerprint.

    Raises:
        BundleError: The signature is of another manifest or key.
        UsageError: ``key`` cannot be read, or is no such key.
        MissingDependencyError: The extra is not installed.
    """
    public = _public_key(key)
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(signature, manifest)
    except InvalidSignature as error:
        raise BundleError(
            f"{SIGNATURE_FILE}: the signature is not one of this manifest by the key "
            f"{fingerprint(public)} ({key.name}); fetch the bundle again, or give the "
            "key of whoever signed it"
        ) from error
    return fingerprint(public)


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return the first 16 hex digits of the SHA-256 of a public key's 32 bytes."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def _public_key(path: Path) -> Ed25519PublicKey:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ModuleNotFoundError as error:
        raise missing_package(
            error, "signing", "checking a bundle's signature"
        ) from error
    try:
        with path.open("rb") as file:
            key = load_pem_public_key(file.read(_MAX_KEY_BYTES))
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        reason = getattr(error, "strerror", None) or "no public key in PEM"
        raise UsageError(
            f"{path}: cannot be read as a key ({reason}); expected the public one that "
            "python -m deploy keygen wrote"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(
            f"{path}: got {type(key).__name__}, expected an Ed25519 public key"
        )
    return key
