"""Digests of the shipped bundles; written by ``python -m deploy pack --ship``."""

DIGESTS: dict[str, str] = {}
"""Name of the bundle → SHA-256 of its manifest, hex."""
