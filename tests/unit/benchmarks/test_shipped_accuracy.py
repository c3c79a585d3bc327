from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.records import load_result

PICTURES = 400
FLOORS = {"ferplus": 0.77, "diffusionfer": 0.60}
"""Lowest accuracy of expression that the shipped bundle may have, by set."""


@pytest.mark.slow
def test_the_shipped_bundle_keeps_its_accuracy(data_root: Path, tmp_path: Path) -> None:
    """The command that users run finds the shipped bundle above its floors."""
    out = tmp_path / "accuracy.json"
    taken = ["--limit", str(PICTURES), "--sets", *FLOORS]  # all of it takes minutes
    command = ["accuracy", "--data", str(data_root), "--json", str(out), *taken]
    assert main(command) == 0
    values = {
        record.set: record.value
        for record in load_result(out).records
        if (record.split, record.head) == ("valid", "expression")
        and record.metric == "accuracy"
        and (record.stage, record.against) == ("face", None)
        and record.target is not None  # a peer has none
    }
    measured = {name: values[name] for name in FLOORS if name in values}
    assert measured, "the data root holds neither FER+ nor DiffusionFER"
    for name, value in measured.items():
        assert value >= FLOORS[name], name
