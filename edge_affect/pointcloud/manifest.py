"""The manifest of a bundle for point clouds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_affect.errors import BundleError
from edge_affect.labels import TARGETS
from edge_affect.model.entries import (
    MANIFEST_FILE,
    PLAIN_NAME,
    FileEntry,
    check_files,
    read_graphs,
)
from edge_affect.model.fields import Fields, parse_json
from edge_affect.model.manifest import VERSION
from edge_affect.model.provenance import (
    Figure,
    TrainingSet,
    read_figures,
    read_training,
)

SCHEMA = 1
"""Schema that is written and read."""
KIND = "pointcloud"
"""What tells such a manifest from that of a bundle for faces and voices."""
GRAPH = "pointcloud"
"""Its one graph."""


@dataclass(frozen=True, slots=True)
class CloudManifest:
    """Everything that is known of the bundle but the bytes of its graph."""

    name: str
    version: str
    """MAJOR.MINOR.PATCH."""
    licence: str
    """SPDX name of the weights' licence."""
    targets: Mapping[str, FileEntry]
    """Target → file of the graph."""
    training: tuple[TrainingSet, ...]
    figures: tuple[Figure, ...]

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """Every file that the bundle has beside its manifest."""
        return tuple(self.targets.values())


def parse_manifest(content: bytes) -> CloudManifest:
    """Read a manifest strictly.

    Raises:
        BundleError: The message names the key that is wrong.
    """
    root = parse_json(content, MANIFEST_FILE)
    found = root if isinstance(root, dict) else {}
    if (found.get("kind"), found.get("schema")) != (KIND, SCHEMA):
        raise BundleError(
            f"{MANIFEST_FILE}: got kind {found.get('kind')!a:.40} of schema "
            f"{found.get('schema')!a:.40}, expected {KIND!r} of {SCHEMA}: a bundle for "
            "point clouds, or a newer edge_affect"
        )
    keys = ("name", "version", "licence", "graphs", "training", "figures")
    fields = Fields(root, MANIFEST_FILE, ("kind", "schema", *keys))
    graphs = read_graphs(fields.child("graphs", (GRAPH,)))
    manifest = CloudManifest(
        name=fields.matching("name", PLAIN_NAME, "a plain name"),
        version=fields.matching("version", VERSION, "MAJOR.MINOR.PATCH"),
        licence=fields.text("licence"),
        targets=graphs[GRAPH],
        training=read_training(fields),
        figures=read_figures(fields),
    )
    unknown = [target for target in manifest.targets if target not in TARGETS]
    if unknown:
        fields.refuse("graphs", f"targets of {', '.join(TARGETS)}")
    check_files(manifest.files)
    return manifest
