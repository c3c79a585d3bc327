"""``edge-affect upsample`` from file to file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_affect.cli import main
from edge_affect.pointcloud.files import read_cloud, write_cloud
from tests.fakes.clouds import cloud_bundle, sphere

pytest.importorskip("fpsample")
pytest.importorskip("onnx")
pytest.importorskip("scipy")


@pytest.fixture
def bundle(tmp_path: Path) -> list[str]:
    """Return the options that name a bundle of mid-points."""
    return ["--bundle", str(cloud_bundle(tmp_path / "bundle")), "--allow-unsigned"]


def test_upsample_writes_the_dense_cloud_and_a_picture_of_both(
    tmp_path: Path, bundle: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Any ending to any other; one line says what was made."""
    sparse, dense, plot = (tmp_path / n for n in ("in.xyz", "out.ply", "both.png"))
    write_cloud(sparse, sphere(400))
    arguments = [str(sparse), "--out", str(dense), "--plot", str(plot), *bundle]
    assert main(["upsample", *arguments]) == 0
    assert read_cloud(dense).shape == (1_600, 3)
    picture = cv2.imread(str(plot))
    assert picture is not None
    left, right = np.hsplit(picture, 2)
    assert 0 < (left < 200).sum() < (right < 200).sum()
    assert capsys.readouterr().err == f"{dense}: 1600 points of 400\n"


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("in.npy", "would be written over"),
        ("out.obj", "expected one of .ply"),
        ("absent/out.ply", "there is no directory"),
    ],
)
def test_upsample_refuses_before_the_work(
    tmp_path: Path,
    bundle: list[str],
    capsys: pytest.CaptureFixture[str],
    out: str,
    told: str,
) -> None:
    """The cloud that is read stays; nothing is left half written."""
    sparse = tmp_path / "in.npy"
    write_cloud(sparse, sphere(300))
    before = sparse.read_bytes()
    target = str(tmp_path / out)
    assert main(["upsample", str(sparse), "--out", target, *bundle]) in (1, 2)
    assert told in capsys.readouterr().err
    assert sparse.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle", "in.npy"]


def test_upsample_tells_a_cloud_that_is_too_small(
    tmp_path: Path, bundle: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with the file's name, and an exit code that a script sees."""
    sparse = tmp_path / "in.ply"
    write_cloud(sparse, sphere(100))
    arguments = [str(sparse), "--out", str(tmp_path / "out.ply")]
    assert main(["upsample", *arguments, *bundle]) == 1
    told = f"{sparse}: got 100 different points, expected 256 at least"
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out.ply").exists()
