"""``edge-affect inspect`` and ``verify``: what a bundle is, as text or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.model.entries import SIGNATURE_FILE
from edge_affect.model.golden import check_golden
from edge_affect.model.manifest import Manifest
from edge_affect.runners.select import make_runner


def verify(path: Path | None, *, allow_unsigned: bool, key: Path | None) -> Bundle:
    """Check every digest of a bundle, and who vouches for it; return it.

    Raises:
        BundleError: A file is missing or damaged, or the bundle is not trusted.
        UsageError: ``key`` is no key.
    """
    return load_bundle(path, allow_unsigned=allow_unsigned, key=key)


def verified_text(bundle: Bundle) -> str:
    """Return a line that says what was found."""
    files = [entry for graph in bundle.manifest.graphs.values() for entry in graph]
    return (
        f"{bundle.title}: {len(files)} graph files, every digest as the manifest "
        f"says; {_trust(bundle)}"
    )


def golden_text(bundle: Bundle) -> str:
    """Run the golden inputs of a bundle; return a line for each graph.

    Raises:
        BundleError: It has none, or does not compute here what it did before.
        RunnerError: Its graphs do not run here.
    """
    runner, choice = make_runner("auto", bundle)
    try:
        errors = check_golden(bundle, runner, choice.target)
    finally:
        runner.close()
    rows = [(graph, f"{error:.2g}") for graph, error in errors.items()]
    title = f"golden inputs, {choice.target} on {runner.provider}: as they should be"
    return "\n".join([title, *columns(("graph", "largest error"), rows, right=(1,))])


def inspect_values(path: Path | None) -> dict[str, Any]:
    """Return a bundle's card as plain values.

    Raises:
        BundleError: A file is missing or damaged.
    """
    bundle = load_bundle(path, allow_unsigned=True)
    values = _plain(bundle.manifest)
    return {"digest": bundle.digest, "trust": _trust(bundle), **values}


def inspect_text(path: Path | None) -> str:
    """Return a bundle's card for people.

    Raises:
        BundleError: A file is missing or damaged.
    """
    bundle = load_bundle(path, allow_unsigned=True)
    manifest = bundle.manifest
    parts = [
        bundle.title,
        f"  licence  {manifest.licence}",
        f"  digest   {bundle.digest}",
        f"  trust    {_trust(bundle)}",
        f"  timing   {_timing(manifest)}",
        f"  valid    {_validity(manifest)}",
        f"  golden   {_golden(manifest)}",
        "",
        *_heads(manifest),
        "",
        *_graphs(manifest),
        "",
        *_training(manifest),
        "",
        *_figures(manifest),
    ]
    return "\n".join(parts)


def _trust(bundle: Bundle) -> str:
    if bundle.trust is not None:
        return bundle.trust
    if SIGNATURE_FILE in bundle.files:
        return "signed; whether by somebody you trust is checked with --key FILE"
    return "not shipped with this edge_affect: to run it takes --allow-unsigned"


def _timing(manifest: Manifest) -> str:
    timing = manifest.timing
    hertz = timing.cell_hz[0] / timing.cell_hz[1]
    return (
        f"{hertz:g} cells per second; voice hop {timing.voice_hop_ms} ms, used "
        f"{timing.voice_lag_ms} ms late; ahead by {timing.ahead_ms} ms"
    )


def _validity(manifest: Manifest) -> str:
    validity = manifest.validity
    return (
        f"head turned up to {validity.yaw_deg:g} and tilted up to "
        f"{validity.pitch_deg:g} degrees; {', '.join(validity.spectra)} light"
    )


def _golden(manifest: Manifest) -> str:
    if manifest.golden is None:
        return "none: edge-affect update does not take it"
    shares = manifest.golden.tolerances.items()
    return ", ".join(f"{target} within {share:g}" for target, share in shares)


def _heads(manifest: Manifest) -> list[str]:
    lines = ["heads"]
    for name, head in manifest.heads.items():
        lines.append(f"  {name:<14} taught by {head.taught_by}")
        if head.labels:
            lines.append(f"  {'':<14} {', '.join(head.labels)}")
    return lines


def _graphs(manifest: Manifest) -> list[str]:
    rows = [
        (name, target, f"{entry.size_bytes:,}", entry.sha256[:16], entry.file)
        for name, targets in manifest.graphs.items()
        for target, entry in targets.items()
    ]
    names = ("graph", "target", "bytes", "SHA-256", "file")
    title = f"graphs (default target {manifest.default_target})"
    return [title, *columns(names, rows, right=(2,))]


def _training(manifest: Manifest) -> list[str]:
    rows = [
        (item.set, item.part, item.licence, item.held_out or "nothing")
        for item in manifest.training
    ]
    return ["trained on", *columns(("set", "part", "licence", "held out"), rows)]


def _figures(manifest: Manifest) -> list[str]:
    names = ("head", "metric", "value", "95 %", "n", "set", "split", "target", "stage")
    rows = [
        (
            item.head,
            item.metric,
            _short(item.value),
            "" if item.low is None else f"{_short(item.low)} to {_short(item.high)}",
            f"{item.n:,}",
            item.set,
            item.split,
            item.target,
            item.stage or "",
        )
        for item in manifest.figures
    ]
    return ["figures", *columns(names, rows, right=(2, 4))]


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def columns(
    names: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()
) -> list[str]:
    """Return a table as lines, each column as wide as its widest entry.

    Args:
        names: Heads of the columns; a column without any entry is left out.
        rows: Entries, as many in each row.
        right: Places of the columns that are set flush right.
    """
    table = [tuple(names), *map(tuple, rows)]
    if len(table) == 1:
        return ["  none"]
    used = [i for i in range(len(names)) if any(row[i] for row in table[1:])]
    widths = {i: max(len(row[i]) for row in table) for i in used}
    return [
        "  "
        + "  ".join(
            f"{row[i]:>{widths[i]}}" if i in right else f"{row[i]:<{widths[i]}}"
            for i in used
        ).rstrip()
        for row in table
    ]


def _plain(value: Any) -> Any:
    """Return dataclasses and mappings as dictionaries, all the way down."""
    if hasattr(value, "__dataclass_fields__"):
        return {key: _plain(getattr(value, key)) for key in value.__dataclass_fields__}
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    if hasattr(value, "items"):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value]
