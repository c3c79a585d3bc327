"""The oracle: its features look back only, and it tells what can be told."""

from __future__ import annotations

import numpy as np
import pytest

from edge_affect.labels import ACTION_UNITS
from edge_affect.sources.simulated import events
from training.engine.cache import Arrays
from training.synthetic import oracle
from training.synthetic.family_b import repertoire
from training.synthetic.film import arrays_from_truths
from training.synthetic.oracle import measure_oracle, sound_features, unit_features
from training.synthetic.plan import FAMILIES, ClipPlan, plan_clips

MOST = 0.5
"""Share of arousal's variance that sound may explain."""


def _acted(plans: list[ClipPlan], rate: int, seconds: int = 16) -> list[Arrays]:
    """Return the truth of drivers who are not filmed."""
    clips = []
    for plan in plans:
        script = plan.family.act(plan.seed, plan.pool)
        times_ns = [
            (20 * rate + step) * 1_000_000_000 // rate for step in range(seconds * rate)
        ]
        clips.append(arrays_from_truths([script.truth_at(t_ns) for t_ns in times_ns]))
    return clips


@pytest.mark.parametrize("family", ["A", "B"])
def test_oracle_hears_at_most_half_of_arousal(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sound tells something of arousal but not half; face and sound tell more."""
    pytest.importorskip("sklearn")
    monkeypatch.setattr(oracle, "DRIVERS", 45)
    plans = plan_clips(FAMILIES[family], 15, 3)
    rates = [plan.pool.fps for plan in plans]
    truths = [_acted([plan], rate)[0] for plan, rate in zip(plans, rates, strict=True)]
    figures = measure_oracle(truths, plans, seed=3)
    assert 0 <= figures["sound_share"] <= MOST
    assert figures["units"]["valence"] > 0.6
    assert figures["units"]["expression"] > 0.3 > figures["sound"]["expression"] > 0
    assert figures["both"]["arousal"] > figures["sound"]["arousal"] > 0.05
    assert figures["frames"] == sum(16 * rate for rate in rates)


@pytest.mark.parametrize("family", ["A", "B"])
def test_vocal_effort_holds_at_most_half_of_arousal(family: str) -> None:
    """Even an ear that hears effort in silence explains no more than half."""
    clips = _acted(plan_clips(FAMILIES[family], 150, 2), rate=1)
    arousal = np.concatenate([clip["affect"][:, 1] for clip in clips])
    effort = np.concatenate([clip["factors"][:, 0] for clip in clips])
    assert 0.25 < np.corrcoef(arousal, effort)[0, 1] ** 2 <= MOST


def test_oracle_features_do_not_look_ahead() -> None:
    """What comes later changes nothing before."""
    random = np.random.default_rng(0)
    units = random.random((90, len(ACTION_UNITS))).astype(np.float32)
    factors = random.random((90, 3)).astype(np.float32)
    changed_units, changed_factors = units.copy(), factors.copy()
    changed_units[50:] = 0
    changed_factors[50:] = 0
    for before, after in (
        (unit_features(units, 30), unit_features(changed_units, 30)),
        (sound_features(factors, 30), sound_features(changed_factors, 30)),
    ):
        np.testing.assert_array_equal(before[:50], after[:50])
        assert not np.array_equal(before[50:], after[50:])


def test_sound_features_remember_the_last_effort() -> None:
    """In a pause the effort of the last word stays, and its age grows."""
    factors = np.zeros((40, 3), np.float32)
    factors[:10] = (0.7, 1, 0)
    factors[10:, 0] = -0.9
    features = sound_features(factors, 10)
    assert features[30, 0] == pytest.approx(0.7)
    assert features[30, 1] == pytest.approx(2.1)
    assert sound_features(factors[10:], 10)[:, 0].max() == 0


def test_family_scripts_answer_in_any_order() -> None:
    """Family B's script gives the same truth whatever was asked before."""
    plan = plan_clips(FAMILIES["B"], 1, 0)[0]
    times_ns = [0, 35_000_000_000, 3_210_000_000, 35_000_000_000]
    script = plan.family.act(plan.seed, plan.pool)
    once = [script.truth_at(t_ns) for t_ns in times_ns]
    again = plan.family.act(plan.seed, plan.pool)
    assert [again.truth_at(t_ns) for t_ns in times_ns[::-1]] == once[::-1]


def test_families_show_affect_by_other_patterns() -> None:
    """No pattern of units, and no place of an expression, is in both families."""
    patterns = [
        {pattern for kind in kinds for pattern in kind.patterns} - {""}
        for kinds in (events.KINDS, repertoire.KINDS)
    ]
    assert not patterns[0] & patterns[1]
    places = [
        {(kind.valence, kind.arousal) for kind in kinds[1:]}
        for kinds in (events.KINDS, repertoire.KINDS)
    ]
    assert not places[0] & places[1]
