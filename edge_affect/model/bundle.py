"""Load a bundle: every byte is checked against its digest before anything parses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from edge_affect import bundles
from edge_affect.errors import BundleError
from edge_affect.labels import TARGETS
from edge_affect.model.entries import MANIFEST_FILE
from edge_affect.model.manifest import Manifest, parse_manifest
from edge_affect.model.onnxscan import scan_graph
from edge_affect.model.purpose import check_purpose, is_emotion_free
from edge_affect.model.verified import Trust, read_verified, shipped_folder
from edge_affect.runners.base import NEXT_STATE_PREFIX, GraphFile, Link

__all__ = [
    "HEAD_OUTPUTS",
    "LINKS",
    "Bundle",
    "check_purpose",
    "is_emotion_free",
    "load_bundle",
    "shipped_folder",
]

HEAD_OUTPUTS = {
    "expression": ("expression",),
    "valence": ("valence", "valence_std", "valence_ahead"),
    "arousal": ("arousal", "arousal_std", "arousal_ahead"),
    "voice_emotion": ("emotion",),
    "speech": ("speech",),
    "action_units": ("action_units",),
    "driver": ("eyes_closed", "pose"),
}
"""Head → the graph outputs that tell of it; a bundle has the first one at least."""
LINKS = (Link("face", "embedding", "affect", "face_embedding"),)
"""What a runner may hand from graph to graph without the host looking at it."""
_PLAIN_OUTPUTS = frozenset({"embedding", "score", "width", "points"})
"""Outputs that tell nothing of a person: embeddings, and where a face is."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle in memory."""

    manifest: Manifest
    digest: str
    """SHA-256 of the manifest, hex: names the bundle, since the manifest holds the
    digests of all else."""
    graphs: Mapping[str, Mapping[str, GraphFile]]
    """Graph name → target → file."""
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Plain name → the bytes that were checked: everything that the bundle is."""
    trust: str | None = None
    """Who vouches for it: edge_affect, or a key; None where nobody was asked."""

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.manifest.name} {self.manifest.version}"

    @property
    def default_target(self) -> str:
        """Target that runs where nothing faster was measured."""
        return self.manifest.default_target

    @property
    def targets(self) -> tuple[str, ...]:
        """Targets that every graph was made for."""
        return tuple(
            target
            for target in TARGETS
            if all(target in files for files in self.graphs.values())
        )

    @property
    def links(self) -> tuple[Link, ...]:
        """Links between its graphs."""
        return tuple(k for k in LINKS if {k.source, k.sink} <= self.graphs.keys())

    def graph(self, name: str, target: str) -> GraphFile:
        """Return the graph ``name`` as made for ``target``.

        Raises:
            BundleError: The bundle has no such graph.
        """
        files = self.graphs.get(name, {})
        if target not in files:
            raise BundleError(
                f"bundle {self.manifest.name}: has no graph {name!r} for the target "
                f"{target!r}, expected one of {', '.join(files) or 'none'}"
            )
        return files[target]

    def graphs_for(self, target: str) -> list[GraphFile]:
        """Return every graph as made for ``target``.

        Raises:
            BundleError: A graph was not made for it.
        """
        return [self.graph(name, target) for name in self.graphs]


def load_bundle(
    path: Path | None = None,
    *,
    allow_unsigned: bool = False,
    key: Path | None = None,
    digest: str | None = None,
) -> Bundle:
    """Read and verify the bundle at ``path``.

    Args:
        path: Its directory or archive, or the name of a shipped one; None for the
            shipped one that tells of affect.
        allow_unsigned: Whether a bundle that nobody vouches for may be loaded.
        key: Public key, a PEM file: a bundle that its holder signed is trusted.
        digest: SHA-256 that the manifest must have, hex: whoever knows it vouches.

    Raises:
        BundleError: It is missing, damaged, of an unknown schema, or not trusted.
        UsageError: ``key`` is no key.
        MissingDependencyError: A signature is to be checked without the extra.
    """
    trust = Trust(allow_unsigned, key, digest)
    found = read_verified(path, bundles.DEFAULT, parse_manifest, trust)
    graphs = _graphs(found.manifest, found.files)
    return Bundle(found.manifest, found.digest, graphs, found.files, found.trust)


def _graphs(
    manifest: Manifest, contents: Mapping[str, bytes]
) -> Mapping[str, Mapping[str, GraphFile]]:
    graphs: dict[str, Mapping[str, GraphFile]] = {}
    outputs: set[str] = set()
    for name, targets in manifest.graphs.items():
        made = {}
        for target, entry in targets.items():
            outputs |= scan_graph(contents[entry.file], entry.file).outputs
            made[target] = GraphFile(name, contents[entry.file])
        graphs[name] = MappingProxyType(made)
    _check_heads(manifest, outputs)
    return MappingProxyType(graphs)


def _check_heads(manifest: Manifest, outputs: set[str]) -> None:
    """Refuse graphs that tell more, or less, than the manifest's heads say.

    The purpose is decided on the heads, so no output may escape them.
    """
    allowed = set(_PLAIN_OUTPUTS)
    for head in manifest.heads:
        given = HEAD_OUTPUTS.get(head, (head,))
        if given[0] not in outputs:
            raise BundleError(
                f"{MANIFEST_FILE}.heads: lists {head}, but no graph has the output "
                f"{given[0]!r}; pack the bundle again"
            )
        allowed.update(given)
    for output in sorted(outputs - allowed):
        if output.startswith(NEXT_STATE_PREFIX):
            continue
        owner = next((h for h, given in HEAD_OUTPUTS.items() if output in given), None)
        lacks = f"lacks {owner}" if owner else "has no such head"
        raise BundleError(
            f"{MANIFEST_FILE}.heads: {lacks}, but a graph has the output {output!r}; "
            "pack the bundle again"
        )
