"""The grid: cells in exact integers and the rules that give frames their cells."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_affect.clock import NS_PER_S
from edge_affect.realtime.grid import LATE, SURPLUS, CellPlanner, Grid

RATES = [(30, 1), (30_000, 1_001), (25, 1)]
FIRST_NS = 5_000_000_007


@pytest.mark.parametrize("rate", RATES)
def test_grid_puts_the_first_frame_in_the_middle_of_cell_0(
    rate: tuple[int, int],
) -> None:
    """The first frame is as far from either end of its cell, to a nanosecond."""
    grid = Grid.around(FIRST_NS, rate)
    before = FIRST_NS - grid.t0_ns
    after = grid.end_ns(0) - FIRST_NS
    assert grid.cell_of(FIRST_NS) == 0
    assert abs(before - after) <= 2


@given(cell=st.integers(0, 10**9), rate=st.sampled_from(RATES))
def test_grid_end_is_the_first_instant_of_the_next_cell(
    cell: int, rate: tuple[int, int]
) -> None:
    """Cells tile time without gap or overlap, however long the stream."""
    grid = Grid(FIRST_NS, rate)
    end_ns = grid.end_ns(cell)
    assert grid.cell_of(end_ns) == cell + 1
    assert grid.cell_of(end_ns - 1) == cell
    exact = FIRST_NS + Fraction((cell + 1) * NS_PER_S * rate[1], rate[0])
    assert 0 <= end_ns - exact < 1


def planner(wait_ns: int = 33_000_000) -> CellPlanner:
    """Return a planner whose cell 0 has FIRST_NS in its middle."""
    return CellPlanner(Grid.around(FIRST_NS), wait_ns)


def test_planner_places_a_second_frame_into_the_next_cell_when_near() -> None:
    """A frame in a taken cell moves on when it lies within half a cell of the next."""
    plan = planner()
    assert plan.place(FIRST_NS) == 0
    plan.stepped(has_frame=True)
    assert plan.place(FIRST_NS + 1_000_000) == 1


def test_planner_drops_a_second_frame_that_is_far_from_the_next_cell() -> None:
    """A frame in the first half of a taken cell is surplus."""
    plan = planner()
    plan.stepped(has_frame=True)
    assert plan.place(FIRST_NS - 1_000_000) == SURPLUS


def test_planner_drops_a_frame_whose_cell_was_held() -> None:
    """A frame that comes after its cell was stepped without it is late."""
    plan = planner()
    plan.stepped(has_frame=False)
    assert plan.place(FIRST_NS + 10_000_000) == LATE


def test_planner_drops_a_frame_of_an_older_cell() -> None:
    """A frame out of order never goes back in time."""
    plan = planner()
    for _ in range(3):
        plan.stepped(has_frame=True)
    assert plan.place(FIRST_NS + 16_000_000) == LATE


def test_planner_due_is_the_end_of_the_next_cell_and_the_wait() -> None:
    """The deadline of a cell without a frame is its end plus the wait."""
    plan = planner(wait_ns=7)
    assert plan.due_ns() == plan.grid.end_ns(0) + 7


def test_planner_skips_cells_forward_only() -> None:
    """Leaving cells out says how many, and never goes back."""
    plan = planner()
    assert plan.skip_to(10) == 10
    assert plan.skip_to(4) == 0
    assert plan.next_cell == 10


def test_planner_forgets_a_late_frame_though_no_other_comes() -> None:
    """A camera that came late once and then died: cells wait as usual after 2 s."""
    grid = Grid.around(NS_PER_S, (30, 1))
    planner = CellPlanner(grid, 0)
    planner.allow_for(NS_PER_S, NS_PER_S + 900_000_000)
    assert planner.wait_ns > 800_000_000
    for _ in range(60):
        planner.stepped(has_frame=False)
    assert planner.wait_ns > 800_000_000
    planner.stepped(has_frame=False)
    assert planner.wait_ns == 0
