"""A clip through ours and through peers: that all of it is counted, in turns."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.beside import OURS, SELDOM
from benchmarks.peers.chains import KINDS, Choice, choose_engines, left_out
from benchmarks.records import load_result

YUNET, ULTRAFACE, MEDIAPIPE = (kind.name for kind in KINDS)


@pytest.mark.slow
def test_every_chain_reads_every_frame_and_is_held_against_ours(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Time, memory, size and accuracy of all stand in one file."""
    if next(iter(left_out(data_root)))[0] in (YUNET, ULTRAFACE, MEDIAPIPE):
        pytest.skip("the data root lacks a peer's files")
    clip, out = data_root / "clips" / "grid_bbaf2n.mpg", tmp_path / "peers.json"
    given = ["--clip", str(clip), "--data", str(data_root), "--json", str(out)]
    assert main(["peers", *given, "--rounds", "1", "--limit", "8"]) == 0
    assert "EmotiEffLib is left out: no weights" in capsys.readouterr().err
    result = load_result(out)
    records = result.records
    chains = [YUNET, f"{YUNET}{SELDOM}", ULTRAFACE, f"{ULTRAFACE}{SELDOM}", MEDIAPIPE]
    means = {r.model: r for r in records if r.metric == "mean_ms"}
    assert list(means) == [OURS, *chains]
    assert {record.n for record in means.values()} == {75}
    ratios = {r.model: r for r in records if r.metric == "ratio"}
    assert list(ratios) == chains
    for name, record in ratios.items():
        assert record.against == OURS
        quotient = means[name].value / means[OURS].value
        assert record.value == pytest.approx(quotient)
        assert (record.low or 0) <= record.value <= (record.high or 0)
    for kind in (YUNET, ULTRAFACE):
        assert ratios[f"{kind}{SELDOM}"].value < ratios[kind].value
    for stage in ("resident memory", "installed, with what it needs"):
        sizes = {r.model: r.value for r in records if r.stage == stage}
        assert set(sizes) == {OURS, YUNET, ULTRAFACE, MEDIAPIPE}
        assert all(5e7 < size < 1e9 for size in sizes.values())
    right = {r.model for r in records if (r.metric, r.set) == ("accuracy", "ferplus")}
    assert right == {OURS, "fer_mobilefacenet_int8", "fer2013_mini_xception"}
    for name, chosen in result.run["engines"].items():
        for part, engine in zip(("finder", "reader"), chosen, strict=True):
            taken = {
                r.stage: r.value
                for r in records
                if r.model == name and (r.stage or "").startswith(part)
            }
            assert min(taken, key=lambda stage: taken[stage]) == f"{part} by {engine}"


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


def test_peers_without_files_are_named_with_what_they_lack(tmp_path: Path) -> None:
    """Weights of a peer that nothing here runs are told as such."""
    (tmp_path / "models").mkdir()
    told = dict(left_out(tmp_path))
    assert "models/ultraface_rfb320.onnx" in told[ULTRAFACE]
    assert told["EmotiEffLib"].startswith("no weights")
    (tmp_path / "models" / "enet_b0_8_best_vgaf.onnx").write_bytes(b"")
    told = dict(left_out(tmp_path))
    assert told["EmotiEffLib"].endswith("nothing here runs it")


def test_the_faster_engine_of_each_part_is_taken(data_root: Path) -> None:
    """Both engines find the same face, and say the same of it."""
    picture = cv2.imread(str(data_root / "clips" / "multi_face.jpg"))
    kind = KINDS[1]
    if picture is None or not kind.in_root(data_root):
        pytest.skip("the data root lacks a clip or a peer's files")
    seen = np.asarray(picture, np.uint8)
    choice: Choice = choose_engines(kind, data_root, seen)
    assert all(taken > 0 for taken in choice.tried_ms.values())
    one, other = (kind.open(data_root, engines) for engines in kind.engines)
    place = one.find(seen)
    assert place == pytest.approx(other.find(seen), abs=0.01)
    known = np.isfinite(one.read(seen, place))
    assert known.sum() == 7
    scores = [peer.read(seen, place)[known] for peer in (one, other)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)
