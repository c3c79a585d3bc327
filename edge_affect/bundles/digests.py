"""Digests of the shipped bundles; ``python -m deploy pack --ship`` writes them."""

DIGESTS: dict[str, str] = {
    "edge-affect-thin": (
        "27c5f6d9afa6ddb2e5199214127e0e223c8d980f9b1a08f64e0dc09508e122f3"
    ),
}
"""Name of the bundle → SHA-256 of its manifest, hex."""
