"""Digests of the shipped bundles; ``python -m deploy pack --ship`` writes them."""

DIGESTS: dict[str, str] = {
    "edge-affect-s": "5aeb4565c947e5e141760506a5c068bf0a558b869540a3daa9c21100311d155b",
}
"""Name of the bundle → SHA-256 of its manifest, hex."""
