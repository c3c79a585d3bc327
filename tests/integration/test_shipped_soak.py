"""Mixed faults over the shipped bundle, its locator and its tracker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

import edge_affect as ea
from benchmarks.soak.device import Picture
from benchmarks.soak.promises import rows_of
from benchmarks.soak.simulated import SimulatedRun
from edge_affect.sources.base import iterate
from edge_affect.sources.simulated import SimulatedSource
from edge_affect.types import Frame

PICTURES = 16
SIZE = (320, 240)


@pytest.fixture(scope="module")
def model() -> Iterator[ea.AffectModel]:
    """Load the shipped bundle."""
    loaded = ea.AffectModel.load(purpose="research")
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def pictures() -> Sequence[Picture]:
    """Return half a second of the simulated driver."""
    source = SimulatedSource(3, PICTURES / 30, size=SIZE, audio=False)
    with source:
        return [i.data for i in iterate(source, 0) if isinstance(i, Frame)]


@pytest.mark.slow
def test_shipped_bundle_keeps_every_promise_over_five_thousand_frames(
    model: ea.AffectModel, pictures: Sequence[Picture]
) -> None:
    """Real graphs and a real tracker, whatever camera and microphone do."""
    outcome = SimulatedRun(0, model, pictures).run(5_000)
    assert outcome.findings.told == []
    assert [row.promise for row in rows_of(outcome) if not row.kept] == []
    assert outcome.frames >= 5_000


def test_shipped_bundle_gives_the_same_bytes_twice(
    model: ea.AffectModel, pictures: Sequence[Picture]
) -> None:
    """One seed, one record, with real graphs too."""
    one, again = (SimulatedRun(2, model, pictures).run(300) for _ in range(2))
    assert one.digest == again.digest
