"""Pack exported graphs and their card into a bundle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy.figures import read_figures
from deploy.files import read_file, staged_bundle
from deploy.golden import record_golden
from edge_affect.errors import BundleError
from edge_affect.labels import TARGETS
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.model.entries import GRAPH_NAMES, MANIFEST_FILE
from edge_affect.model.fields import MAX_JSON_BYTES, Fields, parse_json
from edge_affect.model.golden import GOLDEN_FILE
from edge_affect.model.manifest import SCHEMA
from edge_affect.model.purpose import EMOTION_HEADS
from edge_affect.sensing.preprocessing import sensed

CARD_FILE = "card.json"
CARD_KEYS = (
    "licence",
    "default_target",
    "heads",
    "timing",
    "ranges",
    "validity",
    "temperatures",
    "training",
)
"""What the card says of the graphs; goes into the manifest as it is."""


@dataclass(frozen=True, slots=True)
class PackSettings:
    """What a bundle is packed from."""

    graphs: Path
    """Folder with ``GRAPH.TARGET.onnx`` files."""
    out: Path
    """Directory of the bundle; a bundle that stands there is replaced."""
    name: str
    """Name of the bundle."""
    version: str
    """MAJOR.MINOR.PATCH."""
    card: Path | None = None
    """What is known of the graphs; None for ``card.json`` beside them."""
    figures: tuple[Path, ...] = ()
    """Result files of ``python -m benchmarks``, measured on these very graphs."""
    heads: str = "all"
    """``signals`` takes the card without its emotion heads."""
    golden: bool = True
    """Whether golden inputs are recorded; a device takes no update without them."""


def pack(settings: PackSettings) -> Bundle:
    """Write a bundle, and load it back before it is put in place.

    The same graphs, card and figures always give the same bytes on one machine.

    Raises:
        BundleError: A graph, the card or a figure is missing or wrong; nothing was
            written.
        RunnerError: ONNX Runtime cannot run a graph.
    """
    files = _graph_files(settings.graphs)
    values = _manifest(settings, files)
    if settings.golden:
        recording, tolerances = record_golden(files)
        entry = {**entry_of(GOLDEN_FILE, recording), "tolerances": dict(tolerances)}
        values |= {"schema": SCHEMA, "golden": entry}
        files[GOLDEN_FILE] = recording
    _check_size(values)
    manifest = json.dumps(values, indent=1, ensure_ascii=False)
    content = {MANIFEST_FILE: f"{manifest}\n".encode(), **files}
    with staged_bundle(settings.out, content) as folder:
        return load_bundle(folder, allow_unsigned=True)


def _graph_files(folder: Path) -> dict[str, bytes]:
    names = [f"{graph}.{target}.onnx" for graph in GRAPH_NAMES for target in TARGETS]
    try:
        found = {path.name for path in folder.iterdir() if path.suffix == ".onnx"}
    except OSError as error:
        raise BundleError(f"{folder}: cannot be read ({error.strerror})") from error
    strange = sorted(found - set(names))
    if strange or not found:
        raise BundleError(
            f"{folder}: got {strange[0] if strange else 'no graph'}, expected nothing "
            f"but GRAPH.TARGET.onnx with GRAPH one of {', '.join(GRAPH_NAMES)} and "
            f"TARGET one of {', '.join(TARGETS)}; keep other files elsewhere"
        )
    return {name: read_file(folder / name) for name in names if name in found}


def _manifest(settings: PackSettings, files: Mapping[str, bytes]) -> dict[str, object]:
    path = settings.card or settings.graphs / CARD_FILE
    if not path.exists():
        raise BundleError(
            f"{path}: is not there; expected --card with what is known of the graphs, "
            "such as deploy/cards/edge-affect-s.json"
        )
    parsed = parse_json(read_file(path), path.name)
    Fields(parsed, path.name, CARD_KEYS, ("preprocessing",))
    card = parsed if isinstance(parsed, dict) else {}
    if settings.heads == "signals":
        card = _signals_only(card)
    graphs: dict[str, dict[str, object]] = {}
    digests = {}
    for file, content in files.items():
        graph, target, _ = file.split(".")
        graphs.setdefault(graph, {})[target] = entry_of(file, content)
        digests[f"{graph}.{target}"] = hashlib.sha256(content).hexdigest()
    figures = [f for path in settings.figures for f in read_figures(path, digests)]
    return {
        "schema": SCHEMA - 1,  # without golden inputs it is what was read before
        "name": settings.name,
        "version": settings.version,
        "graphs": graphs,
        **{key: card[key] for key in CARD_KEYS},
        "default_target": _default_target(card, graphs),
        # Training reads the same sensing, so what it is now is what they were taught.
        "preprocessing": card.get("preprocessing", asdict(sensed())),
        "figures": figures,
    }


def _default_target(
    card: dict[str, Any], graphs: Mapping[str, Mapping[str, object]]
) -> object:
    """Return the card's default, or where no graph has it the first that all have."""
    wanted = card["default_target"]
    common = [t for t in TARGETS if all(t in made for made in graphs.values())]
    if common and not any(wanted in made for made in graphs.values()):
        return common[0]
    return wanted


def entry_of(file: str, content: bytes) -> dict[str, object]:
    """Return what a manifest says of ``file``."""
    digest = hashlib.sha256(content).hexdigest()
    return {"file": file, "bytes": len(content), "sha256": digest}


def _signals_only(card: dict[str, Any]) -> dict[str, Any]:
    """Return a card without heads that tell of an emotion, and what is said of them."""
    return card | {
        "heads": {k: v for k, v in card["heads"].items() if k not in EMOTION_HEADS},
        "ranges": {k: v for k, v in card["ranges"].items() if k not in EMOTION_HEADS},
        "temperatures": {},
    }


def _check_size(manifest: Mapping[str, object]) -> None:
    size = len(json.dumps(manifest, indent=1, ensure_ascii=False).encode())
    if size >= MAX_JSON_BYTES:
        raise BundleError(
            f"{MANIFEST_FILE}: would be {size} bytes, expected < {MAX_JSON_BYTES}; "
            "give fewer --figures"
        )
