"""Digests of the shipped bundles; ``python -m deploy pack --ship`` writes them."""

DIGESTS: dict[str, str] = {
    "edge-affect-thin": (
        "ba08ced429d11eafde52874cc87a21a3d5830d7671ec4e573af6e0424764bbaa"
    ),
}
"""Name of the bundle → SHA-256 of its manifest, hex."""
