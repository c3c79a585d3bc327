"""PU-MFA's recipe: losses by hand, selection, a run that learns and goes on exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("trimesh")
pytest.importorskip("point_cloud_utils")
pytest.importorskip("fpsample")
pytest.importorskip("h5py")

import torch
import trimesh
from safetensors.torch import load_file
from scipy.spatial import cKDTree

from edge_affect.errors import DataError
from edge_affect.pointcloud.thinning import thinned
from training.engine.checkpoint import condense, load_checkpoint, save_checkpoint
from training.engine.loop import run
from training.inputs import Inputs
from training.models.load import load_pu_mfa_net
from training.models.pu_mfa import RATIO, PuMfaConfig, PuMfaNet
from training.pointcloud.losses import PointLoss
from training.pointcloud.patches import PatchPlan, patches_of, poisson_disk
from training.pointcloud.selection import (
    SHAPES,
    Cloud,
    figures_of,
    load_clouds,
    upsampled,
)
from training.recipes import pu_mfa
from training.recipes.pu_mfa import PuMfaTrainer, PuMfaTraining, prepared

pytestmark = pytest.mark.torch

TINY = PuMfaTraining(
    epochs=2,
    steps=3,
    batch=4,
    average=0.5,
    plan=PatchPlan(shapes=1, patches=6, clouds=(300,)),
    net=PuMfaConfig(width=8, vectors=2, neighbours=6),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data root with one cloud to select by, of a ball."""
    made = tmp_path_factory.mktemp("root")
    ball = trimesh.creation.icosphere(subdivisions=3)
    sample = poisson_disk(ball, 1500, 0)
    (made / SHAPES).mkdir(parents=True)
    rows = np.hstack([3 + 2 * sample.points, sample.normals]).astype(np.float32)
    np.save(made / SHAPES / "ball.npy", rows)
    return made


@pytest.fixture(scope="module")
def clouds(root: Path) -> list[Cloud]:
    """Return the cloud to select by."""
    return load_clouds(root)


@pytest.fixture(scope="module")
def patches() -> np.ndarray:
    """Return patches of a ball."""
    return patches_of(trimesh.creation.icosphere(subdivisions=3), 0, TINY.plan)


def test_chamfer_loss_by_hand() -> None:
    """Both directions' mean squared distances, in thousandths."""
    made = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [9, 0, 0], [9, 1, 0], [9, 2, 0]]])
    truth = torch.tensor([[[0.0, 0, 0.1], [1, 0, 0], [9, 1, 0]]])
    loss = PointLoss(repulsion=0, surface=0)(made, truth, torch.zeros(1, 3, 3))
    assert float(loss) == pytest.approx(1e3 * ((0.01 + 1 + 1) / 5 + 0.01 / 3), rel=1e-5)


def test_emd_loss_gives_every_point_its_own() -> None:
    """Two points at one place are charged for the place that they leave empty."""
    made = torch.zeros(1, 5, 3)
    truth = torch.zeros(1, 5, 3)
    truth[0, 4, 0] = 0.5
    loss = PointLoss("emd", repulsion=0, surface=0)(made, truth, torch.zeros(1, 5, 3))
    assert float(loss) == pytest.approx(1e3 * 0.25 / 5)


def test_surface_loss_counts_what_is_across_alone() -> None:
    """Along the surface a point may go where it likes."""
    made = torch.tensor([[[0.3, 0, 0.1]] * 5])
    truth = torch.zeros(1, 5, 3)
    normals = torch.tensor([[[0.0, 0, 1]] * 5])
    both = [PointLoss(repulsion=0, surface=s)(made, truth, normals) for s in (0, 1)]
    assert float(both[1] - both[0]) == pytest.approx(100, rel=1e-4)


def test_repulsion_is_for_crowds_alone() -> None:
    """An even sample is left alone; points pushed together are not."""
    side = np.linspace(-0.9, 0.9, 32)
    grid = np.stack(np.meshgrid(side, side, [0.0]), axis=-1).reshape(1, -1, 3)
    even = torch.from_numpy(grid).float()
    normals = torch.zeros_like(even)
    one, other = PointLoss(repulsion=0, surface=0), PointLoss(repulsion=1, surface=0)
    assert float(other(even, even, normals) - one(even, even, normals)) == 0
    crowd = even.clone()
    crowd[0, 1::2] = even[0, ::2] + 1e-3
    assert float(other(crowd, even, normals)) > float(one(crowd, even, normals))


def test_prepared_patches_are_normalised_together(patches: np.ndarray) -> None:
    """Centroid 0, farthest point 1; the target goes along; noise is repeatable."""
    draws = [np.random.default_rng(1) for _ in range(2)]
    sparse, dense, normals = prepared(patches, 0.01, draws[0])
    assert sparse.mean(dim=1).abs().max() < 1e-6
    assert torch.allclose(sparse.norm(dim=2).amax(dim=1), torch.ones(len(patches)))
    assert 0.9 < float(dense.norm(dim=2).amax()) < 1.3
    assert torch.allclose(normals.norm(dim=2), torch.ones(()), atol=2e-3)
    assert torch.equal(prepared(patches, 0.01, draws[1])[0], sparse)
    clean = prepared(patches, 0.0, np.random.default_rng(1))[0]
    assert not torch.equal(clean, sparse)


def test_selection_clouds_are_split_without_overlap(clouds: list[Cloud]) -> None:
    """A fifth goes in, no point of which is in the truth; both are normalised."""
    (cloud,) = clouds
    assert len(cloud.truth) >= RATIO * len(cloud.sparse)
    both = np.vstack([cloud.sparse, cloud.truth])
    assert len(np.unique(both, axis=0)) == len(cloud.surface) == len(both)
    assert np.linalg.norm(both, axis=1).max() == pytest.approx(1)


@pytest.mark.parametrize("rows", [None, np.zeros((5, 3)), np.full((5, 6), np.nan)])
def test_unusable_selection_clouds_are_named(
    tmp_path: Path, rows: np.ndarray | None
) -> None:
    """No cloud, one without normals and one with NaN are refused."""
    (tmp_path / SHAPES).mkdir(parents=True)
    if rows is not None:
        np.save(tmp_path / SHAPES / "shape.npy", rows)
    with pytest.raises(DataError, match="punet_shapes"):
        load_clouds(tmp_path)


def test_upsampled_cloud_covers_the_shape(clouds: list[Cloud]) -> None:
    """Four times the points come back, near the ball, and no hole is left."""
    torch.manual_seed(0)
    made = upsampled(PuMfaNet(TINY.net).eval(), clouds[0].sparse)
    sparse = clouds[0].sparse
    assert made.shape == (RATIO * len(sparse), 3)
    # Untrained, what comes out are points and mid-points, and thinning takes some.
    stayed = cKDTree(made).query(sparse)[0] < 1e-6
    assert stayed.mean() > 0.5
    assert len(np.unique(made.round(6), axis=0)) > 0.9 * len(made)
    figures = figures_of(PuMfaNet(TINY.net).eval(), clouds)
    assert 0 < figures["cd"] < 20
    assert 0 < figures["p2f"] < 20


def test_upsampled_cloud_turns_with_the_cloud(clouds: list[Cloud]) -> None:
    """A turned and mixed cloud gives the same points, turned; nothing is drawn."""
    torch.manual_seed(0)
    net = PuMfaNet(TINY.net).eval()
    torch.nn.init.normal_(net.stencil.weight)
    random = np.random.default_rng(0)
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    sparse = clouds[0].sparse
    mixed = sparse[random.permutation(len(sparse))]
    expected = upsampled(net, sparse) @ turn
    apart = cKDTree(expected).query(upsampled(net, mixed @ turn))[0]
    # Two patches may change places where a point lies as far inside either of them.
    assert np.quantile(apart, 0.98) < 1e-4


def test_thinned_begins_where_geometry_says() -> None:
    """The order of the points changes the rows, not the places."""
    points = np.random.default_rng(0).normal(size=(300, 3))
    order = np.random.default_rng(1).permutation(300)
    kept, mixed = points[thinned(points, 40)], points[order]
    np.testing.assert_array_equal(mixed[thinned(mixed, 40)], kept)


def test_a_run_learns(patches: np.ndarray, clouds: list[Cloud]) -> None:
    """A few steps take the loss of the patches below that of the start."""
    loss = PointLoss(repulsion=0, surface=0)
    config = replace(TINY, epochs=1, steps=40, batch=6, noise=0.0, loss=loss)
    trainer = PuMfaTrainer(config, patches, clouds)
    losses: list[float] = []
    update = trainer._update

    def noted(loss: torch.Tensor, rate: float, epoch: int) -> None:
        losses.append(loss.detach().item())
        update(loss, rate, epoch)

    trainer._update = noted  # type: ignore[method-assign]  # to look over its shoulder
    trainer.train_epoch(0)
    # The patches are the same six in every step, and so is the first loss.
    assert np.mean(losses[-5:]) < 0.95 * losses[0]


def test_rate_ends_at_its_lowest(patches: np.ndarray, clouds: list[Cloud]) -> None:
    """The cosine begins at the highest rate and ends at a hundredth of it."""
    trainer = PuMfaTrainer(TINY, patches, clouds)
    assert trainer.rate(0) == pytest.approx(TINY.learning_rate)
    assert trainer.rate(6) == pytest.approx(0.01 * TINY.learning_rate)


def test_too_few_patches_are_refused(patches: np.ndarray, clouds: list[Cloud]) -> None:
    """A batch that cannot be filled is told before anything is trained."""
    with pytest.raises(DataError, match="set batch lower"):
        PuMfaTrainer(TINY, patches[:3], clouds)


def test_a_killed_run_goes_on_to_the_same_weights(
    patches: np.ndarray,
    clouds: list[Cloud],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed after an epoch and run again equals never killed, to the bit."""
    run(PuMfaTrainer(TINY, patches, clouds), tmp_path / "unbroken")
    whole = PuMfaTrainer.train_epoch

    def killed(trainer: PuMfaTrainer, epoch: int) -> float:
        if epoch == 1:
            raise KeyboardInterrupt
        return whole(trainer, epoch)

    monkeypatch.setattr(PuMfaTrainer, "train_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        run(PuMfaTrainer(TINY, patches, clouds), tmp_path / "killed")
    monkeypatch.undo()
    run(PuMfaTrainer(TINY, patches, clouds), tmp_path / "killed")
    names = ("unbroken", "killed")
    one, other = (load_file(tmp_path / n / "last.safetensors") for n in names)
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_recipe_trains_and_evaluates_from_its_cache(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command's way: patches made into the cache, a checkpoint, its figures."""
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 99.0, 99.0))
    inputs = Inputs(root, tmp_path / "cache")
    best = pu_mfa.train(replace(TINY, epochs=1), inputs, tmp_path / "run")
    figures = pu_mfa.evaluate(best, inputs)
    assert figures.keys() == {"cd", "p2f", "start_cd", "start_p2f"}
    assert np.isfinite(list(figures.values())).all()
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".npy"]
    halves = tmp_path / "condensed.safetensors"
    save_checkpoint(halves, condense(load_checkpoint(best, "pu_mfa")))
    assert load_pu_mfa_net(halves).config == TINY.net
