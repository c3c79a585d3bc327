"""Digests of the shipped bundles; ``python -m deploy pack --ship`` writes them."""

DIGESTS: dict[str, str] = {
    "edge-affect-s": "730fc1efc69205fc2e8324a1edd985cdd5bd6aabab95ae2e6822e097e472280c",
    "pu-mfa-edge": "c4d1dd9ded4012fa0403d1ace257cf5ab48feba60ed235b200820b3363741c7f",
}
"""Name of the bundle → SHA-256 of its manifest, hex."""
