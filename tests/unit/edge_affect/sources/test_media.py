"""Files as sources: times, order, turning, damage, one clear line for each fault."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edge_affect.errors import SourceError
from edge_affect.sources.base import iterate
from edge_affect.sources.media import START_NS, MediaSource
from edge_affect.types import AudioChunk, Frame
from tests.fakes.media_files import (
    click,
    move_frame,
    turn,
    write_clip,
    write_pictures,
    write_program_stream,
)

SAMPLE_NS = 62_500
RED_TOLERANCE = 60
"""Lossy codecs change colours."""


@pytest.fixture(params=["pyav", "opencv"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Decode by PyAV, or as on a machine without it."""
    if request.param == "opencv":
        monkeypatch.setitem(sys.modules, "av", None)
    else:
        pytest.importorskip("av", reason="av is not installed")
    return str(request.param)


def _items(path: Path, *, audio: bool = True) -> list[Frame | AudioChunk]:
    with MediaSource(path, audio=audio) as source:
        return list(iterate(source, 0))


def _frames(items: Sequence[Frame | AudioChunk]) -> list[Frame]:
    return [item for item in items if isinstance(item, Frame)]


def _chunks(items: Sequence[Frame | AudioChunk]) -> list[AudioChunk]:
    return [item for item in items if isinstance(item, AudioChunk)]


def _times_ms(items: Sequence[Frame | AudioChunk]) -> list[int]:
    return [round((item.t_capture_ns - START_NS) / 1e6) for item in items]


def _first_loud_ns(chunks: Sequence[AudioChunk]) -> int:
    for chunk in chunks:
        loud = np.flatnonzero(np.abs(chunk.samples) > 0.4)
        if len(loud):
            return chunk.t_capture_ns + int(loud[0]) * SAMPLE_NS
    raise AssertionError("no loud sample")


def test_media_reads_every_frame_with_its_time(tmp_path: Path, decoder: str) -> None:
    """Frames come whole, in order, at the times that the file gives."""
    frames = _frames(_items(write_pictures(tmp_path / "a.mp4", 30)))
    assert _times_ms(frames) == [round(number * 1000 / 30) for number in range(30)]
    assert [frame.index for frame in frames] == list(range(30))
    assert {frame.data.shape for frame in frames} == {(48, 64, 3)}
    assert all(frame.t_arrival_ns == frame.t_capture_ns for frame in frames)
    assert not any(frame.estimated for frame in frames)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_media_turns_pictures_upright(
    tmp_path: Path, decoder: str, quarters: int
) -> None:
    """A clip that a phone filmed on its side comes upright."""
    path = turn(write_pictures(tmp_path / "a.mp4", 2), quarters)
    made = _frames(_items(path))[0].data
    height, width = ((48, 64), (64, 48))[quarters % 2]
    assert made.shape == (height, width, 3)
    corners = {0: made[2, 2], 1: made[2, -3], 2: made[-3, -3], 3: made[-3, 2]}
    red = np.abs(corners[quarters].astype(int) - (0, 0, 255))
    assert red.max() < RED_TOLERANCE


def test_media_keeps_irregular_times_and_odd_sizes(
    tmp_path: Path, decoder: str
) -> None:
    """Variable frame rates and odd sizes are as the file says."""
    wanted = [0, 15, 55, 90, 200, 201, 250]
    path = write_clip(tmp_path / "a.mkv", frame_ms=wanted, size=(65, 49))
    frames = _frames(_items(path))
    assert _times_ms(frames) == wanted
    assert frames[0].data.shape == (49, 65, 3)
    assert frames[0].data.flags["C_CONTIGUOUS"]


def test_media_aligns_sound_with_pictures(tmp_path: Path) -> None:
    """A click lies at its time within a millisecond, after resampling from 44.1 kHz."""
    path = write_clip(tmp_path / "a.mkv", sound=click(0.5))
    items = _items(path)
    chunks = _chunks(items)
    assert abs(_first_loud_ns(chunks) - START_NS - 500_000_000) < 1_000_000
    assert sum(len(chunk.samples) for chunk in chunks) == pytest.approx(16_000, abs=2)
    assert all(
        after.t_capture_ns == before.t_arrival_ns for before, after in pairwise(chunks)
    )


def test_media_merges_by_arrival(tmp_path: Path) -> None:
    """Frames and chunks come in one order of arrival, sound first when equal."""
    items = _items(write_clip(tmp_path / "a.mkv", sound=click(0.1)))
    arrivals = [item.t_arrival_ns for item in items]
    assert arrivals == sorted(arrivals)
    at_40_ms = [item for item in items if item.t_arrival_ns == START_NS + 40_000_000]
    assert [type(item) for item in at_40_ms] == [AudioChunk, Frame]


def test_media_begins_with_the_earlier_stream(tmp_path: Path) -> None:
    """The earliest item lies at the start, and the streams keep their distance."""
    path = write_clip(
        tmp_path / "a.mkv",
        frame_ms=range(200, 600, 40),
        sound=click(0.3),
        sound_ms=(100,),
    )
    items = _items(path)
    assert _times_ms(_chunks(items))[0] == 0
    assert _times_ms(_frames(items))[0] == 100
    assert abs(_first_loud_ns(_chunks(items)) - START_NS - 300_000_000) < 1_000_000


def test_media_marks_a_gap_in_the_sound(tmp_path: Path) -> None:
    """Where the sound jumps, one chunk says so and begins at the new time."""
    path = write_clip(tmp_path / "a.mkv", sound=click(0.7), sound_ms=(0, 900))
    chunks = _chunks(_items(path))
    (after,) = [chunk for chunk in chunks if chunk.gap_before]
    assert _times_ms([after]) == [900]
    assert abs(_first_loud_ns(chunks) - START_NS - 1_100_000_000) < 1_000_000


def test_media_drops_frames_that_go_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A frame whose time is not after the last is dropped, counted and logged once."""
    path = write_clip(tmp_path / "a.mkv", frame_ms=[0, 40, 80, 120, 160])
    with MediaSource(move_frame(path, 120, 30)) as source:
        frames = _frames(list(iterate(source, 0)))
        assert source.dropped == 1
    assert _times_ms(frames) == [0, 40, 80, 160]
    assert [frame.index for frame in frames] == [0, 1, 2, 4]
    assert len(caplog.records) == 1


def test_media_leaves_out_sound_when_told(tmp_path: Path) -> None:
    """Without sound asked for there is none, and no note about it."""
    path = write_clip(tmp_path / "a.mkv", sound=click(0.5))
    with MediaSource(path, audio=False) as source:
        assert not source.info.has_audio
        assert source.info.note is None
        assert not _chunks(list(iterate(source, 0)))


def test_media_notes_what_is_missing(tmp_path: Path, decoder: str) -> None:
    """The note says why there is no sound: none in the file, or the extra is absent."""
    with MediaSource(write_pictures(tmp_path / "a.mp4")) as source:
        note = source.info.note or ""
    assert ("edge_affect[media]" if decoder == "opencv" else "no sound") in note


def test_media_reads_a_cut_file_as_far_as_it_goes(tmp_path: Path, decoder: str) -> None:
    """A file whose end is missing gives what is there, then says so in one error."""
    path = write_clip(tmp_path / "a.mkv", frame_ms=range(0, 4_000, 40))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    items: list[Frame | AudioChunk] = []
    with MediaSource(path) as source:
        with pytest.raises(SourceError, match=r"cut short: \d\.\d of 4\.0 s"):
            items.extend(iterate(source, 0))
        assert source.ended
    assert 30 < len(_frames(items)) < 70


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_media_tells_a_cut_file_that_states_no_length(
    tmp_path: Path, share: float
) -> None:
    """The broken last picture shows that an MPEG program stream was cut."""
    path = write_program_stream(tmp_path / "a.mpg")
    whole = path.read_bytes()
    assert len(_frames(_items(path))) == 50
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(SourceError, match="may be cut short"):
        _items(path)


def test_media_reads_a_file_with_labels_in_an_old_encoding(tmp_path: Path) -> None:
    """Labels that are not UTF-8 do not make a file unfit."""
    path = write_clip(tmp_path / "a.mkv")
    assert b"Lavf" in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(b"Lavf", b"L\xe4vf"))
    assert len(_frames(_items(path))) == 25


def test_media_gives_equal_items_each_time(tmp_path: Path) -> None:
    """Times and pixels do not depend on when the file is read."""
    path = write_pictures(tmp_path / "a.mp4", 5)
    first, second = _frames(_items(path)), _frames(_items(path))
    assert _times_ms(first) == _times_ms(second)
    assert all(
        np.array_equal(a.data, b.data) for a, b in zip(first, second, strict=True)
    )


def _text(path: Path) -> None:
    path.write_text("a page of text\n" * 200)


def _junk(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(5_000))


def _play_list(path: Path) -> None:
    path.write_text("#EXTM3U\n#EXTINF:4,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")


UNFIT: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing.mp4": (lambda path: None, "no such file"),
    "folder": (Path.mkdir, "is a directory"),
    "empty.mp4": (Path.touch, "is empty"),
    "pipe": (os.mkfifo, "is not a file"),
    "text.txt": (_text, "expected a video file"),
    "junk.mp4": (_junk, "expected a video file"),
    "list.m3u8": (_play_list, "expected a video file"),
    "nul\0.mp4": (lambda path: None, "cannot be read"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_media_says_in_one_line_why_a_file_is_unfit(
    tmp_path: Path, decoder: str, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each unfit file is a SourceError of one line, and nothing else is printed."""
    make, reason = UNFIT[name]
    make(tmp_path / name)
    source = MediaSource(tmp_path / name)
    with pytest.raises(SourceError, match=reason) as caught:
        source.__enter__()
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1
    assert capfd.readouterr() == ("", "")
    assert source.ended


def test_media_refuses_sound_alone(tmp_path: Path, decoder: str) -> None:
    """A file without video is named as such."""
    path = write_clip(tmp_path / "a.mkv", frame_ms=(), sound=click(0.5))
    with pytest.raises(SourceError, match="has no video"):
        MediaSource(path).__enter__()


def test_media_refuses_an_unreadable_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that may not be read is named as such; root never meets one."""

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    path = write_pictures(tmp_path / "a.mp4")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SourceError, match="cannot be read: Permission denied"):
        MediaSource(path).__enter__()


def test_media_closed_by_another_thread_ends(tmp_path: Path) -> None:
    """Closing while another thread reads ends the reading without harm."""
    path = write_pictures(tmp_path / "a.mp4", 200)
    with MediaSource(path) as source:
        reader = threading.Thread(target=lambda: list(iterate(source, 0)))
        reader.start()
        source.close()
        reader.join(5)
        assert not reader.is_alive()
        assert source.ended


@pytest.mark.parametrize(
    ("pattern", "frames", "sound"),
    [("grid_*.mpg", 75, 47_648), ("noface_face.mov", 169, 63_449)],
)
def test_media_reads_the_real_clips(
    data_root: Path, pattern: str, frames: int, sound: int
) -> None:
    """Real clips give every frame and the sound of their length."""
    pytest.importorskip("av", reason="av is not installed")
    paths = sorted((data_root / "clips").glob(pattern))
    if not paths:
        pytest.skip(f"no {pattern} in the data root")
    for path in paths:
        items = _items(path)
        assert len(_frames(items)) == frames
        samples = sum(len(chunk.samples) for chunk in _chunks(items))
        assert samples == pytest.approx(sound, abs=400)
        assert not any(chunk.gap_before for chunk in _chunks(items))
