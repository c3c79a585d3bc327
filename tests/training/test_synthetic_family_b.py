"""Family B: mesh, rig, triangles, pictures, voice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_affect.labels import ACTION_UNITS
from edge_affect.sensing.locator import HaarLocator
from edge_affect.sources.base import iterate
from edge_affect.sources.simulated import SimulatedSource
from edge_affect.sources.simulated.base import Truth
from edge_affect.types import Frame
from training.synthetic.family_b.cast import cast_b
from training.synthetic.family_b.head_mesh import HeadMesh, build_mesh
from training.synthetic.family_b.person import draw_person
from training.synthetic.family_b.raster import Lens, cover, normals
from training.synthetic.family_b.rig import Rig
from training.synthetic.family_b.voice import HarmonicVoice
from training.synthetic.pools import POOLS

SIZE = (320, 240)
ALL_SIZES = [(16, 16), SIZE, (640, 480)]


def _truth(eyes_closed: float = 0.0, yaw_deg: float = 0.0, **units: float) -> Truth:
    shown = {**dict.fromkeys(ACTION_UNITS, 0.0), **units}
    return Truth(action_units=shown, eyes_closed=eyes_closed, yaw_deg=yaw_deg)


@pytest.fixture(scope="module")
def head() -> tuple[HeadMesh, Rig]:
    """Return one person's mesh and rig."""
    shape = draw_person(1, POOLS[0]).head
    mesh = build_mesh(shape)
    return mesh, Rig(mesh, shape)


def test_head_mesh_is_closed_but_for_eyes_and_mouth(head: tuple[HeadMesh, Rig]) -> None:
    """Each edge joins two triangles, except along the slits and the mesh's rim."""
    mesh, _ = head
    edges = np.sort(mesh.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, count = np.unique(edges, axis=0, return_counts=True)
    assert set(count) == {1, 2}
    slits = [*mesh.eyes, mesh.mouth]
    along = sum(2 * (len(slit.upper) - 1) for slit in slits)
    rows, columns = np.unique(mesh.paint[:, 1]).size, mesh.triangles.max() + 1
    assert np.count_nonzero(count == 1) - along < 2 * rows + columns
    for slit in slits:
        np.testing.assert_allclose(mesh.points[slit.upper], mesh.points[slit.lower])


def test_head_mesh_normals_point_outwards(head: tuple[HeadMesh, Rig]) -> None:
    """Normals have length 1 and point away from the middle of the head."""
    mesh, _ = head
    outward = normals(mesh.points, mesh.triangles, mesh.incident)
    np.testing.assert_allclose(np.linalg.norm(outward, axis=1), 1, atol=1e-3)
    front = (mesh.points[:, 2] > 0.2) & (np.abs(mesh.points[:, 1]) < 0.9)
    assert (outward[front, 2] > 0).mean() > 0.97


@pytest.mark.parametrize(
    ("unit", "near", "axis", "sign"),
    [
        ("AU1", (0.08, -0.18), 1, -1),
        ("AU2", (0.42, -0.18), 1, -1),
        ("AU4", (0.12, -0.18), 1, 1),
        ("AU6", (0.36, 0.2), 2, 1),
        ("AU10", (0.1, 0.55), 1, -1),
        ("AU12", (0.24, 0.6), 1, -1),
        ("AU15", (0.24, 0.6), 1, 1),
        ("AU23", (0.24, 0.6), 0, -1),
        ("AU24", (0.1, 0.65), 1, -1),
        ("AU25", (0.05, 0.63), 1, 1),
        ("AU26", (0.0, 0.9), 1, 1),
    ],
)
def test_rig_moves_what_the_unit_moves(
    head: tuple[HeadMesh, Rig],
    unit: str,
    near: tuple[float, float],
    axis: int,
    sign: int,
) -> None:
    """Each unit pushes its place in its direction, the same on both sides."""
    mesh, rig = head
    moved = rig.moved(_truth(1.0, **{unit: 1.0})) - rig.moved(_truth(1.0))
    x, y, z = mesh.points.T
    for side in (-1, 1):
        far = (x - side * near[0]) ** 2 + (y - near[1]) ** 2 + 9 * (z < 0)
        push = moved[far.argmin()] * ([side, 1, 1] if near[0] else [0, 1, 1])
        assert sign * push[axis] > 0.01


def test_rig_opens_and_shuts_eyes_and_mouth(head: tuple[HeadMesh, Rig]) -> None:
    """A blink brings the lids together; AU7 narrows the eyes; AU26 opens the mouth."""
    mesh, rig = head

    def gap(slit: Any, truth: Truth) -> float:
        points = rig.moved(truth)
        return float((points[slit.lower, 1] - points[slit.upper, 1]).max())

    eye = mesh.eyes[0]
    assert gap(eye, _truth(1.0)) == pytest.approx(0, abs=1e-6)
    assert gap(eye, _truth()) > gap(eye, _truth(AU7=1.0)) > 0.01
    assert gap(mesh.mouth, _truth()) == pytest.approx(0, abs=1e-6)
    parted, dropped = (gap(mesh.mouth, _truth(**{u: 1.0})) for u in ("AU25", "AU26"))
    assert dropped > parted > 0.03


def test_cover_gives_shares_and_the_nearest_triangle() -> None:
    """A pixel shows the nearer of two triangles, with the weights of its corners."""
    corners = np.array([[0, 0], [8, 0], [0, 8]], np.float32)
    pixels = np.concatenate([corners, corners])
    depth = np.array([1, 1, 1, 0, 0, 0], np.float32)
    seen = cover(pixels, depth, np.array([[0, 1, 2], [3, 4, 5]]), (20, 20))
    assert seen is not None
    assert seen.mask.sum() == 45
    assert set(seen.corners.ravel().tolist()) == {0, 1, 2}
    at = np.flatnonzero(np.flatnonzero(seen.mask.ravel()) == 4 * seen.mask.shape[1] + 2)
    np.testing.assert_allclose(seen.shares[at[0]], [0.25, 0.25, 0.5], atol=1e-6)
    values = seen.values(np.tile(pixels[:3], (2, 1)))
    np.testing.assert_allclose(values[at[0]], [2, 4], atol=1e-5)


def test_cover_skips_back_faces_and_what_is_outside() -> None:
    """Triangles seen from behind and outside of the picture leave nothing."""
    corners = np.array([[0, 0], [8, 0], [0, 8]], np.float32)
    depth = np.zeros(3, np.float32)
    assert cover(corners, depth, np.array([[0, 2, 1]]), (20, 20)) is None
    assert cover(corners - 30, depth, np.array([[0, 1, 2]]), (20, 20)) is None
    cut = cover(corners - 2, depth, np.array([[0, 1, 2]]), (4, 4))
    assert cut is not None
    assert (cut.left, cut.top, cut.mask.shape) == (0, 0, (4, 4))


def test_lens_draws_near_things_larger() -> None:
    """A place twice as near is twice as far from the middle."""
    lens = Lens((10.0, 20.0), 5.0, 4.0)
    seen = lens.project(np.array([[1, 1, 0], [1, 1, 2]], np.float32))
    np.testing.assert_allclose(seen, [[15, 25], [20, 30]])


@pytest.mark.parametrize("size", ALL_SIZES)
def test_renderer_depends_on_seed_truth_and_index_alone(size: tuple[int, int]) -> None:
    """Two renderers give the same bytes; another frame has other noise and light."""
    one, other = (cast_b(5, POOLS[1], size).renderer for _ in range(2))
    first = one.render(_truth(AU12=0.5), 3)
    one.render(_truth(), 9)
    assert first.shape == (size[1], size[0], 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(one.render(_truth(AU12=0.5), 3), first)
    np.testing.assert_array_equal(other.render(_truth(AU12=0.5), 3), first)
    assert not np.array_equal(one.render(_truth(AU12=0.5), 4), first)


@pytest.mark.parametrize("unit", [*ACTION_UNITS, "blink"])
def test_renderer_shows_every_unit(unit: str) -> None:
    """Each unit and a blink change the picture well beyond the noise."""
    truth = _truth(1.0) if unit == "blink" else _truth(**{unit: 1.0})
    renderer = cast_b(1, POOLS[0], SIZE).renderer
    rest = renderer.render(_truth(), 0).astype(int)
    change = np.abs(renderer.render(truth, 0).astype(int) - rest)
    # The same index has the same noise, but for its dependence on the light.
    assert np.count_nonzero(change.max(axis=2) > 25) > 40


def test_haar_finds_family_b() -> None:
    """The runtime's locator finds nearly everybody in nearly all frames."""
    rates = []
    for seed in range(20):
        driver = cast_b(seed, POOLS[seed % 3], SIZE)
        locator = HaarLocator()
        found = []
        for index in (40, 200, 360):
            truth = driver.script.truth_at(index * 33_333_333)
            picture = driver.renderer.render(truth, index)
            found.append(bool(locator.locate(Frame(picture, index, index, index))))
        rates.append(np.mean(found))
    assert np.mean(rates) >= 0.85


def test_family_b_plugs_into_the_simulated_source() -> None:
    """A driver of family B is a source's driver like any other."""
    driver = cast_b(2, POOLS[2], (64, 48))
    with SimulatedSource(duration_s=0.5, fps=24, driver=driver) as source:
        items = list(iterate(source, timeout_ns=0))
    frames = [item for item in items if isinstance(item, Frame)]
    assert len(frames) == 12
    assert len(items) == 12 + 25


def test_pools_cast_people_of_their_range() -> None:
    """A pool of dark skins casts darker people than one of light skins."""
    luma = {
        pool.name: np.mean([sum(draw_person(s, pool).looks.skin) for s in range(40)])
        for pool in POOLS
    }
    assert luma["EXPR"] < luma["AU"] < luma["VA"]


def test_harmonic_voice_is_the_same_however_it_is_cut() -> None:
    """Chunks of any size give the same samples to the bit."""
    whole = cast_b(3, POOLS[0], (16, 16)).voice.samples(15_000, 40_000)
    voice = cast_b(3, POOLS[0], (16, 16)).voice
    parts = [voice.samples(15_000 + at, 1600) for at in range(0, 40_000, 1600)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert np.abs(whole).max() <= 1


def test_harmonic_voice_follows_effort() -> None:
    """More effort is louder and higher; without speech there is but the cabin."""
    driver = cast_b(4, POOLS[0], (16, 16))
    script: Any = driver.script
    slot = next(number for number in range(9) if script.utterances(number))
    utterance = script.utterances(slot)[0]

    class Held:
        def __init__(self, effort: float, *, speaks: bool = True) -> None:
            self.effort, self.speaks = effort, speaks

        def utterances(self, number: int) -> tuple[Any, ...]:
            return (utterance,) if self.speaks and number == slot else ()

        def vocal_effort(self, number: int) -> Any:
            return np.full(1001, self.effort)

    def heard(speech: Held) -> Any:
        voice = HarmonicVoice(4, driver.identity, speech)
        return voice.samples(round(utterance.start_s * 16_000), 16_000)

    calm, excited = heard(Held(-0.8)), heard(Held(0.8))
    cabin = heard(Held(0.0, speaks=False))
    assert excited.std() > 1.5 * calm.std() > 2 * cabin.std()
    voice = HarmonicVoice(4, driver.identity, Held(0.0))
    t_s = np.arange(200) / 200
    low, high = (
        voice._melody(np.random.default_rng(0), utterance, t_s, np.full(200, effort))
        for effort in (-0.8, 0.8)
    )
    np.testing.assert_allclose(high / low, 2 ** (1.6 * 4 / 12))
