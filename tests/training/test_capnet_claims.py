"""The study of CAPNet: its baselines by hand, and that every claim has its figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("av")

import torch

from tests.training.clips import make_clips
from training.claims.base import Material
from training.claims.capnet import (
    STUDY,
    Forecast,
    baseline_figures,
    fit_forecast,
    last_label,
)
from training.clips.recipe import load_net
from training.clips.tape import Tape
from training.models.capnet import CapnetNet
from training.recipes.capnet.config import CapnetTraining
from training.recipes.capnet.stages import TemporalTrainer, capnet_figures

pytestmark = pytest.mark.torch
TINY = CapnetTraining(
    epochs=1, batch=8, hop=2, tuned_epochs=1, head_epochs=1, window_s=1.0, hidden=4
)


def _tape(seed: int = 0) -> Tape:
    return Tape.join(make_clips(3, 90, seed=seed))


def test_forecast_finds_the_law_of_a_series() -> None:
    """x(t) = 0.5 x(t−1) − 0.25 x(t−2) + 0.1 in both columns is told exactly."""
    past = torch.randn(50, 2, 2, generator=torch.Generator().manual_seed(1))
    then = 0.5 * past[:, 1] - 0.25 * past[:, 0] + 0.1
    forecast = Forecast.fit(past, then)
    assert torch.allclose(forecast(past), then, atol=1e-5)
    assert torch.allclose(forecast.gain, torch.ones(2, dtype=torch.float64))


def test_forecast_has_the_spread_of_what_it_forecasts() -> None:
    """Noise that cannot be told is made up for, so that CCC is not lost by spread."""
    random = torch.Generator().manual_seed(1)
    past = torch.randn(500, 1, 2, generator=random)
    then = past[:, 0] + torch.randn(500, 2, generator=random)
    told = Forecast.fit(past, then)(past)
    assert torch.allclose(told.std(dim=0), then.std(dim=0), atol=1e-4)
    assert torch.allclose(told.mean(dim=0), then.mean(dim=0), atol=1e-4)


def test_last_label_is_as_old_as_the_horizon() -> None:
    """Ten frames back; an unknown label is passed over; 0 before the first."""
    clips = make_clips(1, 40, fps=(30.0,))
    clips[0].valence_arousal[15] = float("nan")
    tape = Tape.join(clips)
    told = last_label(tape, torch.tensor([5, 25, 30]), 1 / 3)
    assert torch.equal(
        told, torch.stack([torch.zeros(2), *tape.valence_arousal[[14, 20]]])
    )


def test_baselines_at_no_horizon_are_the_estimate_and_the_truth() -> None:
    """Nothing lies between: the forecast is the last estimate, the oracle is right."""
    config, tape = replace(TINY, horizon_s=0.0), _tape()
    torch.manual_seed(0)
    net = CapnetNet(5, 4, 0.0).requires_grad_(requires_grad=False).eval()
    forecast = fit_forecast(config, net, tape)
    figures = baseline_figures(config, net, forecast, tape)
    assert figures["oracle_last_label"] == pytest.approx(1)
    assert figures["ar_forecast"] == pytest.approx(figures["last_estimate"], abs=1e-4)


def test_every_claim_has_its_figures(tmp_path: Path) -> None:
    """Arms and figures that the claims name are there after a tiny run."""
    material = Material(_tape(), _tape(1), _tape(2))
    figures = STUDY.run("h1_3", TINY, material, tmp_path)
    for claim in STUDY.claims:
        for arm, figure in (claim.better, claim.than):
            assert arm in STUDY.arms
            assert figure in figures
    assert {"dev_p_va", "p_va_mean_over_clips"} <= figures.keys()


def test_figures_are_of_the_test_part(tmp_path: Path) -> None:
    """The forecast is fitted on the training part; ``dev_`` ones are of selection."""
    material = Material(_tape(), _tape(1), _tape(2))
    figures = STUDY.run("h1_3", TINY, material, tmp_path)
    net = load_net(TemporalTrainer, tmp_path / "best.safetensors", material.test)
    assert isinstance(net, CapnetNet)
    forecast = fit_forecast(TINY, net, material.train)
    own, dev, test = (
        capnet_figures(TINY, net, tape) | baseline_figures(TINY, net, forecast, tape)
        for tape in (material.train, material.dev, material.test)
    )
    for name in ("p_va", "fer_tuned_p_va", "ar_forecast", "oracle_last_label"):
        assert len({told[name] for told in (own, dev, test)}) == 3
    assert figures == test | {f"dev_{name}": value for name, value in dev.items()}
