"""``python -m deploy``: pack exported graphs into a bundle, or check one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deploy.pack import PackSettings, pack
from deploy.ship import ship
from edge_affect.bundles.digests import DIGESTS
from edge_affect.errors import EdgeAffectError
from edge_affect.model.bundle import Bundle, load_bundle


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    given = _parser().parse_args(arguments)
    try:
        if given.command == "pack":
            return _pack(given)
        bundle = load_bundle(given.bundle, allow_unsigned=True)
    except EdgeAffectError as error:
        print(f"deploy: {error}", file=sys.stderr)
        return error.exit_code
    print(describe(bundle))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    packs = commands.add_parser("pack", help="make a bundle of exported graphs")
    add = packs.add_argument
    add(
        "--graphs",
        type=Path,
        required=True,
        metavar="DIR",
        help="GRAPH.TARGET.onnx files",
    )
    add(
        "--card",
        type=Path,
        metavar="FILE",
        help="what is known of the graphs (default: card.json beside them)",
    )
    add("--out", type=Path, required=True, metavar="DIR", help="the bundle to write")
    add("--name", required=True, help="name of the bundle")
    add("--version", required=True, help="MAJOR.MINOR.PATCH")
    add(
        "--figures",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="benchmark results that were measured on these graphs",
    )
    add(
        "--heads",
        choices=("all", "signals"),
        default="all",
        help="signals: the card's heads without emotions, for graphs exported so",
    )
    add("--ship", action="store_true", help="also put it into edge_affect/bundles")
    checks = commands.add_parser("check", help="verify a bundle and describe it")
    checks.add_argument("bundle", type=Path, metavar="DIR")
    return parser


def _pack(given: argparse.Namespace) -> int:
    bundle = pack(
        PackSettings(
            given.graphs,
            given.out,
            given.name,
            given.version,
            given.card,
            tuple(given.figures),
            given.heads,
        )
    )
    print(describe(bundle))
    if given.ship:
        print(f"shipped in {ship(given.out)}")
    return 0


def describe(bundle: Bundle) -> str:
    """Say what a bundle holds, for people."""
    manifest = bundle.manifest
    shipped = "shipped" if bundle.digest in DIGESTS.values() else "not shipped"
    lines = [f"{manifest.name} {manifest.version} {bundle.digest} ({shipped})"]
    for graph, targets in manifest.graphs.items():
        for target, entry in targets.items():
            lines.append(f"  {graph:8} {target:9} {entry.size_bytes:>10} bytes")
    lines.append(f"  heads    {', '.join(manifest.heads)}")
    lines.append(f"  figures  {len(manifest.figures)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
