"""Pack the exported graph for point clouds and its card into a bundle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from deploy.figures import read_figures
from deploy.files import read_file, staged_bundle
from deploy.pack import entry_of
from edge_affect.errors import BundleError
from edge_affect.labels import TARGETS
from edge_affect.model.entries import MANIFEST_FILE
from edge_affect.model.fields import Fields, parse_json
from edge_affect.model.verified import Trust, Verified, read_verified
from edge_affect.pointcloud.manifest import (
    GRAPH,
    KIND,
    SCHEMA,
    CloudManifest,
    parse_manifest,
)
from edge_affect.pointcloud.upsampler import SHIPPED_BUNDLE

CARD_KEYS = ("licence", "training")
"""What the card says of the graph; goes into the manifest as it is."""


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """What a bundle for point clouds is packed from."""

    graphs: Path
    """Folder with ``pointcloud.TARGET.onnx`` files."""
    card: Path
    """What is known of them."""
    out: Path
    """Directory of the bundle; a bundle that stands there is replaced."""
    version: str
    """MAJOR.MINOR.PATCH."""
    name: str = SHIPPED_BUNDLE
    """Name of the bundle."""
    figures: tuple[Path, ...] = ()
    """Results of ``python -m benchmarks pointcloud``, measured on these graphs."""


def pack_cloud(settings: CloudSettings) -> Verified[CloudManifest]:
    """Write a bundle, and read it back before it is put in place.

    Raises:
        BundleError: A graph, the card or a figure is missing or wrong; nothing was
            written.
    """
    card = parse_json(read_file(settings.card), settings.card.name)
    Fields(card, settings.card.name, CARD_KEYS)
    names = {target: f"{GRAPH}.{target}.onnx" for target in TARGETS}
    files = {
        name: read_file(settings.graphs / name)
        for name in names.values()
        if (settings.graphs / name).is_file()
    }
    if not files:
        raise BundleError(
            f"{settings.graphs}: got no {GRAPH}.TARGET.onnx, expected what python -m "
            "quantize export pointcloud writes"
        )
    entries = {
        target: entry_of(name, files[name])
        for target, name in names.items()
        if name in files
    }
    digests = {f"{GRAPH}.{t}": str(entry["sha256"]) for t, entry in entries.items()}
    figures = [f for path in settings.figures for f in read_figures(path, digests)]
    manifest = {
        "kind": KIND,
        "schema": SCHEMA,
        "name": settings.name,
        "version": settings.version,
        "graphs": {GRAPH: entries},
        **(card if isinstance(card, dict) else {}),
        "figures": figures,
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    content = {MANIFEST_FILE: f"{text}\n".encode(), **files}
    with staged_bundle(settings.out, content) as folder:
        trust = Trust(allow_unsigned=True)
        return read_verified(folder, settings.name, parse_manifest, trust)
