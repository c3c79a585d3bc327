"""Load a bundle: every byte is checked against its digest before anything parses it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from edge_affect import bundles
from edge_affect.bundles.digests import DIGESTS
from edge_affect.errors import BundleError
from edge_affect.labels import TARGETS
from edge_affect.model.fields import MAX_JSON_BYTES
from edge_affect.model.manifest import (
    MANIFEST_FILE,
    GraphEntry,
    Manifest,
    parse_manifest,
)
from edge_affect.model.onnxscan import scan_graph
from edge_affect.model.purpose import check_purpose, is_emotion_free
from edge_affect.runners.base import NEXT_STATE_PREFIX, GraphFile

__all__ = [
    "HEAD_OUTPUTS",
    "Bundle",
    "check_purpose",
    "is_emotion_free",
    "load_bundle",
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


def load_bundle(path: Path | None = None, *, allow_unsigned: bool = False) -> Bundle:
    """Read and verify the bundle in the directory ``path``.

    Args:
        path: Its directory; None for the one shipped with edge_affect.
        allow_unsigned: Whether a bundle that was not shipped may be loaded.

    Raises:
        BundleError: It is missing, damaged, of an unknown schema, or not trusted.
    """
    folder = shipped_folder(bundles.DEFAULT) if path is None else path
    if path is None and not folder.is_dir():
        raise BundleError(
            f"bundle {folder.name!r}: did not come with this installation; install "
            "edge_affect again, or name the directory of a bundle"
        )
    content = _read_file(folder / MANIFEST_FILE, MAX_JSON_BYTES)
    digest = hashlib.sha256(content).hexdigest()
    if not allow_unsigned and digest not in DIGESTS.values():
        raise BundleError(
            f"{MANIFEST_FILE}: the bundle {folder.name or '.'!a} was not shipped "
            "with this edge_affect (its digest is unknown), and signatures cannot be "
            "checked yet; allow_unsigned=True loads it, if you trust its origin"
        )
    manifest = parse_manifest(content)
    graphs: dict[str, Mapping[str, GraphFile]] = {}
    outputs: set[str] = set()
    for name, targets in manifest.graphs.items():
        files = {}
        for target, entry in targets.items():
            graph = _read_graph(folder, entry)
            outputs |= scan_graph(graph, entry.file).outputs
            files[target] = GraphFile(name, graph)
        graphs[name] = MappingProxyType(files)
    _check_heads(manifest, outputs)
    return Bundle(manifest, digest, MappingProxyType(graphs))


def shipped_folder(name: str) -> Path:
    """Return where the shipped bundle ``name`` lies in this installation."""
    return Path(next(iter(bundles.__path__))) / name


def _read_graph(folder: Path, entry: GraphEntry) -> bytes:
    content = _read_file(folder / entry.file, entry.size_bytes)
    if len(content) != entry.size_bytes:
        raise BundleError(
            f"{entry.file}: got {len(content)} bytes, expected {entry.size_bytes}; "
            "copy the bundle again"
        )
    digest = hashlib.sha256(content).hexdigest()
    if digest != entry.sha256:
        raise BundleError(
            f"{entry.file}: got SHA-256 {digest[:12]}…, expected "
            f"{entry.sha256[:12]}…: the file is damaged or was changed; "
            "copy the bundle again"
        )
    return content


def _read_file(path: Path, max_bytes: int) -> bytes:
    """Read a plain file of at most ``max_bytes``; never through a link or a pipe."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    # O_NONBLOCK, or opening a pipe that nobody writes to would hang.
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        if path.is_symlink():
            raise BundleError(f"{path.name}: is a link, expected a plain file")
        descriptor = os.open(path, flags)
        try:
            info = os.fstat(descriptor)
            if not stat.S_ISREG(info.st_mode):
                raise BundleError(f"{path.name}: is not a plain file")
            if info.st_size > max_bytes:
                raise BundleError(
                    f"{path.name}: got {info.st_size} bytes, expected <= {max_bytes}"
                )
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(max_bytes + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BundleError(
            f"{path.name}: cannot be read from the bundle {path.parent.name or '.'!a} "
            f"({reason}); expected a directory with {MANIFEST_FILE} and its graphs"
        ) from error


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
