"""Scenes without a face: cabins, drawn shapes, photographs with the face cut up."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_affect.sensing.align import box_from_points
from edge_affect.sources.simulated import identity_from_seed
from edge_affect.sources.simulated.cabin import Place, paint_cabin

CABINS = 400
"""Painted cabins of the simulated driver, without the head."""
_FIRST_SEED = 920_000
_CABIN = (320, 240)
_PIECES = 4
"""Pieces along each side that a face is cut to."""

LETTERED = 0.3
"""Share of the grounds with lettering: round letters in a row look like eyes."""
_FONTS = (
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
)
_LETTERS = "abcdeghmnopqsuABCDEGHMOPQRS0123456889.:-"

Picture = NDArray[np.uint8]


def paint_cabins(first: int, last: int) -> NDArray[np.uint8]:
    """Return cabins ``first`` to before ``last``, with a seat and shoulders.

    Returns:
        ``(last - first, 240, 320)`` uint8 luma.
    """
    size = _CABIN
    cabins = []
    for seed in range(_FIRST_SEED + first, _FIRST_SEED + last):
        identity = identity_from_seed(seed)
        camera = identity.camera
        scale = 0.5 * camera.scale * size[1]
        middle = size[0] * (0.5 + camera.offset_x), size[1] * (0.5 + camera.offset_y)
        place = Place(size, (middle[0], middle[1] + 1.1 * scale), scale)
        cabins.append(cv2.cvtColor(paint_cabin(identity, place), cv2.COLOR_BGR2GRAY))
    return np.stack(cabins).astype(np.uint8)


def draw_backdrop(
    random: np.random.Generator, size: tuple[int, int], cabins: NDArray[np.uint8]
) -> Picture:
    """Return ``(H, W)`` uint8 luma: a part of a cabin, or shapes over a rough ground.

    Args:
        random: Decides.
        size: Width and height, px.
        cabins: Of ``paint_cabins``.
    """
    if random.random() < 0.25:
        cabin = cabins[random.integers(len(cabins))]
        return part_of(random, cabin, size)
    picture = _ground(random, size)
    for _ in range(random.integers(0, 40)):
        _draw_shape(random, picture)
    if random.random() < LETTERED:
        for _ in range(random.integers(1, 4)):
            _draw_letters(random, picture)
    if random.random() < 0.5:
        blurred = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.5, 3.0))
        return np.asarray(blurred, np.uint8)
    return picture


def shuffled(random: np.random.Generator, picture: Picture) -> Picture:
    """Return a square cut into pieces that change places: skin and eyes, no face."""
    side = len(picture) // _PIECES
    cut = picture[: side * _PIECES, : side * _PIECES]
    pieces = cut.reshape(_PIECES, side, _PIECES, side).transpose(0, 2, 1, 3)
    pieces = random.permutation(pieces.reshape(-1, side, side))
    whole = pieces.reshape(_PIECES, _PIECES, side, side).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(whole.reshape(side * _PIECES, -1))


def faceless(
    random: np.random.Generator, picture: Picture, points: NDArray[np.float32]
) -> Picture:
    """Return ``(H, W)`` luma whose face was cut into pieces that change places.

    Args:
        random: Decides.
        picture: With one face; it stays as it is.
        points: ``(5, 2)`` of the face, px.
    """
    left, top, width, height = box_from_points(points)
    side = round(1.2 * max(width, height))
    x, y = (round(a + b / 2 - side / 2) for a, b in ((left, width), (top, height)))
    x, y = max(x, 0), max(y, 0)
    cut = picture[y : y + side, x : x + side]
    side = min(cut.shape)
    pieces = shuffled(random, cut[:side, :side])
    out: Picture = picture.copy()
    out[y : y + len(pieces), x : x + len(pieces)] = pieces
    return out


def part_of(
    random: np.random.Generator, picture: Picture, size: tuple[int, int]
) -> Picture:
    """Return a part of ``picture`` at a random place and scale, perhaps mirrored."""
    height, width = picture.shape
    zoom = random.uniform(0.7, 2.0) * max(size[0] / width, size[1] / height)
    spare = width - size[0] / zoom, height - size[1] / zoom
    left, top = (random.uniform(min(0, s), max(0, s)) for s in spare)
    affine = np.array([[zoom, 0, -left * zoom], [0, zoom, -top * zoom]])
    mode = cv2.BORDER_REPLICATE
    part = cv2.warpAffine(picture, affine, size, borderMode=mode)
    return np.ascontiguousarray(part[:, ::-1] if random.random() < 0.5 else part)


def _ground(random: np.random.Generator, size: tuple[int, int]) -> Picture:
    """Return noise of several sizes over a slope of light."""
    width, height = size
    ground = np.full((height, width), random.uniform(10, 220), np.float32)
    for cells in (2, 4, 8, 16, 32, 64):
        noise = random.standard_normal((cells, cells)).astype(np.float32)
        strength = random.exponential(12)
        ground += strength * cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(ground, 0, 255), np.uint8)


def _draw_shape(random: np.random.Generator, picture: Picture) -> None:
    height, width = picture.shape
    level = float(random.uniform(0, 255))
    middle = random.random(2) * [width, height]
    reach = random.exponential(0.12) * width + 2
    kind = random.integers(4)
    if kind == 0:
        box = middle.tolist(), (2 * reach * random.uniform(0.3, 1, 2)).tolist()
        angle = float(random.uniform(0, 180))
        cv2.ellipse(picture, (*box, angle), level, -1, cv2.LINE_AA)
    elif kind == 1:
        corners = middle + random.uniform(-reach, reach, (random.integers(3, 7), 2))
        cv2.fillPoly(picture, [corners.astype(np.int32)], level, cv2.LINE_AA)
    elif kind == 2:
        ends = middle + random.uniform(-2 * reach, 2 * reach, (2, 2))
        start, end = ends.astype(int)
        thick = int(random.integers(1, 6))
        cv2.line(picture, start, end, level, thick, cv2.LINE_AA)
    else:
        sides = (reach * random.uniform(0.3, 1, 2)).astype(int)
        thick = -1 if random.random() < 0.7 else int(random.integers(1, 5))
        box = (*middle.astype(int).tolist(), *sides.tolist())
        cv2.rectangle(picture, box, level, thick)


def _draw_letters(random: np.random.Generator, picture: Picture) -> None:
    """Write a word, most of the time with an outline."""
    height, width = picture.shape
    word = "".join(random.choice(list(_LETTERS), random.integers(2, 12)))
    place = (random.random(2) * [width, height]).astype(int) - [width // 4, 0]
    font = _FONTS[random.integers(len(_FONTS))]
    scale = float(np.exp(random.uniform(-0.7, 1.4)))
    thick = max(1, round(scale * random.uniform(1, 6)))
    levels = random.uniform(0, 255, 2)
    wider = round(scale * random.uniform(1, 5)) * int(random.random() < 0.7)
    layers = ((thick + 2 * wider, levels[0]), (thick, levels[1]))
    for stroke, level in layers[0 if wider else 1 :]:
        cv2.putText(
            picture, word, place, font, scale, float(level), stroke, cv2.LINE_AA
        )
