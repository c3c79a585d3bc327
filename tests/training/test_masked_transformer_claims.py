"""The study of masks: drops by definition, and that every claim has its figures."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("av")

import numpy as np

from tests.training.clips import make_clips
from training.challenge import challenge_figures
from training.claims import masked_transformer as study
from training.claims.base import Material
from training.claims.masked_transformer import STUDY, drop_faces
from training.clips.recipe import load_net
from training.clips.tape import Tape
from training.clips.trainer import estimate_rows
from training.models.masked_transformer import EncoderConfig
from training.recipes.masked_transformer import VaTrainer

pytestmark = pytest.mark.torch
SMALL = EncoderConfig(width=8, layers=1, heads=2, inner=8)


def _runs(tape: Tape) -> list[int]:
    """Return the lengths of the runs without a face, in frames."""
    shown = zip(tape.clip.tolist(), tape.present.tolist(), strict=True)
    return [len(list(run)) for (_, seen), run in groupby(shown) if not seen]


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("kind", ["independent", "burst"])
def test_drops_take_their_share(kind: str, rate: float) -> None:
    """The rate is that of all frames; what is gone is 0, what stays is as it was."""
    tape = Tape.join(make_clips(60, 400))
    lossy = drop_faces(tape, kind, rate, seed=3)
    assert (~lossy.present).float().mean().item() == pytest.approx(rate, abs=0.05)
    assert lossy.face[~lossy.present].abs().max() == 0
    assert lossy.face[lossy.present].equal(tape.face[lossy.present])
    assert lossy.valence_arousal is tape.valence_arousal


def test_drops_come_one_by_one_or_in_bursts_of_a_second() -> None:
    """At one half a lone run lasts 2 frames on average, a burst 1 s at any rate."""
    for fps in (30.0, 24.0):
        tape = Tape.join(make_clips(4, 6000, fps=(fps,)))
        runs = _runs(drop_faces(tape, "independent", 0.5, seed=1))
        assert sum(runs) / len(runs) == pytest.approx(2, rel=0.1)
        runs = _runs(drop_faces(tape, "burst", 0.5, seed=1))
        assert sum(runs) / len(runs) == pytest.approx(fps, rel=0.15)


def test_drops_are_seeded() -> None:
    """The same seed loses the same faces, another one others."""
    tape = Tape.join(make_clips(2, 100))
    first, again, other = (
        drop_faces(tape, "burst", 0.5, seed).present for seed in (1, 1, 2)
    )
    assert first.equal(again)
    assert not first.equal(other)


def test_every_claim_has_its_figures(tmp_path: Path) -> None:
    """Arms and figures that the claims name are there after tiny runs."""
    parts = [Tape.join(make_clips(3, 40, seed=seed)) for seed in range(3)]
    figures = {
        arm: STUDY.run(
            arm,
            replace(config, epochs=1, batch=8, hop=4, frames=3, net=SMALL),
            Material(*parts),
            tmp_path / arm,
        )
        for arm, config in STUDY.arms.items()
        if arm in ("none", "EXPR_focal", "AU_weighted")
    }
    told = {STUDY.arms[arm].task: given for arm, given in figures.items()}
    for claim in STUDY.claims:
        for arm, figure in (claim.better, claim.than):
            assert figure in told[STUDY.arms[arm].task]


def test_arms_share_what_is_not_masked() -> None:
    """No mask is one arm, not one for frames and one for elements."""
    masked = {arm: c for arm, c in STUDY.arms.items() if c.task == "VA"}
    assert len(masked) == 7
    assert [a for a, c in masked.items() if c.mask_probability == 0] == ["none"]


def test_drops_are_measured_on_faces_that_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures under drops are of the test part without those faces, drawn by seed."""
    shown: list[Tape] = []

    def spy(kind: Any, config: Any, net: Any, tape: Tape, rows: Any) -> Any:
        shown.append(tape)
        return estimate_rows(kind, config, net, tape, rows)

    monkeypatch.setattr(study, "estimate_rows", spy)
    train, dev = (Tape.join(make_clips(3, 40, seed=seed)) for seed in (0, 1))
    test = Tape.join(make_clips(12, 150, seed=2))
    config = replace(
        STUDY.arms["none"], epochs=1, batch=8, hop=4, frames=3, net=SMALL, seed=5
    )
    figures = STUDY.run("none", config, Material(train, dev, test), tmp_path)
    net = load_net(VaTrainer, tmp_path / "best.safetensors", test)
    rows = test.labelled("VA")[::3]

    def measured(tape: Tape) -> float:
        estimates = estimate_rows(VaTrainer, config, net, tape, rows)
        return challenge_figures(test.labels(rows), estimates)["p_va"]

    whole = measured(test)
    for kind in ("independent", "burst"):
        told = []
        for rate in (0.2, 0.5, 0.8):
            lossy = drop_faces(test, kind, rate, seed=5)
            told.append(figures[f"p_va_{kind}_{rate}"])
            assert told[-1] == measured(lossy) != whole
            gone = ~shown.pop(0).present
            assert gone.float().mean().item() == pytest.approx(rate, abs=0.15)
        assert figures[f"p_va_{kind}"] == pytest.approx(np.mean(told))
    assert not shown
