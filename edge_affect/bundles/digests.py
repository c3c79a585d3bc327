"""Digests of the shipped bundles; ``python -m deploy pack --ship`` writes them."""

DIGESTS: dict[str, str] = {
    "edge-affect-s": "a182e1faef583cc077b2479329b70f3bacae0d8185194cb24298251545ad03ff",
}
"""Name of the bundle → SHA-256 of its manifest, hex."""
