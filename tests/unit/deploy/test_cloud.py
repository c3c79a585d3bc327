"""A bundle for point clouds, packed and shipped."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from deploy.__main__ import main
from deploy.cloud import CloudSettings, pack_cloud
from deploy.ship import ship
from edge_affect.errors import BundleError
from edge_affect.pointcloud.upsampler import Upsampler
from tests.fakes.clouds import midpoint_graph, sphere

CARD = Path("deploy/cards/pu-mfa-edge.json")


@pytest.fixture
def graphs(tmp_path: Path) -> Path:
    """Return a folder with one exported graph."""
    folder = tmp_path / "graphs"
    folder.mkdir()
    (folder / "pointcloud.cpu-fp32.onnx").write_bytes(midpoint_graph())
    return folder


def test_a_packed_bundle_runs_and_ships_under_its_digest(
    graphs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packed twice it has the same bytes; shipped it needs no leave."""
    settings = CloudSettings(graphs, CARD, tmp_path / "out", "1.2.3")
    packed = pack_cloud(settings)
    assert packed.digest == pack_cloud(settings).digest
    assert (packed.manifest.name, packed.manifest.version) == ("pu-mfa-edge", "1.2.3")
    package = tmp_path / "package"
    package.mkdir()
    shipped = ship(tmp_path / "out", package)
    digests = runpy.run_path(str(package / "digests.py"))["DIGESTS"]
    assert digests == {"pu-mfa-edge": packed.digest}
    monkeypatch.setattr("edge_affect.model.verified.DIGESTS", digests)
    assert len(Upsampler(shipped).upsample(sphere(300))) == 1_200


def test_a_folder_without_a_graph_is_refused(tmp_path: Path) -> None:
    """Nothing is written."""
    settings = CloudSettings(tmp_path, CARD, tmp_path / "out", "1.2.3")
    with pytest.raises(BundleError, match=r"got no pointcloud.TARGET.onnx"):
        pack_cloud(settings)
    assert not (tmp_path / "out").exists()


def test_main_packs_a_cloud_bundle(
    graphs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that names it."""
    out = str(tmp_path / "out")
    arguments = ["--graphs", str(graphs), "--out", out, "--version", "0.0.1"]
    assert main(["cloud", *arguments]) == 0
    assert capsys.readouterr().out.startswith("pu-mfa-edge 0.0.1 ")
