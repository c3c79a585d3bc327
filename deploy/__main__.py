"""``python -m deploy``: make bundles of data sets or of graphs, and check them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from deploy.archive import archive
from deploy.card import TEMPERATURES, fill_card
from deploy.chain import SIZES, Order, chain
from deploy.cloud import CloudSettings, pack_cloud
from deploy.pack import PackSettings, pack
from deploy.ship import ship
from deploy.steps import run_steps
from edge_affect.bundles.digests import DIGESTS
from edge_affect.errors import EdgeAffectError
from edge_affect.model.bundle import Bundle, load_bundle

CLOUD_CARD = Path("deploy/cards/pu-mfa-edge.json")
"""What is known of the graph for point clouds."""
CARD = Path("deploy/cards/edge-affect-s.json")
"""What is known of a bundle's heads before it is measured."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    given = _parser().parse_args(arguments)
    try:
        if given.command != "check":
            return _COMMANDS[given.command](given)
        bundle = load_bundle(given.bundle, allow_unsigned=True)
    except EdgeAffectError as error:
        print(f"deploy: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        goes_on = "; the same command goes on" if given.command == "build" else ""
        print(f"deploy: stopped{goes_on}", file=sys.stderr)
        return 130
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
    _add_cloud(commands)
    _add_chain(commands)
    _add_hand_over(commands)
    checks = commands.add_parser("check", help="verify a bundle and describe it")
    checks.add_argument("bundle", type=Path, metavar="DIR")
    return parser


def _add_cloud(commands: Any) -> None:
    cloud = commands.add_parser("cloud", help="make a bundle for point clouds")
    add = cloud.add_argument
    add("--graphs", type=Path, required=True, metavar="DIR", help="exported graphs")
    add(
        "--card",
        type=Path,
        default=CLOUD_CARD,
        metavar="FILE",
        help="what is known of them (default: %(default)s)",
    )
    add("--out", type=Path, required=True, metavar="DIR", help="the bundle to write")
    add("--version", required=True, help="MAJOR.MINOR.PATCH")
    add("--figures", type=Path, nargs="+", default=[], metavar="FILE", help="results")
    add("--ship", action="store_true", help="also put it into edge_affect/bundles")


def _add_hand_over(commands: Any) -> None:
    keys = commands.add_parser("keygen", help="make a key to sign bundles with")
    keys.add_argument(
        "key",
        type=Path,
        metavar="FILE",
        help="the private key to write; the public one is FILE.pub",
    )
    signs = commands.add_parser("sign", help="sign a bundle, for devices with your key")
    signs.add_argument("bundle", type=Path, metavar="DIR")
    signs.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="the private key"
    )
    archives = commands.add_parser(
        "archive", help="put a bundle into one file, for edge-affect update"
    )
    archives.add_argument("bundle", type=Path, metavar="DIR")
    archives.add_argument("out", type=Path, metavar="OUT.zip")


def _add_chain(commands: Any) -> None:
    card = commands.add_parser("card", help="put measured temperatures into a card")
    add = card.add_argument
    add("card", type=Path, metavar="FILE", help="the card")
    add(
        "answers",
        type=_answer,
        nargs="+",
        metavar="GRAPH=FILE",
        help="what `python -m training evaluate GRAPH` printed",
    )
    add("--out", type=Path, required=True, metavar="FILE", help="card to write")
    build = commands.add_parser(
        "build",
        help="train, quantize, pack and measure a bundle; goes on after a kill",
    )
    add = build.add_argument
    add("--data", type=Path, required=True, metavar="ROOT", help="the data sets")
    add(
        "--work",
        type=Path,
        default=Path("runs/bundle"),
        metavar="DIR",
        help="everything that is made on the way (default: %(default)s)",
    )
    add("--size", choices=tuple(SIZES), default="s", help="(default: %(default)s)")
    add("--version", required=True, help="MAJOR.MINOR.PATCH")
    add(
        "--card", type=Path, default=CARD, metavar="FILE", help="(default: %(default)s)"
    )
    add("--list", action="store_true", help="print the steps and end")


def _answer(text: str) -> tuple[str, Path]:
    graph, equals, path = text.partition("=")
    if not equals or graph not in TEMPERATURES:
        raise argparse.ArgumentTypeError(
            f"got {text!r}, expected GRAPH=FILE with one of {', '.join(TEMPERATURES)}"
        )
    return graph, Path(path)


def _card(given: argparse.Namespace) -> int:
    fill_card(given.card, dict(given.answers), given.out)
    return 0


def _build(given: argparse.Namespace) -> int:
    order = Order(given.data, given.work, given.size, given.version, given.card)
    steps = chain(order)
    if given.list:
        for step in steps:
            print(f"{step.name:16} python -m {' '.join(step.arguments)}")
        return 0
    run_steps(steps, order.work, lambda line: print(line, file=sys.stderr, flush=True))
    print(describe(load_bundle(order.bundle, allow_unsigned=True)))
    return 0


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


def _cloud(given: argparse.Namespace) -> int:
    settings = CloudSettings(
        given.graphs,
        given.card,
        given.out,
        given.version,
        figures=tuple(given.figures),
    )
    packed = pack_cloud(settings)
    manifest = packed.manifest
    print(f"{manifest.name} {manifest.version} {packed.digest}")
    if given.ship:
        print(f"shipped in {ship(given.out)}")
    return 0


def _keygen(given: argparse.Namespace) -> int:
    # The other commands need no cryptography.
    from deploy.signing import PUBLIC_SUFFIX, keygen

    print(f"{given.key}, {given.key}{PUBLIC_SUFFIX}: the key {keygen(given.key)}")
    return 0


def _sign(given: argparse.Namespace) -> int:
    from deploy.signing import sign

    print(describe(sign(given.bundle, given.key)))
    return 0


def _archive(given: argparse.Namespace) -> int:
    print(describe(archive(given.bundle, given.out)))
    return 0


_COMMANDS = {
    "pack": _pack,
    "cloud": _cloud,
    "card": _card,
    "build": _build,
    "keygen": _keygen,
    "sign": _sign,
    "archive": _archive,
}


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
