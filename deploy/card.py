"""Put measured temperatures into a card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from deploy.files import read_file, write_text
from edge_affect.errors import BundleError
from edge_affect.model.fields import parse_json

TEMPERATURES = {
    "face": "expression_temperature",
    "affect": "still_expression_temperature",
}
"""Graph → the figure of ``training evaluate`` that its logits are divided by."""
_DIGITS = 4


def fill_card(card: Path, answers: Mapping[str, Path], out: Path) -> None:
    """Write a card with the temperatures that ``training evaluate`` printed.

    Args:
        card: What else is known of the graphs.
        answers: Graph → file with what was printed.
        out: Card to write.

    Raises:
        BundleError: A file cannot be read, holds no such figure, or cannot be written.
    """
    filled = parse_json(read_file(card), card.name)
    if not isinstance(filled, dict):
        raise BundleError(f"{card}: expected a card, see deploy/cards")
    temperatures = {}
    for graph, path in answers.items():
        figures = parse_json(read_file(path), path.name)
        name = TEMPERATURES.get(graph)
        value = figures.get(name) if isinstance(figures, dict) and name else None
        if not isinstance(value, float):
            raise BundleError(
                f"{path}: got no {name}, expected what `python -m training evaluate "
                f"{graph}` prints"
            )
        temperatures[graph] = round(value, _DIGITS)
    filled = {**filled, "temperatures": temperatures}
    write_text(out, json.dumps(filled, indent=1, ensure_ascii=False) + "\n")
