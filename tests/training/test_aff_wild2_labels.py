"""Aff-Wild2's label files: what is read, what is refused, and where it stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_affect.errors import DataError
from tests.training.aff_wild2_tree import AU_HEADER, EXPR_HEADER, write_labels
from training.data.aff_wild2.labels import Labels, read_multi_task, read_uni_task

MTL_HEADER = "image,valence,arousal,expression,aus"
UNITS = ",0" * 12


def _in_a_file(text: bytes, read: Callable[[Path], object]) -> None:
    """Read ``text`` from a file, which may be refused but in no other way."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.txt"
        path.write_bytes(text)
        told = f"{path}:"
        try:
            read(path)
        except DataError as error:
            told = str(error)
    assert told.startswith(f"{path}:")
    assert "\n" not in told


def _read_lines(task: str, header: str, rows: list[str]) -> Labels:
    """Read a uni-task file of these lines."""
    with TemporaryDirectory() as folder:
        return read_uni_task(write_labels(Path(folder) / "a.txt", header, rows), task)


@pytest.mark.parametrize(
    ("task", "header"),
    [
        ("VA", "valence,arousal"),
        ("VA", " Valence , Arousal "),
        ("EXPR", EXPR_HEADER),
        ("EXPR", EXPR_HEADER.replace(",", ", ")),
        ("AU", AU_HEADER),
        ("AU", AU_HEADER.replace("AU", " AU ").lower()),
        ("VA", "\ufeffvalence,arousal"),
    ],
)
def test_headers_may_have_spaces_and_capitals(task: str, header: str) -> None:
    """And a byte-order mark."""
    row = {"VA": "0,0", "EXPR": "0", "AU": "0" + ",0" * 11}[task]
    assert len(_read_lines(task, header, [row]).expression) == 1


def test_rows_may_hold_whole_numbers_or_floats() -> None:
    """Spaces around them too."""
    affect = _read_lines("VA", "valence,arousal", ["1,-1", " 0.5 , -.25 ", "1e-1,0.0"])
    assert affect.valence_arousal == pytest.approx(
        np.array([[1, -1], [0.5, -0.25], [0.1, 0]])
    )
    classes = _read_lines("EXPR", EXPR_HEADER, ["7", "7.0", "-1", "-1.0"])
    assert classes.expression.tolist() == [7, 7, -1, -1]


def test_invalid_marks_of_each_task() -> None:
    """-5 in either value spoils both; -1 spoils one action unit alone."""
    affect = _read_lines("VA", "valence,arousal", ["-5,-5", "0.1,-5", "-5.0,0", "0,0"])
    spoiled = np.isnan(affect.valence_arousal)
    assert spoiled.tolist() == [[True, True]] * 3 + [[False, False]]
    units = _read_lines("AU", AU_HEADER, ["-1,1" + ",0" * 10]).action_units
    assert np.isnan(units[0]).tolist() == [True] + [False] * 11
    assert units[0, 1:].tolist() == [1] + [0] * 10


def test_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    """And the last ones may be empty."""
    (tmp_path / "a.txt").write_bytes(b"valence,arousal\r\n0.5,0\r\n\r\n\r\n")
    read = read_uni_task(tmp_path / "a.txt", "VA")
    assert read.valence_arousal.tolist() == [[0.5, 0]]


def test_the_second_edition_has_seven_classes() -> None:
    """There was no ``other`` yet, so class 7 is wrong there."""
    header = EXPR_HEADER.removesuffix(",Other")
    assert _read_lines("EXPR", header, ["6"]).expression.tolist() == [6]
    with pytest.raises(DataError, match=r"got the class 7, expected .* -1 to 6"):
        _read_lines("EXPR", header, ["7"])


@pytest.mark.parametrize(
    "header",
    [
        MTL_HEADER,
        "image, valence, arousal, expression, aus",
        "image_location,valence,arousal,expression,aus",
        "image,valence,arousal,expression," + AU_HEADER,
        "Image, Valence, Arousal, Expression, " + AU_HEADER.replace(",", ", "),
    ],
)
def test_multi_task_headers_of_all_editions(header: str, tmp_path: Path) -> None:
    """All units in one word, or each by its name."""
    row = "a_right/00002.jpg,-0.5,0.5,-1" + ",0" * 11 + ",-1"
    file = write_labels(tmp_path / "train_set.txt", header, [row])
    frames, labels = read_multi_task(file)["a_right"]
    assert frames.tolist() == [1]
    assert labels.valence_arousal.tolist() == [[-0.5, 0.5]]
    assert labels.expression.tolist() == [-1]
    assert np.isnan(labels.action_units[0, 11])


def test_multi_task_rows_may_come_in_any_order(tmp_path: Path) -> None:
    """Clips mixed, frames backwards, and the same row once more."""
    rows = [f"{c}/{n:05}.jpg,0,0,{n}{UNITS}" for n in (3, 1) for c in "ba"]
    file = write_labels(tmp_path / "a.txt", MTL_HEADER, [*rows, rows[0]])
    read = read_multi_task(file)
    assert read["a"][0].tolist() == [0, 2]
    assert read["a"][1].expression.tolist() == [1, 3]
    assert read["b"][0].tolist() == [0, 2, 2]


def test_multi_task_rows_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    """The later line, and the one that it contradicts."""
    rows = [f"a/00001.jpg,0,0,{n}{UNITS}" for n in (1, 2)]
    file = write_labels(
        tmp_path / "a.txt", MTL_HEADER, [rows[0], f"b/00001.jpg,0,0,0{UNITS}", rows[1]]
    )
    with pytest.raises(DataError, match=r"a\.txt:4: got other labels .* line 2"):
        read_multi_task(file)


@pytest.mark.parametrize(
    ("task", "header", "rows", "told"),
    [
        ("VA", "valence,arousal", ["0,0", "1.3,0"], ":3: got valence, arousal 1.3, 0"),
        ("VA", "valence,arousal", ["0,-1.01"], ":2: got valence, arousal 0, -1.01"),
        ("VA", "valence,arousal", ["0,nan"], ":2: got 'nan'"),
        ("VA", "valence,arousal", ["0,0", "inf,0"], ":3: got 'inf'"),
        ("VA", "valence,arousal", ["0,0", "0"], ":3: got 1 values, expected 2"),
        ("VA", "valence,arousal", ["0,0,0"], ":2: got 3 values, expected 2"),
        ("VA", "valence,arousal", ["0,0", "", "0,0"], ":3: got 1 values, expected 2"),
        ("VA", "valence,arousal", ["0,x"], ":2: got 'x', expected a number"),
        ("VA", "arousal,valence", ["0,0"], ":1: got the header 'arousal,valence'"),
        ("VA", "0.1,0.2", ["0,0"], ":1: got the header '0.1,0.2'"),
        ("VA", "valence,arousal", [], ": got no labels below the header"),
        ("EXPR", EXPR_HEADER, ["8"], ":2: got the class 8"),
        ("EXPR", EXPR_HEADER, ["0", "-2"], ":3: got the class -2"),
        ("EXPR", EXPR_HEADER, ["1.5"], ":2: got the class 1.5"),
        ("EXPR", EXPR_HEADER, ["0", "", "1"], ":3: got '', expected a number"),
        ("AU", AU_HEADER, ["2" + ",0" * 11], ":2: got the action unit 2"),
        ("AU", AU_HEADER, ["0.5" + ",0" * 11], ":2: got the action unit 0.5"),
        ("AU", AU_HEADER, ["", "0" + ",0" * 11], ":2: got 1 values, expected 12"),
    ],
)
def test_a_wrong_row_is_named(
    task: str, header: str, rows: list[str], told: str, tmp_path: Path
) -> None:
    """File and line, what was found, in one line."""
    file = write_labels(tmp_path / "bad.txt", header, rows)
    with pytest.raises(DataError) as refused:
        read_uni_task(file, task)
    assert f"bad.txt{told}" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("clip00001.jpg,0,0,0" + UNITS, "expected CLIP/00001.jpg"),
        ("clip/00000.jpg,0,0,0" + UNITS, "expected CLIP/00001.jpg"),
        ("clip/1.jpg,0,0,0" + UNITS, "expected CLIP/00001.jpg"),
        ("clip/00001.png,0,0,0" + UNITS, "expected CLIP/00001.jpg"),
        ("clip/999999999999.jpg,0,0,0" + UNITS, "expected CLIP/00001.jpg"),
        ("a/clip/00001.jpg,0,0,0" + UNITS, "expected CLIP/00001.jpg"),
        ("../00001.jpg,0,0,0" + UNITS, "expected CLIP/00001.jpg"),
        ("clip/00001.jpg", "got 1 values, expected 15"),
        ("clip/00001.jpg,0,0,0" + ",0" * 11, "got 14 values, expected 15"),
        ("clip/00001.jpg,0,0,9" + UNITS, "got the class 9"),
        ("clip/00001.jpg,0,2,0" + UNITS, "got valence, arousal 0, 2"),
        ("clip/00001.jpg,0,0,0" + ",3" * 12, "got the action unit 3"),
    ],
)
def test_a_wrong_multi_task_row_is_named(row: str, told: str, tmp_path: Path) -> None:
    """The same for the file of all tasks."""
    good = "clip/00002.jpg,0,0,0" + UNITS
    file = write_labels(tmp_path / "train_set.txt", MTL_HEADER, [good, row])
    with pytest.raises(DataError, match=r"train_set\.txt:3: ") as refused:
        read_multi_task(file)
    assert told in str(refused.value)


def test_an_unknown_multi_task_header_is_named(tmp_path: Path) -> None:
    """A missing column must not move the others."""
    header = "image,arousal,valence,expression,aus"
    file = write_labels(tmp_path / "a.txt", header, ["a/00001.jpg,0,0,0" + UNITS])
    with pytest.raises(DataError, match=r"a\.txt:1: got the header 'image,arousal"):
        read_multi_task(file)


def test_an_empty_or_missing_file_is_named(tmp_path: Path) -> None:
    """Not even a header, or not even a file."""
    (tmp_path / "a.txt").write_text("\n\n")
    with pytest.raises(DataError, match=r"a\.txt: got an empty file"):
        read_uni_task(tmp_path / "a.txt", "VA")
    with pytest.raises(DataError, match=r"b\.txt: cannot be read"):
        read_multi_task(tmp_path / "b.txt")


@given(
    st.lists(
        st.tuples(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32)), min_size=1
    )
)
def test_any_valence_and_arousal_come_back(rows: list[tuple[float, float]]) -> None:
    """What is written with full precision is read without a change."""
    text = [f"{valence!r},{arousal!r}" for valence, arousal in rows]
    read = _read_lines("VA", "valence,arousal", text).valence_arousal
    assert np.array_equal(read, np.array(rows, np.float32))


@given(st.lists(st.integers(-1, 7), min_size=1), st.sampled_from(["{}", "{}.0", " {}"]))
def test_any_classes_come_back(rows: list[int], form: str) -> None:
    """Whole numbers and floats alike."""
    read = _read_lines("EXPR", EXPR_HEADER, [form.format(row) for row in rows])
    assert read.expression.tolist() == rows


@given(
    st.dictionaries(
        st.tuples(
            st.sampled_from(["a", "b_left", "10-60-1280x720"]), st.integers(1, 999_999)
        ),
        st.tuples(
            st.integers(-1, 7), st.lists(st.integers(-1, 1), min_size=12, max_size=12)
        ),
        min_size=1,
        max_size=30,
    )
)
def test_any_multi_task_rows_come_back(
    told: dict[tuple[str, int], tuple[int, list[int]]],
) -> None:
    """Each at its clip and frame, in whatever order they were written."""
    rows = [
        f"{clip}/{number:05}.jpg,0,0,{label},{','.join(map(str, units))}"
        for (clip, number), (label, units) in told.items()
    ]
    with TemporaryDirectory() as folder:
        read = read_multi_task(write_labels(Path(folder) / "a.txt", MTL_HEADER, rows))
    found = {
        (clip, int(frame) + 1): (int(label), np.nan_to_num(units, nan=-1).tolist())
        for clip, (frames, labels) in read.items()
        for frame, label, units in zip(
            frames, labels.expression, labels.action_units, strict=True
        )
    }
    assert found == told


@example(b"valence,arousal\n\xff\n")
@example(b"valence,arousal\n1_0,0\n")
@example(b"valence,arousal\n\x00,\x00\n")
@given(st.binary().map(lambda tail: b"valence,arousal\n0,0\n" + tail))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    """No other error than the one that names the file."""
    _in_a_file(text, lambda path: read_uni_task(path, "VA"))


@given(st.text(alphabet="a/.0123456789jpg,-\n ", max_size=200))
def test_any_multi_task_text_is_read_or_refused(tail: str) -> None:
    """The same for the file of all tasks."""
    good = f"{MTL_HEADER}\na/00001.jpg,0,0,0{UNITS}\n"
    _in_a_file((good + tail).encode(), read_multi_task)
