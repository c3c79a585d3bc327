"""The networks of others that teach ours, and what is read off their answers."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("torch")

from edge_affect.errors import DataError
from edge_affect.sensing.align import box_from_points
from training.data.photos import load_photos
from training.data.signals import FACE_SIGNALS
from training.teachers.canonical import Canonical, read_canonical
from training.teachers.landmarker import Landmarker, head_pose
from training.teachers.signals import LEAST_FACE_PX, Signals, read_signals
from training.teachers.yunet import YuNet


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def _basis(index: int, weight: float) -> bytes:
    return _field(2, bytes([1 << 3, index, 2 << 3 | 5]) + struct.pack("<f", weight))


def test_canonical_reads_packed_and_single_floats() -> None:
    """Both ways to write a repeated float, and only the landmarks that are named."""
    vertices = struct.pack("<10f", 1, 2, 3, 0, 0, 4, 5, 6, 0, 0)
    single = b"".join(
        bytes([3 << 3 | 5]) + vertices[start : start + 4] for start in range(0, 40, 4)
    )
    for mesh in (_field(3, vertices), single):
        read = read_canonical(_field(1, mesh) + _basis(1, 0.5), "there")
        assert read.indices.tolist() == [1]
        assert read.points.tolist() == [[4, 5, 6]]
        assert read.weights.tolist() == [0.5]


@pytest.mark.parametrize("metadata", [b"", b"\x0a\x7f\x00", b"\x0c", b"\x80"])
def test_canonical_refuses_what_holds_no_mean_face(metadata: bytes) -> None:
    """Empty, cut short, or of another kind: the place is named."""
    with pytest.raises(DataError, match="there: holds no mean face"):
        read_canonical(metadata, "there")


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (25, 0, 0), (0, 20, 0), (0, 0, 30)]
)
def test_head_pose_has_the_signs_of_the_simulated_driver(
    yaw: float, pitch: float, roll: float
) -> None:
    """To the picture's right, up, and clockwise are positive."""
    random = np.random.default_rng(0)
    points = random.normal(size=(12, 3)) * [4, 6, 3]
    canonical = Canonical(np.arange(12), points, np.ones(12))
    # Pictures have y down and z away, so that these turns are to the left and down.
    turn = Rotation.from_euler("YXZ", [-yaw, -pitch, roll], degrees=True)
    seen = turn.apply(points * [1, -1, -1]) * 20 + np.array([200, 150, 0])
    found = head_pose(seen.astype(np.float32), canonical)
    assert found == pytest.approx((yaw, pitch, roll), abs=0.01)


def test_a_turn_to_the_pictures_right_moves_the_nose_there() -> None:
    """What the signs mean, without angles: the nose is nearer than the ears."""
    nose_and_ears = np.array([[0, 0, 8.0], [-7, 0, -4], [7, 0, -4], [0, 9, 1]])
    canonical = Canonical(np.arange(4), nose_and_ears, np.ones(4))
    front = nose_and_ears * [1, -1, -1]
    right = front + np.array([[5, 0, 1], [0, 0, -2], [0, 0, 2], [0, 0, 0]])
    assert head_pose(right.astype(np.float32), canonical)[0] > 5


def test_signals_are_kept_where_changed_pictures_agree() -> None:
    """One that moves is enough to drop a signal; angles have a limit of their own."""
    values = np.zeros(len(FACE_SIGNALS), np.float32)
    changed = np.zeros((3, len(FACE_SIGNALS)), np.float32)
    unit, yaw = FACE_SIGNALS.index("AU12"), FACE_SIGNALS.index("yaw_deg")
    changed[0, unit], changed[1, yaw] = 0.2, 5.0
    kept = Signals(values, changed, presence=0.9).kept()
    assert not kept[unit]
    assert kept[yaw]
    assert kept.sum() == len(FACE_SIGNALS) - 1
    assert not Signals(values, changed, presence=0.4).kept().any()


@pytest.mark.parametrize("teacher", [YuNet, Landmarker])
def test_a_missing_teacher_is_told_by_its_file(teacher: type, tmp_path: Path) -> None:
    """The path under the data root stands in the one line."""
    if teacher is Landmarker:
        pytest.importorskip("ai_edge_litert")
    with pytest.raises(DataError, match=f"{tmp_path.name}/models/"):
        teacher(tmp_path)


def test_landmarker_tells_smiles_and_agrees_with_its_mirror(data_root: Path) -> None:
    """Photographs of happy and of sad people, without a label being trained on."""
    pytest.importorskip("ai_edge_litert")
    photos = load_photos(data_root, "train")
    labelled = list(zip(photos.names, photos.expressions, strict=True))
    yunet, landmarker = YuNet(data_root), Landmarker(data_root)
    smiles = {}
    for kind in ("happiness", "sadness"):
        names = [name for name, expression in labelled if expression == kind][:8]
        told = [
            read_signals(landmarker, picture, points)
            for picture, points in yunet.alone(photos.archive.originals(names), 0.9)
            if box_from_points(points)[2] >= LEAST_FACE_PX
        ]
        assert len(told) >= 4
        assert np.mean([one.kept() for one in told]) > 0.7
        unit = FACE_SIGNALS.index("AU12")
        smiles[kind] = np.median([one.values[unit] for one in told])
    assert smiles["happiness"] > smiles["sadness"] + 0.2
