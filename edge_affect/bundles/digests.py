"""Digests of the shipped bundles; ``python -m deploy pack --ship`` writes them."""

DIGESTS: dict[str, str] = {
    "edge-affect-s": "5683ae76bfd2a10e044d55ac2e71cf4864358da0a37ec5d43db33f243cd33556",
}
"""Name of the bundle → SHA-256 of its manifest, hex."""
