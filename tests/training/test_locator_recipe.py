"""The locator's recipe: scenes, their maps, losses, figures, a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from edge_affect.sensing.align import TEMPLATE, box_from_points
from edge_affect.sensing.faces import FaceMaps, read_faces
from edge_affect.types import Face
from training.engine.checkpoint import load_checkpoint
from training.engine.loop import run
from training.models.load import load_locator_net
from training.models.locator import LocatorConfig, LocatorNet, LocatorOutput
from training.recipes.locator.trainer import (
    LocatorTrainer,
    LocatorTraining,
    locator_loss,
)
from training.scenes.backdrops import paint_cabins, shuffled
from training.scenes.draw import Scene, SceneConfig, SceneMaker, maps_of
from training.scenes.faces import SIDE_PX, Faces
from training.scenes.matches import match_faces, recall_at

pytestmark = pytest.mark.torch

SCENES = SceneConfig(size=(128, 96), least_px=16, most_px=60)
TINY = LocatorTraining(
    epochs=1,
    steps=2,
    batch=2,
    selected=6,
    scenes=SCENES,
    net=LocatorConfig(widths=(2, 2, 4, 4, 4), blocks=(0, 0, 0, 0, 0), head=4),
)


def drawn_faces(count: int = 4) -> Faces:
    """Return pictures with the template's points marked, each at its own scale."""
    pictures = np.full((count, SIDE_PX, SIDE_PX), 120, np.uint8)
    points = np.stack(
        [np.array(TEMPLATE) * (1 + 0.1 * n) + 20 for n in range(count)]
    ).astype(np.float32)
    for picture, marks in zip(pictures, points, strict=True):
        for x, y in marks.astype(int):
            picture[y - 3 : y + 3, x - 3 : x + 3] = 0
    sizes = np.full((count, 2), 200, np.int64)
    return Faces(pictures, sizes, points)


@pytest.fixture(scope="module")
def maker() -> SceneMaker:
    """Return a maker of small scenes."""
    return SceneMaker(SCENES, drawn_faces(), paint_cabins(0, 2))


def test_scenes_are_the_same_for_a_seed_and_hold_their_faces(
    maker: SceneMaker,
) -> None:
    """Faces lie inside, as wide as asked for, the left eye on the left."""
    counts = []
    for seed in range(30):
        scene = maker.draw(np.random.default_rng(seed))
        again = maker.draw(np.random.default_rng(seed))
        assert np.array_equal(scene.luma, again.luma)
        assert np.array_equal(scene.points, again.points)
        assert scene.luma.shape == (96, 128)
        counts.append(len(scene.points))
        for points in scene.points:
            left, top, width, height = box_from_points(points)
            assert 0.7 * 16 < width < 1.05 * 60
            assert 0 < left + width / 2 < 128
            assert 0 < top + height / 2 < 96
            assert points[0, 0] < points[1, 0]
    assert {0, 1} <= set(counts)


def test_maps_lead_back_to_the_faces(maker: SceneMaker) -> None:
    """What a network is taught is what the runtime reads."""
    scene = next(
        scene
        for scene in (maker.draw(np.random.default_rng(seed)) for seed in range(40))
        if len(scene.points) == 2
    )
    heat, values = maps_of(scene)
    assert (heat == 1).sum() == 2
    score = np.where(heat == 1, 5.0, -9.0)[None].astype(np.float32)
    faces = read_faces(FaceMaps(score, values[1:2], values[2:]), 0.5)
    found = sorted((np.asarray(face.points) for face in faces), key=lambda p: p[2, 0])
    truth = sorted(scene.points, key=lambda p: p[2, 0])
    assert np.stack(found) == pytest.approx(np.stack(truth), abs=0.01)


def test_locator_loss_by_hand() -> None:
    """One face, two cells: focal terms and the weighed distance as defined."""
    heat = torch.tensor([[[1.0, 0.5]]])
    values = torch.zeros(1, 12, 1, 2)
    values[0, 0, 0] = torch.tensor([1.0, 0.5])
    output = LocatorOutput(
        torch.zeros(1, 1, 1, 2), torch.full((1, 1, 1, 2), 1.0), torch.zeros(1, 10, 1, 2)
    )
    half = float(np.log(2))
    focal = 0.25 * half + 0.5**4 * 0.25 * half
    # |1| - beta / 2 in one of eleven values, in cells that count 1.5 together.
    distance = (1 - 0.005) / 11
    expected = focal + 2 * 10 * distance
    loss = locator_loss(output, heat, values, points_weight=2.0)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_locator_loss_counts_nothing_where_no_face_is() -> None:
    """Width and points of an empty scene are free."""
    output = LocatorOutput(
        torch.full((1, 1, 2, 2), -20.0), torch.ones(1, 1, 2, 2), torch.ones(1, 10, 2, 2)
    )
    loss = locator_loss(output, torch.zeros(1, 2, 2), torch.zeros(1, 12, 2, 2), 2.0)
    assert float(loss) == pytest.approx(0, abs=1e-6)


def test_figures_by_hand() -> None:
    """A hit, a miss and a false face; the threshold keeps the false ones out."""
    truth = np.stack([np.array(TEMPLATE), np.array(TEMPLATE) + 300]).astype(np.float32)
    eyes = float(truth[0, 1, 0] - truth[0, 0, 0])
    near = truth[0] + np.array([0.1 * eyes, 0], np.float32)
    far = truth[0] + 900
    found = [
        Face(box_from_points(near), 0.9, near),
        Face(box_from_points(far), 0.8, far),
        Face(box_from_points(truth[1]), 0.7, truth[1]),
    ]
    match = match_faces(found, truth)
    assert match.hits.tolist() == [0.9, 0.7]
    assert match.errors.tolist() == pytest.approx([0.1, 0.0], abs=1e-4)
    assert match.false.tolist() == [0.8]
    strict = recall_at([match], 0.0)
    assert (strict.recall, strict.false_faces) == (0.5, 0.0)
    assert strict.point_error == pytest.approx(0.1, abs=1e-4)
    loose = recall_at([match], 1.0)
    assert (loose.recall, loose.false_faces) == (1.0, 1.0)


def test_shuffled_keeps_the_pieces_and_not_the_face() -> None:
    """The same pixels in another order."""
    picture = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64) % 251
    cut = shuffled(np.random.default_rng(1), picture.astype(np.uint8))
    assert sorted(cut.ravel()) == sorted(picture.ravel())
    assert not np.array_equal(cut, picture)


def test_a_run_gives_a_network_whose_scores_are_moved_to_its_threshold(
    tmp_path: Path,
) -> None:
    """The loaded network's logit is 0 where the checkpoint's is the threshold."""
    faces = drawn_faces()
    best = run(LocatorTrainer(TINY, faces, faces), tmp_path)
    stored = load_checkpoint(best, "locator")
    raw = LocatorNet(TINY.net)
    raw.load_state_dict(stored.average)
    raw.eval()
    picture = torch.full((1, 1, 96, 128), 100.0)
    with torch.no_grad():
        before, after = raw(picture).score, load_locator_net(best)(picture).score
    threshold = min(1 - 1e-6, max(1e-6, stored.metrics["dev_threshold"]))
    moved = float(np.log(threshold / (1 - threshold)))
    assert (before - after).numpy() == pytest.approx(moved, rel=1e-4)


def test_another_size_of_scenes_is_drawn() -> None:
    """The settings reach the maker."""
    config = replace(SCENES, size=(96, 64), faces=(0.0, 1.0))
    scene = SceneMaker(config, drawn_faces(), paint_cabins(0, 1)).draw(
        np.random.default_rng(3)
    )
    assert isinstance(scene, Scene)
    assert scene.luma.shape == (64, 96)
    assert len(scene.points) == 1
