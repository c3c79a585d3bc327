"""Digests of the shipped bundles; ``python -m deploy pack --ship`` writes them."""

DIGESTS: dict[str, str] = {
    "edge-affect-thin": (
        "614a77377746405ebbd39e140fec56d1a47d6269858223e87cb160dedb9a4462"
    ),
}
"""Name of the bundle → SHA-256 of its manifest, hex."""
