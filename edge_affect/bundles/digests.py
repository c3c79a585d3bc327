"""Digests of the shipped bundles; ``python -m deploy pack --ship`` writes them."""

DIGESTS: dict[str, str] = {
    "edge-affect-s": "2fda1174420fa66a459c4d3f16613df0724ffb3309ec5b535efb4b6ace32b6cf",
}
"""Name of the bundle → SHA-256 of its manifest, hex."""
