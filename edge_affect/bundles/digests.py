"""Digests of the shipped bundles; ``python -m deploy pack --ship`` writes them."""

DIGESTS: dict[str, str] = {}
"""Name of the bundle → SHA-256 of its manifest, hex."""
