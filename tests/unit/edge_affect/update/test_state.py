from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from edge_affect.errors import BundleError
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.update.state import (
    MOST_REFUSED,
    Installed,
    StoreState,
    parse_state,
    version_key,
)
from tests.fakes.bundles import TINY

OLD = Installed("a" * 64, "tiny", "0.9.0")
OLDER = Installed("b" * 64, "tiny", "0.8.0")


@pytest.fixture
def bundle() -> Bundle:
    """Return the tiny bundle, version 0.0.1."""
    return load_bundle(TINY, allow_unsigned=True)


def test_state_of_a_first_update(bundle: Bundle) -> None:
    """The new one is on trial; before it there is the shipped bundle alone."""
    state = StoreState().switched(bundle)
    assert state.current == Installed(bundle.digest, "tiny", "0.0.1")
    assert state.previous is None
    assert state.on_trial
    assert state.is_trial_of(bundle.digest)
    assert not state.is_trial_of("a" * 64)


def test_state_never_goes_back_to_a_bundle_that_is_unproven(bundle: Bundle) -> None:
    """An update during a trial keeps what went well before both."""
    proven = StoreState(current=OLD)
    assert proven.switched(bundle).previous == OLD
    on_trial = StoreState(current=OLD, previous=OLDER, starts=2)
    assert on_trial.switched(bundle).previous == OLDER
    assert on_trial.switched(bundle).starts == 0


def test_state_floor_rises_by_a_commit_alone(bundle: Bundle) -> None:
    """Neither a switch nor a roll-back moves it, and it never falls."""
    state = StoreState(current=OLD, floor="0.9.0")
    assert state.switched(bundle).floor == "0.9.0"
    assert state.switched(bundle).rolled_back("slow").floor == "0.9.0"
    assert state.switched(bundle).committed().floor == "0.9.0"
    newer = replace(state, current=Installed("c" * 64, "tiny", "0.10.0"), starts=0)
    assert newer.committed().floor == "0.10.0"
    assert not newer.committed().on_trial


def test_state_rolled_back_remembers_why(bundle: Bundle) -> None:
    """The failed bundle is named with the reason in one printable line."""
    state = (
        StoreState(current=OLD)
        .switched(bundle)
        .rolled_back("a\nb \x1b[31m" + "x" * 999)
    )
    assert (state.current, state.previous, state.on_trial) == (OLD, None, False)
    (refused,) = state.refused
    assert (refused.digest, refused.version) == (bundle.digest, "0.0.1")
    assert refused.reason.startswith("a b ?[31mx")
    assert parse_state(state.to_json()) == state
    assert StoreState().rolled_back("nothing is installed") == StoreState()


def test_state_remembers_the_newest_failures(bundle: Bundle) -> None:
    """What failed long ago is forgotten, so that the state stays small."""
    state = StoreState(current=OLD)
    for number in range(MOST_REFUSED + 3):
        state = state.switched(bundle).rolled_back(f"reason {number}")
    assert len(state.refused) == MOST_REFUSED
    assert state.refused[-1].reason == f"reason {MOST_REFUSED + 2}"


def test_state_counts_starts() -> None:
    """Those that ended in order are taken off again."""
    state = StoreState(current=OLD, starts=0).started("a").started("a").ended()
    assert state.starts == 1
    assert state.ended().ended().starts == 0


def test_state_forgets_the_starts_of_another_boot() -> None:
    """When the power was cut nobody knows whose fault an open start was."""
    state = StoreState(current=OLD, starts=0).started("a").started("a")
    assert (state.starts_in("a"), state.starts_in("b")) == (2, 0)
    assert state.started("b").starts == 1


def test_versions_are_compared_by_their_numbers() -> None:
    """0.10.0 is newer than 0.9.9."""
    assert version_key("0.10.0") > version_key("0.9.9")


def test_state_survives_its_file() -> None:
    """Every field comes back."""
    state = StoreState(OLD, OLDER, "0.9.0", 2).rolled_back("slow")
    counted = StoreState(OLD, OLDER, "0.9.0", 2, "a")
    for one in (state, StoreState(), StoreState(OLD, OLDER, "0.9.0", 2), counted):
        assert parse_state(one.to_json()) == one


def test_state_of_before_boots_were_named_is_read() -> None:
    """A device that is updated has such a file."""
    old = json.loads(StoreState(OLD, OLDER, "0.9.0", 2).to_json())
    del old["boot"]
    assert parse_state(json.dumps(old).encode()).starts == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"schema": 1', b'"schema": 2'),
        (b'"starts": 2', b'"starts": -1'),
        (b'"starts": 2', b'"starts": true'),
        (b'"0.9.0"', b'"0.9"'),
        (b'"tiny"', b'"../tiny"'),
        (b"a" * 64, b"a" * 63),
        (b"a" * 64, b"A" * 64),
        (b'"floor"', b'"roof"'),
        (b"}", b""),
    ],
)
def test_state_that_is_damaged_is_refused(old: bytes, new: bytes) -> None:
    """Nothing in it can lead out of the store."""
    content = StoreState(OLD, OLDER, "0.9.0", 2).to_json()
    with pytest.raises(BundleError, match=r"state\.json"):
        parse_state(content.replace(old, new, 1))


def test_state_garbled_is_a_bundle_error_or_a_state(tmp_path: Path) -> None:
    """Seeded garbling never brings up another exception."""
    draw = random.Random(4)
    sound = StoreState(OLD, OLDER, "0.9.0", 2).rolled_back("slow").to_json()
    for _ in range(500):
        content = bytearray(sound)
        content[draw.randrange(len(content))] = draw.randrange(256)
        try:
            parse_state(bytes(content))
        except BundleError:
            continue
