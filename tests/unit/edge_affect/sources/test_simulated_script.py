"""The simulated driver's script and identity."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.labels import ACTION_UNITS, EXPRESSIONS
from edge_affect.sources.simulated import Truth, identity_from_seed
from edge_affect.sources.simulated.events import SLOT_S
from edge_affect.sources.simulated.script import SeededScript

FLOAT_SLACK = 1e-12
"""For sums of a few hundred terms of size 1."""


def _truths(seed: int, seconds: int, step_ms: int = 100) -> list[Truth]:
    script = SeededScript(seed, identity_from_seed(seed))
    return [script.truth_at(t * NS_PER_MS) for t in range(0, 1000 * seconds, step_ms)]


def test_identity_is_the_seed_s_alone() -> None:
    """The same seed gives the same person, another seed another one."""
    assert identity_from_seed(7) == identity_from_seed(7)
    assert identity_from_seed(7) != identity_from_seed(8)


def test_identities_vary_widely() -> None:
    """Skins reach from light to dark; every hair style and glasses occur."""
    people = [identity_from_seed(seed) for seed in range(120)]
    red = [person.looks.skin[2] for person in people]
    assert min(red) < 0.4
    assert max(red) > 0.85
    assert len({person.looks.hair_style for person in people}) == 6
    assert len({person.looks.glasses for person in people}) == 3
    assert {person.cabin.window_side for person in people} == {-1, 1}


def test_identity_brows_are_darker_than_skin() -> None:
    """Brows stay visible whatever the hair."""
    for seed in range(60):
        looks = identity_from_seed(seed).looks
        assert all(b < s for b, s in zip(looks.brows, looks.skin, strict=True))


def test_truth_without_values_is_a_person_at_rest() -> None:
    """The defaults name every action unit and move none."""
    assert tuple(Truth().action_units) == ACTION_UNITS
    assert set(Truth().action_units.values()) == {0.0}


def test_script_truth_is_in_range() -> None:
    """Every value that the script gives is what its field promises."""
    for seed in range(4):
        for truth in _truths(seed, 40):
            assert -1 <= truth.valence <= 1
            assert -1 <= truth.arousal <= 1
            assert -1 <= truth.vocal_effort <= 1
            assert truth.expression in EXPRESSIONS
            assert tuple(truth.action_units) == ACTION_UNITS
            assert all(0 <= unit <= 1 for unit in truth.action_units.values())
            assert 0 <= truth.eyes_closed <= 1
            assert 0 <= truth.mouth_opening <= 1
            assert abs(truth.yaw_deg) < 75
            assert abs(truth.pitch_deg) < 40
            assert abs(truth.roll_deg) < 30


def test_script_answers_in_any_order() -> None:
    """What is asked first, or twice, or by a fresh script, changes nothing."""
    times = [int(t) for t in np.random.default_rng(3).integers(0, 200 * NS_PER_S, 60)]
    one = SeededScript(5, identity_from_seed(5))
    other = SeededScript(5, identity_from_seed(5))
    forward = {t: one.truth_at(t) for t in sorted(times)}
    backward = {t: other.truth_at(t) for t in sorted(times, reverse=True)}
    assert forward == backward
    assert all(one.truth_at(t) == forward[t] for t in times)


def test_script_starts_at_zero() -> None:
    """Before the start, the state is that of the start."""
    script = SeededScript(1, identity_from_seed(1))
    assert script.truth_at(-NS_PER_S) == dataclasses.replace(
        script.truth_at(0), speaking=False
    )


def test_script_is_continuous_across_slots() -> None:
    """Nothing jumps where one slot of the script meets the next."""
    script = SeededScript(2, identity_from_seed(2))
    for number in range(1, 30):
        before, after = script._slot(number - 1), script._slot(number)
        assert np.abs(before.values[-1] - after.values[0]).max() < FLOAT_SLACK


def test_script_affect_moves_smoothly() -> None:
    """Valence and arousal rise over 0.3 s at the least: no step, no kink."""
    truths = _truths(3, 60, step_ms=10)
    affect = np.array([(t.valence, t.arousal) for t in truths])
    speed = np.abs(np.diff(affect, axis=0)) / 0.01
    assert speed.max() < 1.8 * 3.36 / np.e / 0.3
    assert affect.std(axis=0).min() > 0.1


def test_script_shows_every_expression() -> None:
    """A few minutes hold all eight, none rules alone, and neutral is common."""
    shown = [t.expression for seed in range(6) for t in _truths(seed, 100, 500)]
    share = {name: shown.count(name) / len(shown) for name in EXPRESSIONS}
    assert min(share.values()) > 0.01
    assert 0.15 < share["neutral"] < 0.6


def test_script_same_expression_shows_in_several_ways() -> None:
    """Happiness comes with and without raised cheeks: units are not a function."""
    happy = [
        truth
        for seed in range(20)
        for truth in _truths(seed, 40, 500)
        if truth.expression == "happiness" and truth.valence > 0.5
    ]
    cheeks = np.array([truth.action_units["AU6"] for truth in happy])
    smile = np.array([truth.action_units["AU12"] for truth in happy])
    assert np.median(smile) > 0.4
    assert (cheeks < 0.25).mean() > 0.1
    assert (cheeks > 0.4).mean() > 0.1


def test_script_voice_explains_half_of_arousal_at_most() -> None:
    """Vocal effort follows arousal, but no ear could tell more than half of it."""
    truths = [truth for seed in range(24) for truth in _truths(seed, 60, 500)]
    arousal = np.array([truth.arousal for truth in truths])
    effort = np.array([truth.vocal_effort for truth in truths])
    explained = np.corrcoef(arousal, effort)[0, 1] ** 2
    assert 0.3 < explained < 0.55


def test_script_speech_and_blinks_come_without_affect() -> None:
    """Talking and blinking are as frequent when calm as when excited."""
    truths = [truth for seed in range(24) for truth in _truths(seed, 60, 100)]
    arousal = np.array([truth.arousal for truth in truths])
    speaking = np.array([truth.speaking for truth in truths], float)
    closed = np.array([truth.eyes_closed for truth in truths])
    assert 0.2 < speaking.mean() < 0.6
    assert 0.01 < closed.mean() < 0.15
    assert abs(np.corrcoef(arousal, speaking)[0, 1]) < 0.1
    assert abs(np.corrcoef(arousal, closed)[0, 1]) < 0.05


def test_script_speech_moves_the_mouth() -> None:
    """The mouth opens in utterances alone, and the action units show it."""
    truths = [truth for seed in range(4) for truth in _truths(seed, 40, 50)]
    assert any(truth.mouth_opening > 0.4 for truth in truths)
    for truth in truths:
        assert truth.speaking or truth.mouth_opening < 0.35
        assert truth.action_units["AU25"] >= min(1, 2 * truth.mouth_opening) - 0.05


@pytest.mark.parametrize("slot", [0, 7])
def test_script_utterances_stay_in_their_slot(slot: int) -> None:
    """No utterance or syllable crosses the border of its slot."""
    for seed in range(8):
        script = SeededScript(seed, identity_from_seed(seed))
        for utterance in script.utterances(slot):
            assert SLOT_S * slot < utterance.start_s < utterance.end_s
            assert utterance.end_s < SLOT_S * (slot + 1)
            for one in utterance.syllables:
                assert utterance.start_s < one.t_s
                assert one.t_s + one.duration_s < utterance.end_s


def test_script_looks_away_now_and_then() -> None:
    """Heads turn well away, rarely; mostly they face the road."""
    camera = [identity_from_seed(seed).camera.yaw_deg for seed in range(20)]
    turned = np.array(
        [
            abs(truth.yaw_deg - yaw)
            for seed, yaw in enumerate(camera)
            for truth in _truths(seed, 100, 250)
        ]
    )
    assert turned.max() > 30
    assert (turned > 25).mean() < 0.03
    assert np.median(turned) < 8
