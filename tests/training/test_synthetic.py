"""Filmed sets: layout, labels, going on, refusals."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_affect.errors import DataError, UsageError

pytest.importorskip("av")
pytest.importorskip("sklearn")

from training.data.aff_wild2 import load_aff_wild2, read_crops, read_sound
from training.synthetic import oracle
from training.synthetic.annotations import invalid_runs
from training.synthetic.plan import FAMILIES, plan_clips, plan_stand_ins
from training.synthetic.synthesize import synthesize

CLIPS, SEED, SHORT_S = 3, 4, 2


@pytest.fixture(scope="module", autouse=True)
def few_stand_ins() -> Any:
    """Let the oracle learn from a few drivers only: its figures do not matter here."""
    patch = pytest.MonkeyPatch()
    patch.setattr(oracle, "DRIVERS", 4)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set of family A, never written to."""
    root = tmp_path_factory.mktemp("synthetic") / "A"
    synthesize(root, "A", CLIPS, SEED, duration_s=SHORT_S)
    return root


def _manifest(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "manifest.json").read_text())
    return found


def _digests(root: Path) -> list[str]:
    return [clip["digest"] for clip in _manifest(root)["clips"]]


def _truth(root: Path, name: str) -> Any:
    return np.load(root / "truth" / f"{name}.npz")


def test_synthesize_writes_what_the_reader_reads(filmed: Path) -> None:
    """Clips, labels of all sets, crops and sound come back by Aff-Wild2's reader."""
    clips = load_aff_wild2(filmed, "train")
    assert [clip.name for clip in clips] == [
        "simA-4-0000",
        "simA-4-0001",
        "simA-4-0002",
    ]
    for clip, home, fps in zip(clips, ("VA", "EXPR", "AU"), (30, 25, 24), strict=True):
        assert set(clip.label_sets) == {home, "MTL"}
        assert clip.fps == fps
        assert len(clip.present) == SHORT_S * fps
        crops = read_crops(clip, np.flatnonzero(clip.present)[:2], 112)
        assert crops.shape == (2, 112, 112, 3)
        assert abs(len(read_sound(clip)) - SHORT_S * 16_000) < 2000


def test_synthesize_labels_are_the_truth(filmed: Path) -> None:
    """Labels that are not marked invalid say what the driver did."""
    for clip in load_aff_wild2(filmed, "train"):
        truth = _truth(filmed, clip.name)
        valid = ~np.isnan(clip.valence_arousal[:, 0])
        np.testing.assert_allclose(
            clip.valence_arousal[valid], truth["affect"][valid], atol=1e-4
        )
        valid = clip.expression >= 0
        np.testing.assert_array_equal(
            clip.expression[valid], truth["expression"][valid]
        )
        valid = ~np.isnan(clip.action_units[:, 0])
        np.testing.assert_array_equal(
            clip.action_units[valid], truth["units"][valid] >= 0.5
        )


def test_synthesize_keeps_uni_task_labels_at_home(filmed: Path) -> None:
    """Without the multi-task file a clip has labels of its own task alone."""
    alone = load_aff_wild2(filmed, "train", ("VA", "EXPR", "AU"))
    labelled = [
        (
            bool((~np.isnan(clip.valence_arousal)).any()),
            bool((clip.expression >= 0).any()),
            bool((~np.isnan(clip.action_units)).any()),
        )
        for clip in alone
    ]
    assert labelled == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]


def test_synthesize_depends_on_family_seed_and_number_alone(
    filmed: Path, tmp_path: Path
) -> None:
    """Films by two processes in a larger set are the same to the bit."""
    synthesize(tmp_path / "A", "A", CLIPS + 1, SEED, duration_s=SHORT_S, workers=2)
    assert _digests(tmp_path / "A")[:CLIPS] == _digests(filmed)
    assert len(set(_digests(tmp_path / "A"))) == CLIPS + 1


def test_synthesize_goes_on_where_it_stopped(filmed: Path, tmp_path: Path) -> None:
    """Whole clips are kept; a clip without truth is filmed again, as before."""
    root = tmp_path / "A"
    shutil.copytree(filmed, root)
    (root / "truth" / "simA-4-0001.npz").unlink()
    (root / "cropped_aligned" / "simA-4-0001" / "00003.jpg").unlink()
    kept = root / "videos" / "simA-4-0000.mp4"
    kept.write_bytes(b"whole")
    synthesize(root, "A", CLIPS, SEED, duration_s=SHORT_S)
    assert kept.read_bytes() == b"whole"
    assert _digests(root) == _digests(filmed)
    assert (root / "cropped_aligned" / "simA-4-0001" / "00003.jpg").exists()
    assert not (root / ".unfinished").exists()


def test_synthesize_leaves_a_whole_set_as_it_is(
    filmed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked again for the same set it neither films nor fits the oracle."""
    monkeypatch.setattr("training.synthetic.synthesize.measure_oracle", None)
    before = (filmed / "manifest.json").read_bytes()
    assert synthesize(filmed, "A", CLIPS, SEED, duration_s=SHORT_S).exists()
    assert (filmed / "manifest.json").read_bytes() == before


def test_synthesize_refuses_a_folder_that_holds_something_else(
    filmed: Path, tmp_path: Path
) -> None:
    """A foreign folder, another seed or length and fewer clips are usage errors."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="something else"):
        synthesize(tmp_path, "A", CLIPS, SEED, duration_s=SHORT_S)
    for clips, seed, duration_s, message in (
        (CLIPS, SEED + 1, SHORT_S, "seed 4"),
        (CLIPS, SEED, SHORT_S + 1, "duration_s 2"),
        (CLIPS - 1, SEED, SHORT_S, "holds 3 clips"),
    ):
        with pytest.raises(UsageError, match=message):
            synthesize(filmed, "A", clips, seed, duration_s=duration_s)


@pytest.mark.parametrize(
    "wrong",
    [
        {"family": "C"},
        {"clips": 0},
        {"seed": -1},
        {"workers": 0},
        {"duration_s": float("nan")},
    ],
)
def test_synthesize_refuses_values_out_of_range(
    wrong: dict[str, Any], tmp_path: Path
) -> None:
    """Each value has its own message, and nothing is written."""
    right = {"family": "A", "clips": 1, "seed": 0, "workers": 1}
    with pytest.raises(UsageError, match=next(iter(wrong))):
        synthesize(tmp_path / "A", **{**right, **wrong})
    assert not (tmp_path / "A").exists()


def test_synthesize_names_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is one error, and the same call goes on when there is room."""

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(DataError, match=r"cannot be written \(No space left"):
            synthesize(tmp_path / "A", "A", 1, SEED, duration_s=1)
    synthesize(tmp_path / "A", "A", 1, SEED, duration_s=1)
    assert len(load_aff_wild2(tmp_path / "A", "train")) == 1


def test_synthesize_names_a_damaged_manifest(tmp_path: Path) -> None:
    """A manifest that is none says how to mend it."""
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(DataError, match="remove it"):
        synthesize(tmp_path, "A", 1, SEED)


def test_manifest_tells_how_the_set_came_about(filmed: Path) -> None:
    """Family, seed, versions, each clip and the oracle's figures are there."""
    manifest = _manifest(filmed)
    assert (manifest["family"], manifest["seed"]) == ("A", SEED)
    assert set(manifest["versions"]) == {"numpy", "opencv", "av"}
    assert [clip["pool"] for clip in manifest["clips"]] == ["VA", "EXPR", "AU"]
    assert manifest["oracle"]["clips"] == CLIPS
    assert set(manifest["oracle"]["both"]) == {"valence", "arousal", "expression"}


def test_family_b_is_for_validation_alone(tmp_path: Path) -> None:
    """All of family B stands in the validation sets, in another codec."""
    synthesize(tmp_path / "B", "B", 2, 0, duration_s=1)
    clips = load_aff_wild2(tmp_path / "B", "valid")
    assert [clip.name for clip in clips] == ["simB-0-0000", "simB-0-0001"]
    assert {clip.video.suffix for clip in clips if clip.video} == {".avi"}
    assert not list((tmp_path / "B").glob("*/Train_Set"))
    assert not (tmp_path / "B" / "MTL_Challenge" / "train_set.txt").exists()


def test_plan_divides_pools_and_splits() -> None:
    """Home sets go round, a fifth of each is valid, and no seed comes twice."""
    plans = plan_clips(FAMILIES["A"], 90, 1)
    shares = Counter((plan.pool.name, plan.split) for plan in plans)
    for pool in ("VA", "EXPR", "AU"):
        assert (shares[pool, "train"], shares[pool, "valid"]) == (24, 6)
    others = [*plan_clips(FAMILIES["B"], 90, 1), *plan_clips(FAMILIES["A"], 90, 2)]
    everybody = [*plans, *others, *plan_stand_ins(FAMILIES["A"], 90, 1)]
    assert len({plan.seed for plan in everybody}) == len(everybody)


def test_invalid_runs_have_the_share_and_the_length() -> None:
    """Marks come in runs of the mean length, and in the share that was asked for."""
    marked = invalid_runs(np.random.default_rng(0), 200_000, 0.15, 25)
    starts = np.count_nonzero(np.diff(marked.astype(int)) == 1)
    assert marked.mean() == pytest.approx(0.15, abs=0.01)
    assert marked.sum() / starts == pytest.approx(25, rel=0.05)
