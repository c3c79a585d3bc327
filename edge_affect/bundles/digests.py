"""Digests of the shipped bundles; ``python -m deploy pack --ship`` writes them."""

DIGESTS: dict[str, str] = {
    "edge-affect-thin": (
        "83802ca6de57857a8878a661633dd4a5e0d9bc1d9876b097ea1390b6e3c5cf7d"
    ),
}
"""Name of the bundle → SHA-256 of its manifest, hex."""
