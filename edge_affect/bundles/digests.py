"""Digests of the shipped bundles; ``python -m deploy pack --ship`` writes them."""

DIGESTS: dict[str, str] = {
    "edge-affect-s": "730fc1efc69205fc2e8324a1edd985cdd5bd6aabab95ae2e6822e097e472280c",
    "edge-affect-s-signals": (
        "5c9a71dc61d9f626b6d1d5d791875f73793f9ddd222fef444cc17e1e79560750"
    ),
    "pu-mfa-edge": "e0bccdfff7defaed9f9cb655c47203a0178bb612f02431ab6caab1a7421ce36b",
}
"""Name of the bundle → SHA-256 of its manifest, hex."""
