"""A clip through ours and through peers: that all of it is counted, in turns."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.beside import AT_OUR_PACE, EVERY_FRAME, OURS
from benchmarks.records import load_result


def test_every_chain_reads_every_frame_and_is_held_against_ours(
    data_root: Path, tmp_path: Path
) -> None:
    """Two rounds of a clip of 75 frames; looking less often is never slower."""
    clip, out = data_root / "clips" / "grid_bbaf2n.mpg", tmp_path / "peers.json"
    if not clip.is_file():
        pytest.skip("the data root has no GRID clip")
    given = ["--clip", str(clip), "--data", str(data_root), "--json", str(out)]
    assert main(["peers", *given, "--rounds", "2"]) == 0
    records = load_result(out).records
    means = {r.model: r for r in records if r.metric == "mean_ms"}
    assert list(means) == [OURS, EVERY_FRAME, AT_OUR_PACE]
    assert {record.n for record in means.values()} == {150}
    ratios = {r.model: r for r in records if r.metric == "ratio"}
    assert set(ratios) == {EVERY_FRAME, AT_OUR_PACE}
    for name, record in ratios.items():
        assert record.against == OURS
        quotient = means[name].value / means[OURS].value
        assert record.value == pytest.approx(quotient)
        assert (record.low or 0) <= record.value <= (record.high or 0)


def test_a_clip_without_frames_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 1 or more, no result file."""
    (tmp_path / "film.mp4").write_bytes(b"no film")
    out = tmp_path / "peers.json"
    given = ["--clip", str(tmp_path / "film.mp4"), "--data", str(tmp_path)]
    assert main(["peers", *given, "--json", str(out)]) > 0
    assert "film.mp4: has no frames" in capsys.readouterr().err
    assert not out.exists()
