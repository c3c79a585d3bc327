"""What up-sampling costs is told with its size, its number and its target."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("trimesh")
pytest.importorskip("manifold3d")
pytest.importorskip("fpsample")

from benchmarks import pointcloud_cost
from benchmarks.__main__ import main
from benchmarks.records import load_result


def test_main_writes_times_memory_and_the_cost_of_a_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each size has its times, the larger one its cost beside the usual one's."""
    monkeypatch.setattr(pointcloud_cost, "SIZES", (2_048, 3_000))
    monkeypatch.setattr(pointcloud_cost, "ROUNDS", {2_048: 3, 3_000: 1})
    out = tmp_path / "cost.json"
    ours = b"m" * 500_000_000  # this process's memory is not the upsampler's
    assert main(["pointcloud-cost", "--json", str(out), "--threads", "1"]) == 0
    result = load_result(out)
    told = {(r.stage, r.metric): r for r in result.records}
    usual = told["2048 points", "p50_ms"]
    assert usual.n == 3
    assert 0 < usual.value <= told["2048 points", "max_ms"].value
    larger = next(
        r for r in result.records if r.n == 1 and r.metric == "p50_ms"
    )  # as many points as a sample of about 3,000 has
    points = int(str(larger.stage).split()[0])
    ratio = told["cost of a point among 3000 against 2048", "ratio"].value
    by_hand = larger.value / points / (usual.value / 2_048)
    assert ratio == pytest.approx(by_hand)
    memory = [r for r in result.records if r.metric == "bytes"]
    assert 50e6 < memory[0].value < len(ours)
    assert result.run["threads"] == 1
    assert json.loads(out.read_text())["run"]["bundle"]["name"] == "pu-mfa-edge"
