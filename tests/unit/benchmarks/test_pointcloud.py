"""Up-sampled clouds against surfaces that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from benchmarks.pointcloud import (
    FOLDER,
    JUDGED,
    MIDPOINTS,
    SUBSET,
    load_shapes,
    measure_pointcloud,
)
from benchmarks.pointcloud_changes import measure_changes
from benchmarks.progress import Progress
from benchmarks.records import Record
from edge_affect.commands.terminal import Terminal
from edge_affect.errors import DataError
from edge_affect.pointcloud.files import write_cloud
from edge_affect.pointcloud.upsampler import Upsampler
from tests.fakes.clouds import cloud_bundle
from training.pointcloud.patches import sampled


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data root with two shapes, one of which has a mesh."""
    made = tmp_path_factory.mktemp("root")
    folder = made / FOLDER
    for name in ("gt_8192", "input_2048", "mesh"):
        (folder / name).mkdir(parents=True)
    ball = trimesh.creation.icosphere(3)
    ball.vertices *= [1.0, 0.8, 0.6]
    for name in ("ball", "cloud"):
        truth = sampled(ball, 2_000, 5)
        write_cloud(folder / "gt_8192" / f"{name}.xyz", truth)
        write_cloud(folder / "input_2048" / f"{name}.xyz", truth[:500])
    ball.export(folder / "mesh" / "ball.off")
    return made


@pytest.fixture(scope="module")
def records(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Return what is measured of a network that gives mid-points."""
    import io

    folder = cloud_bundle(tmp_path_factory.mktemp("bundle") / "b")
    upsampler = Upsampler(folder, allow_unsigned=True)
    return measure_pointcloud(root, upsampler, Progress(Terminal(io.StringIO())))[1]


def one(records: list[Record], **wanted: object) -> Record:
    """Return the one record that fits."""
    [found] = [r for r in records if all(getattr(r, k) == v for k, v in wanted.items())]
    return found


def test_judged_shapes_are_sampled_anew_and_the_same_every_time(root: Path) -> None:
    """No point that goes in is a point of the truth; the other row says so."""
    judged, subset = load_shapes(root)
    assert [shape.name for shape in judged] == ["ball"]
    assert [shape.name for shape in subset] == ["ball", "cloud"]
    assert judged[0].sparse.shape == (2_048, 3)
    inside = {tuple(p) for p in judged[0].truth.round(6)}
    assert not inside & {tuple(p) for p in judged[0].sparse.round(6)}
    np.testing.assert_array_equal(judged[0].sparse, load_shapes(root)[0][0].sparse)


def test_every_row_stands_beside_the_midpoints(records: list[Record]) -> None:
    """Means with intervals, each shape, paired differences, and the floor."""
    ours = "ours-midpoints"
    for split in ("4x", "16x", "4x noise 0.005", "4x noise 0.01", "4x noise 0.02"):
        for metric in ("chamfer", "p2f"):
            mean = one(
                records,
                set=JUDGED,
                split=split,
                model=ours,
                metric=metric,
                against=None,
            )
            base = one(records, set=JUDGED, split=split, model=MIDPOINTS, metric=metric)
            apart = one(
                records, set=JUDGED, split=split, metric=metric, against=MIDPOINTS
            )
            assert apart.value == pytest.approx(mean.value - base.value)
            assert mean.target == "cpu-fp32"
            assert base.target is None
    assert one(records, set=JUDGED, split="4x/ball", model=ours, metric="p2f").value > 0
    known = one(records, set=SUBSET, split="4x", model=ours, metric="p2f", against=None)
    assert known.n == 1  # of two shapes one has a surface
    floor = one(records, split="floor", metric="chamfer")
    assert (
        0
        < floor.value
        < one(
            records,
            set=JUDGED,
            split="4x noise 0.02",
            model=MIDPOINTS,
            metric="chamfer",
        ).value
    )


def test_a_root_without_the_set_is_told(tmp_path: Path) -> None:
    """With what was looked for."""
    with pytest.raises(DataError, match="gt_8192"):
        load_shapes(tmp_path)


def test_other_direction_scale_and_order_hardly_change_what_comes_out(
    records: list[Record],
) -> None:
    """The worst of 20 turns, two scales and three orders, as a share of the error."""
    for kind, n in (("direction", 20), ("scale", 2), ("order", 3)):
        row = one(records, set=JUDGED, split=f"4x, other {kind}", metric="ratio")
        assert row.n == n
        assert 0 <= row.value < 0.05


def test_a_network_that_knows_directions_is_told(root: Path) -> None:
    """One that moves points along an axis does not turn with the cloud."""

    class Leaning:
        def upsample(self, cloud: np.ndarray) -> np.ndarray:
            return np.vstack([cloud, cloud + np.array([0.3, 0, 0])])

    judged = load_shapes(root)[0]
    pairs = [(shape.sparse, shape.truth) for shape in judged]
    told = {r.split: r.value for r in measure_changes(Leaning(), pairs)}  # type: ignore[arg-type]
    assert told["4x, other direction"] > 0.05
    assert told["4x, other order"] == pytest.approx(0, abs=1e-9)
