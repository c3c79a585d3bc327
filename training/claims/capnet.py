"""CAPNet at four horizons against what needs no network over time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from training.challenge import p_va
from training.claims.base import Claim, Material, Study
from training.clips.recipe import load_net
from training.clips.tape import Tape
from training.clips.windows import newest_marked
from training.models.capnet import CapnetNet
from training.recipes.capnet.config import PRESETS, STEP_S, CapnetTraining
from training.recipes.capnet.stages import (
    TemporalTrainer,
    capnet_figures,
    companion_estimates,
    train_stages,
)
from training.recipes.capnet.windows import windows


@dataclass(frozen=True, slots=True)
class Forecast:
    """An autoregressive model of the companion's estimates."""

    weights: Tensor
    """``(2n + 1, 2)`` of past valences and arousals and of 1."""
    mean: Tensor
    """``(2,)`` mean forecast of the clips that it was fitted on."""
    gain: Tensor
    """``(2,)`` factor that gives forecasts the spread of what they forecast."""

    @classmethod
    def fit(cls, past: Tensor, then: Tensor) -> Forecast:
        """Fit by least squares.

        A least-squares forecast is drawn towards the mean, which a concordance
        punishes; ``gain`` undoes it, so that the comparison is not won by spread.

        Args:
            past: ``(N, n, 2)`` estimates, oldest first.
            then: ``(N, 2)`` the estimate ``horizon_s`` after the newest of them.
        """
        terms = _terms(past)
        weights = torch.linalg.lstsq(terms, then.double()).solution
        told = terms @ weights
        gain = then.double().std(dim=0) / told.std(dim=0).clamp(min=1e-6)
        return cls(weights, told.mean(dim=0), gain)

    def __call__(self, past: Tensor) -> Tensor:
        """Return ``(N, 2)`` float32 for ``(N, n, 2)`` past estimates."""
        told = _terms(past) @ self.weights
        return ((told - self.mean) * self.gain + self.mean).float()


def _terms(past: Tensor) -> Tensor:
    flat = past.flatten(1).double()
    return torch.cat([flat, torch.ones(len(flat), 1, dtype=torch.float64)], dim=1)


def last_label(tape: Tape, rows: Tensor, ago_s: float) -> Tensor:
    """Return ``(B, 2)`` the newest label that is ``ago_s`` old or older, else 0."""
    known = ~torch.isnan(tape.valence_arousal).any(dim=1)
    wanted, inside = tape.past(rows, (ago_s,), at_least=True)
    newest = torch.where(inside, newest_marked(tape, known)[wanted], -1)[:, 0]
    out = tape.valence_arousal[newest.clamp(min=0)].clone()
    out[newest < 0] = 0
    return out


@torch.no_grad()
def fit_forecast(config: CapnetTraining, net: CapnetNet, train: Tape) -> Forecast:
    """Fit the forecast to the companion's estimates on ``train``."""
    rows = torch.nonzero(train.present)[:: config.hop, 0]
    past = windows(config, train, rows)
    estimates = net.companion(train.face)
    rows, faces = rows[past.complete], past.faces[past.complete]
    return Forecast.fit(estimates[faces], estimates[rows])


@torch.no_grad()
def baseline_figures(
    config: CapnetTraining, net: CapnetNet, forecast: Forecast, tape: Tape
) -> dict[str, float]:
    """Return P_VA over all labelled frames of what sees as little as CAPNet.

    ``last_estimate`` is FER-Tuned's of the newest visible face, ``ar_forecast`` its
    past estimates carried on (the last one where the window has a gap),
    ``oracle_last_label`` the truth at the newest visible frame.
    """
    rows = tape.labelled(TemporalTrainer.task)
    truth = tape.valence_arousal[rows].numpy()
    last = companion_estimates(net, tape, rows, config.horizon_s)
    past = windows(config, tape, rows)
    carried = last.clone()
    carried[past.complete] = forecast(
        net.companion(tape.face)[past.faces[past.complete]]
    )
    return {
        "last_estimate": p_va(truth, last.numpy()),
        "ar_forecast": p_va(truth, carried.numpy()),
        "oracle_last_label": p_va(
            truth, last_label(tape, rows, config.horizon_s).numpy()
        ),
    }


def _run(
    arm: str,  # noqa: ARG001 - the configuration says it all
    config: CapnetTraining,
    material: Material,
    out: Path,
) -> dict[str, float]:
    best = train_stages(config, material.train, material.dev, out)
    net = cast(CapnetNet, load_net(TemporalTrainer, best, material.test))
    forecast = fit_forecast(config, net, material.train)
    figures: dict[str, float] = {}
    for prefix, tape in (("", material.test), ("dev_", material.dev)):
        told = capnet_figures(config, net, tape)
        told |= baseline_figures(config, net, forecast, tape)
        figures |= {f"{prefix}{name}": value for name, value in told.items()}
    return figures


_SMALL = PRESETS["small"]
_HORIZONS = {"h0": 0, "h1_3": 1, "h2_3": 2, "h1": 3}
_BASELINES = {
    "last_estimate": "its companion's last estimate",
    "ar_forecast": "an autoregressive forecast of its companion's estimates",
    "oracle_last_label": "the true label at the newest visible frame",
}
_ARMS = {
    **{h: replace(_SMALL, horizon_s=n * STEP_S) for h, n in _HORIZONS.items()},
    "w1": replace(_SMALL, window_s=1.0),
    "w3": replace(_SMALL, window_s=3.0),
}


def _claims() -> tuple[Claim, ...]:
    claims = [
        Claim(f"At {arm}, CAPNet beats {words}", (arm, "p_va"), (arm, baseline))
        for arm in _HORIZONS
        for baseline, words in _BASELINES.items()
        # With nothing hidden the last label is the truth itself.
        if (arm, baseline) != ("h0", "oracle_last_label")
    ]
    claims += [
        Claim(
            "Past faces alone beat FER-Tuned on the current one",
            ("h1_3", "p_va"),
            ("h1_3", "fer_tuned_p_va"),
        ),
        Claim("1/3 s of lead costs", ("h0", "p_va"), ("h1_3", "p_va")),
        Claim("1 s of lead costs more than 1/3 s", ("h1_3", "p_va"), ("h1", "p_va")),
        Claim("2 s of past beat 1 s", ("h1_3", "p_va"), ("w1", "p_va")),
        Claim("3 s of past beat 2 s", ("w3", "p_va"), ("h1_3", "p_va")),
    ]
    return tuple(claims)


STUDY = Study(
    name="capnet",
    arms=_ARMS,
    claims=_claims(),
    run=_run,
    notes=(
        "Mechanism only: simulated faces through our own small face network; the "
        "paper's figures would need its own network tuned on Aff-Wild2's crops. Arms "
        "h0 to h1 see 2 s of past faces, the newest 0, 1/3, 2/3 and 1 s old; w1 and w3 "
        "see 1 and 3 s, the newest 1/3 s old. At h0 the forecast is the last estimate."
    ),
)
