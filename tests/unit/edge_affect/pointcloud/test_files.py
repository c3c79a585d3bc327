"""Clouds in files: written and read again, by others, damaged."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_affect.errors import DataError, EdgeAffectError, SinkError
from edge_affect.pointcloud.files import ENDINGS, read_cloud, write_cloud
from tests.fakes.clouds import sphere

PLY = """ply
format ascii 1.0
comment made by hand
element vertex 2
property uchar red
property float x
property float y
property double z
element face 1
property list uchar int vertex_indices
end_header
255 1 2 3.5
0 -1 0 1e-3
3 0 1 0
"""
PCD = """# .PCD v0.7
VERSION 0.7
FIELDS x y z intensity
SIZE 4 4 4 4
TYPE F F F F
COUNT 1 1 1 1
WIDTH 3
HEIGHT 1
VIEWPOINT 0 0 0 1 0 0 0
POINTS 3
DATA ascii
1 2 3 0.5
nan nan nan 0
4 5 6 0.25
"""


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_what_was_written_is_read_again(
    tmp_path: Path, ending: str, kind: type[np.floating]
) -> None:
    """To the bit in binary files, to nine digits in text."""
    points = sphere(50).astype(kind)
    path = tmp_path / f"cloud{ending}"
    write_cloud(path, points)
    again = read_cloud(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    np.testing.assert_allclose(again, points, rtol=1e-8 if ending == ".xyz" else 0)
    if ending != ".xyz":
        assert again.dtype == kind


def test_files_of_others_are_read(tmp_path: Path) -> None:
    """Colours, intensities, faces and comments are left out; so are no-returns."""
    (tmp_path / "a.ply").write_text(PLY)
    (tmp_path / "a.PCD").write_text(PCD)
    (tmp_path / "a.xyz").write_text("# x y z nx\n1 2 3 0\n4 5 6 1\n")
    assert read_cloud(tmp_path / "a.ply").tolist() == [[1, 2, 3.5], [-1, 0, 1e-3]]
    assert read_cloud(tmp_path / "a.PCD").tolist() == [[1, 2, 3], [4, 5, 6]]
    assert read_cloud(tmp_path / "a.xyz").tolist() == [[1, 2, 3], [4, 5, 6]]


def test_what_trimesh_writes_is_read(tmp_path: Path) -> None:
    """The usual library's binary PLY, and it reads ours."""
    trimesh = pytest.importorskip("trimesh")
    points = sphere(40).astype(np.float32)
    trimesh.PointCloud(points).export(tmp_path / "theirs.ply")
    np.testing.assert_allclose(read_cloud(tmp_path / "theirs.ply"), points)
    write_cloud(tmp_path / "ours.ply", points)
    np.testing.assert_allclose(trimesh.load(tmp_path / "ours.ply").vertices, points)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.las", b"", "expected one of .ply, .pcd, .xyz, .npy"),
        ("a.ply", b"ply\n", "has no line 'end_header'"),
        ("a.ply", b"obj\nend_header\n", "is no PLY file"),
        ("a.ply", PLY.replace("float x", "list x").encode(), "vertex property"),
        ("a.ply", PLY.replace("ascii", "binary_big_endian").encode(), "little-endian"),
        ("a.ply", PLY.replace("vertex 2", "vertex 999999999").encode(), "points, exp"),
        ("a.ply", PLY.replace("float y", "float q").encode(), "has no 'y'|has no y"),
        ("a.ply", PLY.replace("1 2 3.5", "1 two 3.5").encode(), "is damaged"),
        ("a.pcd", PCD.replace("ascii", "binary").encode(), "ends after"),
        ("a.pcd", PCD.replace("ascii", "binary_compressed").encode(), "ascii or bin"),
        ("a.pcd", PCD.replace("SIZE 4 4 4 4", "SIZE 4").encode(), "header is damaged"),
        ("a.pcd", PCD.replace("SIZE 4", "SIZE 5").encode(), "is damaged"),
        ("a.npy", b"\x93NUMPY", "is damaged"),
        ("a.xyz", b"1 2\n3 4\n", r"got float64 \(2, 2\)"),
        ("a.xyz", b"one two three\n", "is damaged"),
    ],
)
def test_a_damaged_or_foreign_file_is_told_in_one_line(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    """Its path and what is wrong."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=told) as caught:
        read_cloud(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pickles_and_absent_and_huge_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pickle runs code; nothing larger than the limit is read at all."""
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(DataError, match="is damaged"):
        read_cloud(tmp_path / "a.npy")
    with pytest.raises(DataError, match="No such file"):
        read_cloud(tmp_path / "absent.ply")
    monkeypatch.setattr("edge_affect.pointcloud.files.MAX_BYTES", 10)
    with pytest.raises(DataError, match="expected 10 at most"):
        read_cloud(tmp_path / "a.npy")


@settings(max_examples=300)
@given(st.sampled_from((".ply", ".pcd", ".npy")), st.binary(max_size=400), st.data())
def test_no_bytes_crash_a_reader(
    tmp_path_factory: pytest.TempPathFactory,
    ending: str,
    noise: bytes,
    data: st.DataObject,
) -> None:
    """Noise, and real files with a few bytes changed: points, or one error."""
    folder = tmp_path_factory.mktemp("fuzz")
    path = folder / f"a{ending}"
    write_cloud(path, sphere(5))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(
            st.integers(0, 255)
        )
    path.write_bytes(noise if data.draw(st.booleans()) else bytes(content))
    with contextlib.suppress(EdgeAffectError):
        assert read_cloud(path).shape[1] == 3


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    """A folder that is not there, an ending nobody knows."""
    with pytest.raises(SinkError, match="no directory"):
        write_cloud(tmp_path / "absent" / "a.ply", sphere(5))
    with pytest.raises(SinkError, match="expected one of"):
        write_cloud(tmp_path / "a.obj", sphere(5))
    assert list(tmp_path.iterdir()) == []
