"""The simulated driver's pictures, family A."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_affect.labels import ACTION_UNITS
from edge_affect.sources.simulated import Truth, identity_from_seed
from edge_affect.sources.simulated.face_renderer import FaceRenderer
from edge_affect.sources.simulated.identity import Glasses, HairStyle, Identity

SIZE = (640, 480)
DETECTOR_WIDTH_PX = 320
FACES = 24
"""Identities that the detector looks at, three poses each."""
DETECTED = 0.98
"""Share of pictures in which it has to find the face and nothing else."""


def _truth(**changes: Any) -> Truth:
    units = dict.fromkeys(ACTION_UNITS, 0.0)
    units |= {name: changes.pop(name) for name in list(changes) if name in units}
    return Truth(action_units=units, **changes)


def _plain(seed: int) -> Identity:
    """Return a person without glasses, noise or hair on the forehead."""
    person = identity_from_seed(seed)
    looks = replace(
        person.looks,
        glasses=Glasses.NONE,
        hair_style=HairStyle.SHORT,
        hairline=0.68,
    )
    return replace(person, looks=looks, light=replace(person.light, noise=0.0))


def _middle(identity: Identity, size: tuple[int, int] = SIZE) -> tuple[float, ...]:
    """Return x and y of the head's middle and half its height, pixels."""
    camera = identity.camera
    x, y = size[0] * (0.5 + camera.offset_x), size[1] * (0.5 + camera.offset_y)
    return x, y, 0.5 * camera.scale * size[1]


def _changed(seed: int, truth: Truth) -> Callable[[float, float], float]:
    """Return how much of the change to ``truth`` lies between two heights."""
    person = _plain(seed)
    renderer = FaceRenderer(person)
    rest = renderer.render(_truth(), 0).astype(int)
    change = np.abs(renderer.render(truth, 0) - rest).sum(axis=(1, 2))
    _, y, half = _middle(person)

    def share(top: float, bottom: float) -> float:
        rows = slice(int(y + top * half), int(y + bottom * half))
        return float(change[rows].sum() / max(1, change.sum()))

    assert change.sum() > 5_000
    return share


def test_renderer_draws_the_same_bytes_again() -> None:
    """The same person, state and frame number give the same picture."""
    truth = _truth(AU12=0.7, yaw_deg=8.0)
    one, again, other = (
        FaceRenderer(identity_from_seed(seed)).render(truth, 9) for seed in (4, 4, 5)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_renderer_does_not_remember() -> None:
    """A picture depends neither on what was drawn before nor on its order."""
    renderer = FaceRenderer(identity_from_seed(6))
    first = renderer.render(_truth(AU26=1.0), 3)
    kept = first.copy()
    renderer.render(_truth(yaw_deg=30.0, eyes_closed=1.0), 4)
    assert np.array_equal(renderer.render(_truth(AU26=1.0), 3), kept)
    assert np.array_equal(first, kept)


def test_renderer_draws_tiny_faces() -> None:
    """A head of a few pixels is drawn too."""
    person = identity_from_seed(9)
    far = replace(person, camera=replace(person.camera, scale=0.05))
    picture = FaceRenderer(far, (64, 48)).render(_truth(AU26=1.0), 0)
    assert picture.shape == (48, 64, 3)


def test_renderer_noise_is_light_and_changes_with_the_frame() -> None:
    """Two frames of the same state differ by sensor noise alone."""
    person = identity_from_seed(7)
    renderer = FaceRenderer(person)
    one, other = (renderer.render(_truth(), index).astype(int) for index in (0, 1))
    level = float((one - other).std())
    assert 0.7 * 1.41 * person.light.noise < level < 1.05 * 1.41 * person.light.noise


@pytest.mark.parametrize("size", [(16, 16), (64, 48), (321, 243), (1280, 720)])
def test_renderer_draws_at_any_size(size: tuple[int, int]) -> None:
    """The picture has the size asked for and is neither black nor flat."""
    picture = FaceRenderer(identity_from_seed(8), size).render(_truth(), 0)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 10


@pytest.mark.parametrize("seed", [2, 15, 19, 20])
def test_renderer_survives_every_pose(seed: int) -> None:
    """No turn of the head breaks it, with long hair, without, and with glasses."""
    renderer = FaceRenderer(identity_from_seed(seed), (160, 120))
    for yaw, pitch, roll in ((90, 0, 0), (-60, 40, -40), (180, -80, 90), (0, 89, 0)):
        truth = _truth(yaw_deg=float(yaw), pitch_deg=float(pitch), roll_deg=float(roll))
        assert renderer.render(truth, 0).shape == (120, 160, 3)


@pytest.mark.parametrize("offset_x", [-0.6, 0.5, 3.0])
def test_renderer_cuts_the_head_at_the_border(offset_x: float) -> None:
    """A head partly or wholly outside of the picture is drawn as far as it shows."""
    for seed in (2, 19):
        person = identity_from_seed(seed)
        camera = replace(person.camera, offset_x=offset_x)
        renderer = FaceRenderer(replace(person, camera=camera), (160, 120))
        for yaw in (-30.0, 0.0, 30.0):
            assert renderer.render(_truth(yaw_deg=yaw), 0).shape == (120, 160, 3)


@pytest.mark.parametrize("unit", ["AU1", "AU2", "AU4"])
def test_renderer_brow_units_move_the_upper_face(unit: str) -> None:
    """Brow units change pixels above the nose, hardly any below."""
    share = _changed(10, _truth(**{unit: 1.0}))
    assert share(-0.75, 0.15) > 0.95


@pytest.mark.parametrize(
    "unit", ["AU10", "AU12", "AU15", "AU23", "AU24", "AU25", "AU26"]
)
def test_renderer_mouth_units_move_the_lower_face(unit: str) -> None:
    """Mouth units change pixels from the nose down, hardly any above."""
    share = _changed(10, _truth(**{unit: 1.0}))
    assert share(0.2, 1.25) > 0.85


@pytest.mark.parametrize("changes", [{"eyes_closed": 1.0}, {"AU7": 1.0}, {"AU6": 1.0}])
def test_renderer_eye_movements_stay_around_the_eyes(changes: dict[str, float]) -> None:
    """Blinks and tightened lids change pixels around the eyes and cheeks."""
    share = _changed(10, _truth(**changes))
    assert share(-0.2, 0.45) > 0.95


def test_renderer_speech_opens_the_mouth_as_affect_does() -> None:
    """A mouth opened by speech is dark inside, like one opened by AU26."""
    person = _plain(12)
    renderer = FaceRenderer(person)
    x, y, half = _middle(person)
    mouth = y + (person.shape.mouth_y + 0.1) * half
    box = (
        slice(int(mouth - 0.1 * half), int(mouth + 0.1 * half)),
        slice(int(x - 0.1 * half), int(x + 0.1 * half)),
    )
    rest, spoken, moved = (
        float(renderer.render(truth, 0)[box].mean())
        for truth in (_truth(), _truth(mouth_opening=0.9), _truth(AU25=1.0, AU26=0.9))
    )
    assert spoken < 0.8 * rest
    assert moved == pytest.approx(spoken, rel=0.1)


def test_renderer_turns_the_head_the_way_it_says() -> None:
    """Positive yaw turns to the right, positive pitch up, positive roll clockwise."""
    person = _plain(13)
    renderer = FaceRenderer(person)

    def nose(**pose: float) -> NDArray[np.float64]:
        # A smile shows where the mouth is, whatever else has moved.
        rest = renderer.render(_truth(**pose), 0).astype(int)
        smile = np.abs(renderer.render(_truth(AU12=1.0, AU25=1.0, **pose), 0) - rest)
        weight = smile.sum(axis=2)
        rows, columns = np.indices(weight.shape)
        moments = [(columns * weight).sum(), (rows * weight).sum()]
        return np.asarray(np.array(moments) / weight.sum(), np.float64)

    ahead = nose()
    assert nose(yaw_deg=15.0)[0] > ahead[0] + 5
    assert nose(yaw_deg=-15.0)[0] < ahead[0] - 5
    assert nose(pitch_deg=12.0)[1] < ahead[1] - 5
    assert nose(pitch_deg=-12.0)[1] > ahead[1] + 5
    turned = nose(roll_deg=15.0) - nose(roll_deg=-15.0)
    assert turned[0] > 5  # the whole head leans about the neck, below the mouth


def _found(cascade: Any, picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    import cv2

    height = DETECTOR_WIDTH_PX * picture.shape[0] // picture.shape[1]
    size = (DETECTOR_WIDTH_PX, height)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    boxes = cascade.detectMultiScale(
        grey, scaleFactor=1.1, minNeighbors=5, minSize=(40, 40)
    )
    scale = picture.shape[1] / DETECTOR_WIDTH_PX
    return np.asarray(scale * np.array(boxes, np.float64).reshape(-1, 4), np.float64)


def test_renderer_draws_faces_that_a_detector_finds() -> None:
    """OpenCV's frontal cascade finds one face, in its place, nearly always."""
    import cv2

    if not hasattr(cv2, "CascadeClassifier"):
        pytest.skip("this OpenCV has no cascade classifier")
    name = Path(cv2.__file__).parent / "data/haarcascade_frontalface_default.xml"
    cascade = cv2.CascadeClassifier(str(name))
    random = np.random.default_rng(17)
    hits = 0
    for seed in range(500, 500 + FACES):
        person = identity_from_seed(seed)
        renderer = FaceRenderer(person)
        x, y, half = _middle(person)
        for index in range(3):
            units = np.clip(random.normal(-0.3, 0.5, len(ACTION_UNITS)), 0, 1).tolist()
            truth = _truth(
                **dict(zip(ACTION_UNITS, units, strict=True)),
                yaw_deg=float(random.uniform(-15, 15)),
                pitch_deg=float(random.uniform(-8, 8)),
                roll_deg=float(random.uniform(-6, 6)),
            )
            boxes = _found(cascade, renderer.render(truth, index))
            places = boxes[:, :2] + boxes[:, 2:] / 2 - (x, y + 0.15 * half)
            hits += len(boxes) == 1 and bool(np.abs(places).max() < 0.5 * half)
    assert hits >= DETECTED * 3 * FACES
