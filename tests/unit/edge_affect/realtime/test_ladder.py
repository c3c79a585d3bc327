"""The degradation ladder: down on misses, up when they cease, slower when it fails."""

from __future__ import annotations

from edge_affect.clock import NS_PER_MS, NS_PER_S
from edge_affect.realtime.ladder import CLIMB_AFTER_NS, RUNGS, Ladder

STEP_NS = NS_PER_S // 30


def run(ladder: Ladder, start_ns: int, steps: int, *, missed: bool) -> int:
    """Step ``ladder`` at 30 cells a second; return the time after."""
    for number in range(steps):
        ladder.update(start_ns + number * STEP_NS, missed=missed)
    return start_ns + steps * STEP_NS


def test_ladder_stays_on_full_service_without_misses() -> None:
    """A healthy stream never leaves rung 0."""
    ladder = Ladder()
    run(ladder, 0, 1_000, missed=False)
    assert ladder.rung == 0


def test_ladder_forgives_misses_that_are_far_apart() -> None:
    """Two misses a second apart are no burst."""
    ladder = Ladder()
    for second in range(20):
        ladder.update(second * 600 * NS_PER_MS, missed=True)
    assert ladder.rung == 0


def test_ladder_goes_down_one_rung_per_burst_of_three() -> None:
    """Three misses within a second cost one rung."""
    ladder = Ladder()
    run(ladder, 0, 3, missed=True)
    assert ladder.rung == 1
    run(ladder, NS_PER_S, 3, missed=True)
    assert ladder.rung == 2


def test_ladder_ends_at_lost() -> None:
    """However many misses there are, the last rung is the last."""
    ladder = Ladder()
    run(ladder, 0, 300, missed=True)
    assert ladder.rung == len(RUNGS) - 1
    assert not ladder.policy.gives_values


def test_ladder_climbs_one_rung_after_two_clean_seconds() -> None:
    """Clean time brings service back, rung by rung."""
    ladder = Ladder()
    t_ns = run(ladder, 0, 6, missed=True)
    assert ladder.rung == 2
    clean_steps = CLIMB_AFTER_NS // STEP_NS + 2
    t_ns = run(ladder, t_ns, clean_steps, missed=False)
    assert ladder.rung == 1
    run(ladder, t_ns, clean_steps, missed=False)
    assert ladder.rung == 0


def test_ladder_keeps_the_longer_wait_when_it_falls_twice() -> None:
    """Only a climb that held brings the wait back to two seconds."""
    ladder = Ladder()
    clean_steps = CLIMB_AFTER_NS // STEP_NS + 2
    t_ns = run(ladder, 0, 3, missed=True)
    t_ns = run(ladder, t_ns, clean_steps, missed=False)
    t_ns = run(ladder, t_ns, 6, missed=True)
    assert ladder.rung == 2
    t_ns = run(ladder, t_ns, clean_steps, missed=False)
    assert ladder.rung == 2
    t_ns = run(ladder, t_ns, clean_steps, missed=False)
    assert ladder.rung == 1
    t_ns = run(ladder, t_ns, 6, missed=True)  # fails again: eight seconds
    t_ns = run(ladder, t_ns, 3 * clean_steps, missed=False)
    assert ladder.rung == 3
    run(ladder, t_ns, clean_steps, missed=False)
    assert ladder.rung == 2


def test_ladder_never_waits_longer_than_a_minute() -> None:
    """However often a climb fails, it is tried again every sixty seconds."""
    ladder = Ladder()
    t_ns, waits = run(ladder, 0, 3, missed=True), []
    for _ in range(8):
        since_ns = t_ns
        while ladder.rung:
            t_ns = run(ladder, t_ns, 1, missed=False)
        waits.append(round((t_ns - since_ns) / NS_PER_S))
        t_ns = run(ladder, t_ns, 3, missed=True)
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]


def test_ladder_waits_twice_as_long_after_a_failed_climb() -> None:
    """A climb that fails at once doubles the wait for the next."""
    ladder = Ladder()
    t_ns = run(ladder, 0, 3, missed=True)
    clean_steps = CLIMB_AFTER_NS // STEP_NS + 2
    t_ns = run(ladder, t_ns, clean_steps, missed=False)
    assert ladder.rung == 0
    t_ns = run(ladder, t_ns, 3, missed=True)
    assert ladder.rung == 1
    t_ns = run(ladder, t_ns, clean_steps, missed=False)
    assert ladder.rung == 1
    run(ladder, t_ns, clean_steps, missed=False)
    assert ladder.rung == 0


def test_ladder_climbs_sooner_while_climbs_hold() -> None:
    """From the last rung, with a climb that failed, full service is ten seconds off."""
    ladder = Ladder()
    t_ns = run(ladder, 0, 3 * (len(RUNGS) - 1), missed=True)
    t_ns = run(ladder, t_ns, CLIMB_AFTER_NS // STEP_NS + 2, missed=False)
    assert ladder.rung == len(RUNGS) - 2
    t_ns = run(ladder, t_ns, 3, missed=True)  # it fails: four seconds
    assert ladder.rung == len(RUNGS) - 1
    run(ladder, t_ns, 10 * NS_PER_S // STEP_NS, missed=False)
    assert ladder.rung == 0
