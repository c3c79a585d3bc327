"""A board that is hot sees less, at once; one that cooled down sees all again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edge_affect.clock import NS_PER_S, SimClock
from edge_affect.config import StreamConfig
from edge_affect.realtime.budget import StageTimes
from edge_affect.realtime.heat import THROTTLED_NS, HeatMonitor, HeatWatch
from edge_affect.realtime.ladder import HEAT_RUNG, RUNGS
from edge_affect.realtime.loop import LoopTiming, StreamLoop
from edge_affect.realtime.stepper import CellStepper
from edge_affect.testing import FakeModel, make_frame
from edge_affect.types import Estimate

FPS = 30


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """Return a board of 50 °C that never throttled."""
    return Board(tmp_path)


class Board:
    """Files as a board's drivers write them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        zone = root / "sys/class/thermal/thermal_zone0"
        device = root / "sys/class/hwmon/hwmon1"
        for folder in (zone, device):
            folder.mkdir(parents=True)
        (device / "name").write_text("soctherm_oc\n")
        self._zone, self._counter = zone / "temp", device / "oc1_event_cnt"
        self.heat(50)
        self.throttle(3)

    def heat(self, degrees: float) -> None:
        self._zone.write_text(f"{round(1000 * degrees)}\n")

    def throttle(self, events: int) -> None:
        self._counter.write_text(f"{events}\n")


def test_a_board_is_hot_from_its_limit_until_it_is_well_below(board: Board) -> None:
    """Between the two limits it stays what it was."""
    watch = HeatWatch(board.root)
    seen = []
    for second, degrees in enumerate((50, 94.9, 95, 90, 88, 87.9, 94.9)):
        board.heat(degrees)
        seen.append(watch.look(second * NS_PER_S))
    assert seen == [False, False, True, True, True, False, False]


def test_a_board_that_throttles_is_hot_for_a_while(board: Board) -> None:
    """The count since it was switched on is no heat; a rise of it is."""
    watch = HeatWatch(board.root)
    assert not watch.look(0)
    assert not watch.look(NS_PER_S)
    board.throttle(4)
    assert watch.look(2 * NS_PER_S)
    assert watch.look(2 * NS_PER_S + THROTTLED_NS - 1)
    assert not watch.look(2 * NS_PER_S + THROTTLED_NS)


def test_a_board_that_tells_nothing_is_never_hot(tmp_path: Path) -> None:
    """A desktop, a container."""
    watch = HeatWatch(tmp_path)
    assert not any(watch.look(second * NS_PER_S) for second in range(5))


def test_a_hot_board_sees_every_second_cell_and_every_one_once_cool(
    board: Board,
) -> None:
    """The rung is there with the next look, before a single miss, and gone after."""
    clock = SimClock(NS_PER_S)
    model = FakeModel(tracks=False)
    watch = HeatWatch(board.root)
    estimates: list[Estimate] = []
    loop = StreamLoop(
        CellStepper(model, StreamConfig("research"), StageTimes(clock)),
        clock,
        estimates.append,
        LoopTiming((FPS, 1), NS_PER_S // FPS, NS_PER_S),
        watch.look,
    )
    for number in range(12 * FPS):
        if number == 2 * FPS:
            board.heat(97)
        if number == 6 * FPS:
            board.heat(80)
        clock.advance_to(NS_PER_S + number * NS_PER_S // FPS)
        assert loop.accounts.arrive(number)
        loop.see(make_frame(number, clock.now_ns()))
    by_second = [estimates[k : k + FPS] for k in range(0, len(estimates), FPS)]
    assert loop.misses == 0
    assert {e.rung for e in by_second[1]} == {0}
    assert {e.rung for e in by_second[4]} == {HEAT_RUNG}
    seen = sum(e.frame is not None for e in by_second[4])
    assert seen == FPS // RUNGS[HEAT_RUNG].vision_every
    assert {e.rung for e in by_second[-1]} == {0}


class Slow(HeatWatch):
    """Takes until it is let go."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"))
        self.let_go = threading.Event()
        self.looks: list[int] = []
        self.looked = threading.Event()

    def look(self, t_ns: int) -> bool:
        self.looks.append(t_ns)
        self.let_go.wait(10)
        self.looked.set()
        return True


def test_the_monitor_never_waits_for_a_sensor_and_asks_once_a_second() -> None:
    """The answer is the last one; a look that takes long holds nobody up."""
    watch = Slow()
    monitor = HeatMonitor(watch)
    thread = threading.Thread(target=monitor.run, daemon=True)
    thread.start()
    assert not any(monitor.ask(k * NS_PER_S // FPS) for k in range(FPS))
    watch.let_go.set()
    assert watch.looked.wait(10)
    while not monitor.ask(0):
        thread.join(0.001)  # what was seen is there as soon as it was
    assert watch.looks == [0]
    monitor.stop()
    thread.join(10)
    assert not thread.is_alive()
