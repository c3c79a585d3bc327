"""Put a bundle into the wheel, with its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from deploy.files import read_file, staged_bundle, write_text
from edge_affect import bundles
from edge_affect.model.bundle import load_bundle
from edge_affect.model.entries import MANIFEST_FILE, SIGNATURE_FILE
from edge_affect.model.fields import parse_json
from edge_affect.model.verified import Trust, read_verified
from edge_affect.pointcloud.manifest import KIND, parse_manifest

DIGESTS_FILE = "digests.py"
LINE_COLUMNS = 88
"""Width at which ruff breaks a line; the file is written as ruff formats it."""
_SOURCE = '''\
"""Digests of the shipped bundles; ``python -m deploy pack --ship`` writes them."""

DIGESTS: dict[str, str] = {%s}
"""Name of the bundle → SHA-256 of its manifest, hex."""
'''


def ship(folder: Path, package: Path | None = None) -> Path:
    """Copy the bundle in ``folder`` into the package and write the digests anew.

    Args:
        folder: A packed bundle.
        package: The package ``edge_affect.bundles``; None for the one imported.

    Returns:
        Where the bundle lies now.

    Raises:
        BundleError: The bundle is damaged, or the package cannot be written.
    """
    home = Path(next(iter(bundles.__path__))) if package is None else package
    name, files = _read(folder)
    out = home / name
    # The built-in digest vouches for it; a signature would say nothing more.
    content = {k: v for k, v in files.items() if k != SIGNATURE_FILE}
    with staged_bundle(out, content) as staged:
        _read(staged)
    write_text(home / DIGESTS_FILE, digests_source(home))
    return out


def _read(folder: Path) -> tuple[str, Mapping[str, bytes]]:
    """Return the name and the files of a bundle for faces and voices, or for clouds."""
    root = parse_json(read_file(folder / MANIFEST_FILE), MANIFEST_FILE)
    if isinstance(root, dict) and root.get("kind") == KIND:
        trust = Trust(allow_unsigned=True)
        cloud = read_verified(folder, "", parse_manifest, trust)
        return cloud.manifest.name, cloud.files
    bundle = load_bundle(folder, allow_unsigned=True)
    return bundle.manifest.name, bundle.files


def digests_source(home: Path) -> str:
    """Return the source of ``digests.py`` for the bundles under ``home``."""
    entries = []
    for manifest in sorted(home.glob(f"*/{MANIFEST_FILE}")):
        digest = hashlib.sha256(read_file(manifest)).hexdigest()
        name = manifest.parent.name
        line = f'    "{name}": "{digest}",'
        if len(line) > LINE_COLUMNS:
            line = f'    "{name}": (\n        "{digest}"\n    ),'
        entries.append(f"\n{line}")
    return _SOURCE % ("".join(entries) + "\n" if entries else "")
