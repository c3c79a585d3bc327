"""Claims: verdicts by hand, runs that are kept, the page."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("scipy")

import numpy as np

from edge_affect.errors import DataError
from tests.training.aff_wild2_tree import write_tree
from tests.training.clips import make_clips
from training.claims.base import Claim, Material, Study, train_and_test
from training.claims.command import STUDIES, open_study
from training.claims.report import report
from training.claims.results import Results
from training.claims.runner import Ground, clips_ground, is_finished, run_study
from training.claims.verdict import judge
from training.clips.recipe import load_net
from training.clips.settings import ClipTraining
from training.clips.tape import Tape
from training.clips.trainer import clip_figures
from training.models.masked_transformer import EncoderConfig
from training.recipes.masked_transformer import MaskedTraining, VaTrainer

pytestmark = pytest.mark.torch
CLAIM = Claim("New beats old", ("new", "p_va"), ("old", "p_va"))


@dataclass(frozen=True, slots=True)
class Settings:
    seed: int = 0
    gain: float = 0.0


class KilledError(Exception):
    """Stands for a kill."""


def _figures(new: list[float], old: list[float]) -> dict[tuple[str, int], Any]:
    runs = {("new", s): {"p_va": v} for s, v in enumerate(new)}
    return runs | {("old", s): {"p_va": v} for s, v in enumerate(old)}


def test_judge_gives_the_t_interval_of_paired_differences() -> None:
    """Differences 1, 2, 3, 4, 5: 3 ± 2.776 · sqrt(2.5 / 5) by hand."""
    verdict = judge(CLAIM, _figures([2, 3, 4, 5, 6], [1, 1, 1, 1, 1]))
    reach = 2.7764 * math.sqrt(0.5)
    assert verdict.difference == pytest.approx(3)
    assert verdict.low == pytest.approx(3 - reach, abs=1e-3)
    assert verdict.high == pytest.approx(3 + reach, abs=1e-3)
    assert (verdict.word, verdict.pairs) == ("supported", 5)


@pytest.mark.parametrize(
    ("new", "old", "word"),
    [
        ([1, 2, 3], [4, 5, 6.5], "contradicted"),
        ([1, 5], [4, 2], "inconclusive"),
        ([1], [0], "inconclusive"),
        ([math.nan], [0], "not run"),
        ([], [0], "not run"),
    ],
)
def test_judge_says_what_the_interval_says(
    new: list[float], old: list[float], word: str
) -> None:
    """Zero inside, or a single pair, decides nothing."""
    assert judge(CLAIM, _figures(new, old)).word == word


def test_judge_pairs_units_of_the_seeds_means() -> None:
    """Two shapes, two seeds: differences 1 and 2, 3 and 4 are 2 and 3 by shape."""
    claim = replace(CLAIM, units=("a", "b", "c"))
    new = [{"p_va/a": 2.0, "p_va/b": 3.0}, {"p_va/a": 4.0, "p_va/b": 5.0}]
    old = [{"p_va/a": 1.0, "p_va/b": 1.0}, {"p_va/a": 1.0, "p_va/b": 1.0}]
    figures = {("new", s): v for s, v in enumerate(new)}
    figures |= {("old", s): v for s, v in enumerate(old)}
    verdict = judge(claim, figures)
    assert verdict.difference == pytest.approx(2.5)
    assert verdict.pairs == 2
    assert verdict.high - verdict.difference == pytest.approx(12.706 * 0.5, abs=1e-2)


def _set(root: Path, family: str) -> Path:
    both = {"valence": 0.8, "arousal": 0.6, "expression": 0.5}
    clips = [{"digest": "0f"}]
    manifest = {"family": family, "clips": clips, "seed": 1, "oracle": {"both": both}}
    root.mkdir(parents=True, exist_ok=True)
    (root / "manifest.json").write_text(json.dumps(manifest))
    return root


def _ground(tmp_path: Path) -> Ground:
    train, test = _set(tmp_path / "A", "A"), _set(tmp_path / "B", "B")
    ground = clips_ground(train, test, Settings(), tmp_path, tmp_path / "results")
    tape = Tape.join(make_clips(2, 5))
    return replace(ground, load=lambda: Material(tape, tape, tape))


class CountingStudy:
    """Counts the runs and can be killed after some."""

    def __init__(self, kill_after: int = 99) -> None:
        self.kill_after = kill_after
        self.done: list[tuple[str, int]] = []

    def run(
        self, arm: str, config: Settings, material: Material, out: Path
    ) -> dict[str, float]:
        if len(self.done) == self.kill_after:
            raise KilledError
        out.mkdir(parents=True)
        self.done.append((arm, config.seed))
        return {"p_va": config.gain + 0.01 * config.seed, "dev_p_va": 0.5}

    def study(self) -> Study:
        arms = {"old": Settings(gain=0.3), "new": Settings(gain=0.4)}
        return Study("made", arms, (CLAIM,), self.run, "Made up.")


def test_a_killed_study_goes_on_where_it_was(tmp_path: Path) -> None:
    """What was finished is not run again; checkpoints are removed at the end."""
    ground = _ground(tmp_path)
    with pytest.raises(KilledError):
        run_study(CountingStudy(3).study(), ground, (1, 2))
    rest = CountingStudy()
    path = run_study(rest.study(), ground, (1, 2))
    assert rest.done == [("new", 2)]
    assert len(json.loads(path.read_text())["records"]) == 4
    assert not (ground.out / "made").exists()


def test_an_arm_with_other_settings_runs_again(tmp_path: Path) -> None:
    """Its old figures are replaced, the other arm's stay."""
    ground = _ground(tmp_path)
    run_study(CountingStudy().study(), ground, (1,))
    again = CountingStudy()
    study = again.study()
    arms = {**study.arms, "new": Settings(gain=0.9)}
    path = run_study(replace(study, arms=arms), ground, (1,))
    assert again.done == [("new", 1)]
    records = json.loads(path.read_text())["records"]
    assert {r["arm"]: r["figures"]["p_va"] for r in records} == {
        "old": 0.31,
        "new": 0.91,
    }


def test_results_of_other_clips_are_refused(tmp_path: Path) -> None:
    """One line that says to remove the file; it stays as it is."""
    ground = _ground(tmp_path)
    path = run_study(CountingStudy().study(), ground, (1,))
    before = path.read_bytes()
    manifest = tmp_path / "A" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("0f", "1f"))
    other = clips_ground(
        tmp_path / "A", tmp_path / "B", Settings(), tmp_path, ground.results
    )
    with pytest.raises(DataError, match="other clips"):
        run_study(CountingStudy().study(), other, (1, 2))
    assert path.read_bytes() == before


def test_results_stay_when_the_oracle_is_measured_anew(tmp_path: Path) -> None:
    """The clips are the same: finished runs are kept, and stand beside its figures."""
    ground = _ground(tmp_path)
    run_study(CountingStudy().study(), ground, (1,))
    manifest = tmp_path / "B" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("0.8", "0.7"))
    again = clips_ground(
        tmp_path / "A", tmp_path / "B", Settings(), tmp_path, ground.results
    )
    study = CountingStudy()
    path = run_study(study.study(), replace(again, load=ground.load), (1, 2))
    assert {seed for _, seed in study.done} == {2}
    stored = json.loads(path.read_text())
    assert stored["data"]["test"]["oracle"]["both"]["valence"] == 0.7
    assert len(stored["records"]) == 4


def test_a_damaged_result_file_is_named(tmp_path: Path) -> None:
    """Half a file is no begin."""
    (tmp_path / "claims-made.json").write_text('{"data": {}')
    with pytest.raises(DataError, match="claims-made"):
        Results.open(tmp_path / "claims-made.json", {})


def test_report_has_arms_shares_and_verdicts(tmp_path: Path) -> None:
    """0.41 and 0.42 of an oracle of 0.7 are 59 %; the claim is judged."""
    ground = _ground(tmp_path)
    study = CountingStudy().study()
    run_study(study, ground, (1, 2, 3))
    page = report([study], ground.results)
    assert "| new | 3 | 0.420 ± 0.008 (60 %) |" in page
    assert "| New beats old | +0.100 | +0.100 to +0.100 | 3 | supported |" in page


def test_report_names_a_study_that_was_not_run(tmp_path: Path) -> None:
    """No file, no figures."""
    assert "Not run." in report([CountingStudy().study()], tmp_path)


def test_figures_are_of_the_test_part(tmp_path: Path) -> None:
    """It trains on one part, selects on another; only ``dev_`` ones are of that."""
    given: list[tuple[Tape, Tape]] = []

    class Told(VaTrainer):
        def __init__(self, config: MaskedTraining, train: Tape, dev: Tape) -> None:
            given.append((train, dev))
            super().__init__(config, train, dev)

    parts = [Tape.join(make_clips(3, 40, seed=seed)) for seed in range(3)]
    net_shape = EncoderConfig(width=8, layers=1, heads=2, inner=8)
    config = MaskedTraining(epochs=1, batch=8, hop=4, frames=3, net=net_shape)
    figures = train_and_test(Told, config, Material(*parts), tmp_path)
    ((train, selected),) = given
    assert train is parts[0]
    assert selected is parts[1]
    net = load_net(VaTrainer, tmp_path / "best.safetensors", parts[2])
    own, dev, test = (clip_figures(VaTrainer, config, net, part) for part in parts)
    assert len({told["p_va"] for told in (own, dev, test)}) == 3
    assert figures == test | {f"dev_{name}": value for name, value in dev.items()}


def _clips_of(root: Path, family: str, valence: float) -> Path:
    """Write a set whose clips of VA carry this valence, and faces of their own."""
    write_tree(_set(root, family))
    for path in root.glob("VA_Estimation_Challenge/*/*.txt"):
        path.write_text(path.read_text().replace("0.5,-0.25", f"{valence},0.1"))
    return root


def test_the_ground_tests_on_the_other_family(tmp_path: Path) -> None:
    """Train and valid of A, valid of B, told apart by names and by labels."""
    pytest.importorskip("soundfile")
    train = _clips_of(tmp_path / "A", "A", 0.25)
    test = _clips_of(tmp_path / "B", "B", -0.75)
    ground = clips_ground(train, test, ClipTraining(), tmp_path / "work", tmp_path)
    material = ground.load()
    for tape, split, valence in (
        (material.train, "train", 0.25),
        (material.dev, "valid", 0.25),
        (material.test, "valid", -0.75),
    ):
        assert {name.split("-")[1] for name in tape.names} == {split}
        of_va = tape.clip == tape.names.index(f"va-{split}-1")
        told = tape.valence_arousal[of_va, 0].numpy()
        assert set(told[~np.isnan(told)].tolist()) == {valence}


def test_a_finished_study_needs_no_clips(tmp_path: Path) -> None:
    """Whether all runs are there is read off the result file alone."""
    ground, counting = _ground(tmp_path), CountingStudy()
    study = counting.study()
    assert not is_finished(study, ground.results, (1, 2))
    run_study(study, ground, (1, 2))
    assert is_finished(study, ground.results, (1, 2))
    assert not is_finished(study, ground.results, (1, 2, 3))
    other = replace(study, arms={**study.arms, "new": Settings(gain=0.5)})
    assert not is_finished(other, ground.results, (1, 2))


def test_the_committed_page_is_what_the_results_say() -> None:
    """Whoever changes a result file or the report writes the page anew."""
    root = Path(__file__).resolve().parents[2]
    studies = [open_study(name) for name in STUDIES]
    written = report(studies, root / "benchmarks" / "results")
    page = (root / "docs" / "claims.md").read_text(encoding="utf-8")
    assert page == written
    for study in studies:
        assert is_finished(study, root / "benchmarks" / "results", range(1, 6))
