"""The chain from data sets to a bundle names commands that there are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.arguments import build_parser as benchmarks_parser
from deploy.__main__ import CARD, _parser, main
from deploy.card import fill_card
from deploy.chain import GRAPHS, SIZES, Order, chain
from edge_affect.errors import BundleError
from quantize.cli import build_parser as quantize_parser
from training.arguments import build_parser as training_parser

PARSERS = {
    "training": training_parser,
    "quantize": quantize_parser,
    "deploy": _parser,
    "benchmarks": benchmarks_parser,
}


@pytest.mark.parametrize("size", SIZES)
def test_every_step_is_a_command_that_exists(size: str) -> None:
    """Arguments parse; a step comes after all whose files it reads."""
    order = Order(Path("ROOT"), Path("work"), size, "0.3.0", CARD)
    seen: set[str] = set()
    for step in chain(order):
        module, *arguments = step.arguments
        PARSERS[module]().parse_args(arguments)
        assert set(step.after) <= seen, step.name
        assert step.name not in seen
        seen.add(step.name)
    assert {f"int8-{graph}" for graph in GRAPHS} <= seen


def test_list_prints_the_steps_and_runs_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What would run can be read before hours of it begin."""
    work = str(tmp_path / "work")
    command = ["build", "--data", "ROOT", "--work", work, "--version", "1.0.0"]
    assert main([*command, "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == "locator"
    assert not (tmp_path / "work").exists()


def test_a_missing_data_root_ends_the_chain_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first step that needs it says so; the log's place is named."""
    given = ["--data", str(tmp_path / "none"), "--work", str(tmp_path / "work")]
    assert main(["build", *given, "--version", "1.0.0"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("deploy: locator: ended with 1")
    assert "the same command goes on from here" in error


def test_a_card_receives_the_temperatures_that_were_measured(tmp_path: Path) -> None:
    """Rounded, each from its own answer; the rest of the card stays."""
    answers = {"face": tmp_path / "face.json", "affect": tmp_path / "affect.json"}
    answers["face"].write_text('{"expression_temperature": 0.74462}')
    answers["affect"].write_text('{"still_expression_temperature": 0.68}')
    card, out = tmp_path / "card.json", tmp_path / "out.json"
    card.write_text('{"licence": "x", "temperatures": {"face": 3.0}}')
    fill_card(card, answers, out)
    filled = json.loads(out.read_text())
    expected = {"face": 0.7446, "affect": 0.68}
    assert filled == {"licence": "x", "temperatures": expected}
    answers["face"].write_text("{}")
    with pytest.raises(BundleError, match="got no expression_temperature"):
        fill_card(card, answers, out)
