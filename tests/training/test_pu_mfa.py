"""PU-MFA: its start, its symmetries, its ablations, and maps of what it asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("trimesh")
pytest.importorskip("point_cloud_utils")

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from edge_affect.errors import ConfigError, DataError
from edge_affect.pointcloud.cloud import flow_of
from edge_affect.pointcloud.patches import neighbours_of
from training.models.pu_mfa import (
    ATTENTIONS,
    EDGE,
    PAPER,
    PATCH_POINTS,
    RATIO,
    PuMfaConfig,
    PuMfaNet,
)
from training.pointcloud.attention import attention_maps, save_attention

pytestmark = pytest.mark.torch

ROUNDING = 1e-5
"""Of a patch's radius: what float32 sums in another order may differ by."""
EDGE_MOST = 100e6
"""Multiply-adds that a patch may cost on a device."""
TINY = PuMfaConfig(width=8, vectors=2, levels=2, neighbours=6)


def bent_disk(points: int = PATCH_POINTS, seed: int = 0) -> np.ndarray:
    """Return a patch: random points of a bent disk, normalised."""
    random = np.random.default_rng(seed)
    radius, angle = np.sqrt(random.random(points)), 6.28 * random.random(points)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    patch = np.stack([x, y, 0.3 * x * x - 0.2 * y * y], axis=1)
    patch -= patch.mean(axis=0)
    unit: np.ndarray = patch / np.linalg.norm(patch, axis=1).max()
    return unit.astype(np.float32)


def made_net(config: PuMfaConfig, *, moved: float = 0.2) -> PuMfaNet:
    """Return a network whose weights are ``moved`` off the start at random."""
    torch.manual_seed(0)
    net = PuMfaNet(config).eval().requires_grad_(requires_grad=False)
    for parameter in net.parameters():
        parameter.add_(moved * torch.randn_like(parameter))
    return net


def inputs_of(patch: np.ndarray, count: int) -> tuple[Tensor, Tensor]:
    """Return what a network takes of one patch."""
    near = neighbours_of(patch[None], flow_of(patch)[None], count)
    return torch.from_numpy(patch)[None], torch.from_numpy(near)


def run(net: PuMfaNet, patch: np.ndarray) -> Tensor:
    """Run a network on one patch."""
    dense: Tensor = net(*inputs_of(patch, net.config.neighbours))[0]
    return dense


def test_untrained_network_gives_midpoints() -> None:
    """Each point stays, and has mid-points with its first three neighbours."""
    patch = bent_disk()
    near = inputs_of(patch, EDGE.neighbours)[1][0].numpy()
    born = [patch, *((patch + patch[near[:, n]]) / 2 for n in range(3))]
    expected = np.stack(born, axis=1).reshape(-1, 3)
    made = run(made_net(EDGE, moved=0), patch)
    assert made.shape == (RATIO * PATCH_POINTS, 3)
    np.testing.assert_allclose(made, expected, atol=ROUNDING)


def test_untrained_network_may_start_from_duplicates() -> None:
    """As an ablation all four points begin where their parent is."""
    patch = bent_disk()
    made = run(made_net(replace(TINY, start="duplicates"), moved=0), patch)
    np.testing.assert_allclose(made, np.repeat(patch, RATIO, axis=0), atol=ROUNDING)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_order_of_points_does_not_matter(attention: str) -> None:
    """Points in another order give the same points in that order."""
    net, patch = made_net(replace(TINY, attention=attention)), bent_disk()
    order = np.random.default_rng(1).permutation(len(patch))
    made = run(net, patch).reshape(-1, RATIO, 3)
    assert (made - torch.from_numpy(patch)[:, None]).abs().max() > 0.01
    mixed = run(net, patch[order]).reshape(-1, RATIO, 3)
    np.testing.assert_allclose(mixed, made[order], atol=ROUNDING)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_turning_mirroring_scaling_and_shifting_come_through(attention: str) -> None:
    """What is done to the patch is done to its new points, whatever the weights."""
    net, patch = made_net(replace(TINY, attention=attention)), bent_disk()
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    shift = np.array([0.5, -0.2, 0.1])
    points, near = inputs_of(patch, TINY.neighbours)
    for matrix in (turn, -turn):
        moved = torch.from_numpy((2 * patch @ matrix + shift).astype(np.float32))
        expected = 2 * net(points, near)[0].numpy() @ matrix + shift
        made = net(moved[None], near)[0]
        np.testing.assert_allclose(made, expected, atol=10 * ROUNDING)


def test_one_place_and_one_plane_stay_what_they_are() -> None:
    """Twins give no NaN, and no point leaves a plane."""
    net = made_net(TINY)
    same = run(net, np.full((PATCH_POINTS, 3), 0.25, np.float32))
    np.testing.assert_allclose(same, 0.25, atol=ROUNDING)
    flat = bent_disk() * np.array([1, 1, 0], np.float32)
    assert run(net, flat)[:, 2].abs().max() == 0


@pytest.mark.parametrize(
    "config",
    [
        replace(TINY, multi_scale=False),
        replace(TINY, attention="none"),
        replace(TINY, attention="none", multi_scale=False),
        replace(TINY, attention="global", levels=3),
    ],
)
def test_ablations_are_other_networks(config: PuMfaConfig) -> None:
    """Switching a part off changes what comes out, and every weight is still used."""
    patch = bent_disk()
    net = PuMfaNet(config)
    for last in (net.stencil, net.bent):
        torch.nn.init.normal_(last.weight)
    made = net(*inputs_of(patch, config.neighbours))
    assert torch.isfinite(made).all()
    (made**2).sum().backward()
    unused = [name for name, p in net.named_parameters() if p.grad is None]
    assert not unused
    assert not torch.allclose(run(made_net(config), patch), run(made_net(TINY), patch))


def test_edge_keeps_its_budget() -> None:
    """The network for devices costs less than 100 million multiply-adds a patch."""
    with FlopCounterMode(display=False) as counter:
        run(made_net(EDGE), bent_disk())
    assert 0 < counter.get_total_flops() / 2 <= EDGE_MOST
    assert EDGE.width <= 64


def test_paper_trains_a_step() -> None:
    """The wide network runs forwards and backwards; its gradients are finite."""
    patch = bent_disk()
    net = PuMfaNet(PAPER)
    made = net(*inputs_of(patch, PAPER.neighbours))
    (made**2).sum().backward()
    assert made.shape == (1, RATIO * PATCH_POINTS, 3)
    assert net.stencil.weight.grad is not None
    assert torch.isfinite(net.stencil.weight.grad).all()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"attention": "everywhere"}, "attention"),
        ({"start": "anywhere"}, "start"),
        ({"neighbours": 2}, "neighbours"),
    ],
)
def test_wrong_shapes_are_refused(wrong: dict[str, object], told: str) -> None:
    """A choice that does not exist, or too few neighbours, is named."""
    with pytest.raises(ConfigError, match=told):
        PuMfaConfig(**wrong)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("attention", ["local", "global"])
def test_attention_maps_are_shares(attention: str, tmp_path: Path) -> None:
    """Each new point's map sums to 1, near its parent alone when it is local."""
    pytest.importorskip("matplotlib")
    config = replace(TINY, attention=attention)
    net, patch = made_net(config), bent_disk()
    maps, dense = attention_maps(net, patch)
    assert maps.shape == (config.levels, RATIO * PATCH_POINTS, PATCH_POINTS)
    np.testing.assert_allclose(maps.sum(axis=2), 1, atol=ROUNDING)
    np.testing.assert_array_equal(dense, run(net, patch))
    asked = (maps > 0).sum(axis=2).max()
    assert (asked <= config.neighbours) == (attention == "local")
    picture = save_attention(net, patch, tmp_path)
    assert picture.read_bytes().startswith(b"\x89PNG")
    with np.load(tmp_path / "attention.npz") as stored:
        np.testing.assert_array_equal(stored["maps"], maps)


def test_attention_maps_need_attention() -> None:
    """A network without attention has no maps to show."""
    with pytest.raises(DataError, match="attention=none"):
        attention_maps(made_net(replace(TINY, attention="none")), bent_disk())
