"""Digests of the shipped bundles; ``python -m deploy pack --ship`` writes them."""

DIGESTS: dict[str, str] = {
    "edge-affect-s": "8479804ab8d66d8d2d1c5d0651fa0c6734f7a1f4e2df299128b12ed6a7443d9b",
}
"""Name of the bundle → SHA-256 of its manifest, hex."""
