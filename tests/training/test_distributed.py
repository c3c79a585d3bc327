"""Several processes give what one gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from training.engine import distributed
from training.engine.checkpoint import load_checkpoint

pytestmark = pytest.mark.torch
ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("distributed_worker.py")
# Sums over two halves of a batch round otherwise than one over all of it.
TOLERANCE = 1e-4


def _run(folder: Path, *launcher: str) -> list[float]:
    command = [
        sys.executable,
        *launcher,
        str(WORKER),
        str(folder),
        str(folder) + ".json",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, cwd=ROOT, timeout=240)
    losses: list[float] = json.loads(Path(str(folder) + ".json").read_text())
    return losses


@pytest.mark.slow
def test_two_gloo_processes_lose_what_one_loses(tmp_path: Path) -> None:
    """Same losses at every step, same weights, one writer."""
    one = _run(tmp_path / "one")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    two = _run(tmp_path / "two", *torchrun)
    assert len(one) > 10
    assert two == pytest.approx(one, abs=TOLERANCE)
    weights = [
        load_checkpoint(tmp_path / name / "last.safetensors", "linear").model
        for name in ("one", "two")
    ]
    for name, value in weights[0].items():
        assert torch.allclose(value, weights[1][name], atol=TOLERANCE), name


def test_alone_nothing_is_shared() -> None:
    """Without torchrun a batch stays whole and a network is not wrapped."""
    distributed.start()
    rows = torch.arange(5)
    net = torch.nn.Linear(1, 1)
    assert distributed.share(rows).tolist() == rows.tolist()
    assert distributed.gathered(rows) is rows
    assert distributed.shared_out(net) is net
    assert (distributed.rank(), distributed.world_size()) == (0, 1)
