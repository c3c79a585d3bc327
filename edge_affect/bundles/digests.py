"""Digests of the shipped bundles; ``python -m deploy pack --ship`` writes them."""

DIGESTS: dict[str, str] = {
    "edge-affect-s": "730fc1efc69205fc2e8324a1edd985cdd5bd6aabab95ae2e6822e097e472280c",
    "pu-mfa-edge": "0a85e327e0d311d3c5627b72cb1a358a5af682e5e6f68e7f4729417c88e8963f",
}
"""Name of the bundle → SHA-256 of its manifest, hex."""
