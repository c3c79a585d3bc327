"""Digests of the shipped bundles; ``python -m deploy pack --ship`` writes them."""

DIGESTS: dict[str, str] = {
    "edge-affect-thin": (
        "6c5af9c155ed93375464fb68ea338eee33bb5e0033de94e59cb80b3039c3caf1"
    ),
}
"""Name of the bundle → SHA-256 of its manifest, hex."""
