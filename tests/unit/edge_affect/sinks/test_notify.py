"""What the service manager is told, over real datagram sockets."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_affect.clock import NS_PER_MS, NS_PER_S, SimClock
from edge_affect.sinks.group import SinkGroup
from edge_affect.sinks.notify import NotifySink, notify_sink
from edge_affect.testing import make_estimate, make_header, make_lost_estimate

CELL_NS = NS_PER_S // 30
WATCHDOG = {"WATCHDOG_USEC": "2000000"}
"""Two seconds: a beat is due every second."""


class Manager:
    """The service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.socket.setblocking(False)

    @property
    def heard(self) -> list[str]:
        """What was sent since this was asked last."""
        texts = []
        with contextlib.suppress(BlockingIOError):
            while True:
                texts.append(self.socket.recv(4096).decode())
        return texts


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """Listen at both kinds of address."""
    path = str(tmp_path / "notify")
    made = Manager(path if request.param == "path" else f"@{path}")
    with made.socket:
        yield made


def _sink(manager: Manager, clock: SimClock, **more: str) -> NotifySink:
    sink = notify_sink({"NOTIFY_SOCKET": manager.address, **more}, clock)
    assert sink is not None
    return sink


def test_notify_is_ready_at_the_first_estimate_and_stops_once(
    manager: Manager,
) -> None:
    """Loading and opening say nothing; the first estimate does; so does the end."""
    sink = _sink(manager, SimClock())
    sink.open(make_header())
    assert manager.heard == []
    sink.write(make_estimate(0))
    sink.write(make_estimate(1))
    assert manager.heard == ["READY=1"]
    sink.close()
    sink.close()
    sink.write(make_estimate(2))
    assert manager.heard == ["STOPPING=1"]


def test_notify_beats_at_half_of_the_interval_while_cells_are_emitted(
    manager: Manager,
) -> None:
    """Ten seconds of cells, seen or lost, are ten beats of a two-second watchdog."""
    clock = SimClock()
    sink = _sink(manager, clock, **WATCHDOG)
    for cell in range(301):
        make = make_estimate if cell % 7 else make_lost_estimate
        sink.write(make(cell))
        clock.advance_to((cell + 1) * CELL_NS)
    ready, *beats = manager.heard
    assert ready == "READY=1"
    assert set(beats) == {"WATCHDOG=1"}
    assert 9 <= len(beats) <= 10  # each begins with a cell, at most one cell late
    sink.close()


def test_notify_sends_no_beat_when_nothing_is_emitted(manager: Manager) -> None:
    """A process that lives on without estimates falls silent."""
    clock = SimClock()
    sink = _sink(manager, clock, **WATCHDOG)
    sink.write(make_estimate(0))
    clock.advance_to(60 * NS_PER_S)
    assert manager.heard == ["READY=1"]
    sink.write(make_lost_estimate(1))
    assert manager.heard == ["WATCHDOG=1"]
    sink.close()


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "9" * 30},
        {**WATCHDOG, "WATCHDOG_PID": "1"},
    ],
)
def test_notify_without_a_watchdog_of_its_own_never_beats(
    manager: Manager, more: dict[str, str]
) -> None:
    """No interval, one that cannot be read, or one for another process: no beats."""
    clock = SimClock()
    sink = _sink(manager, clock, **more)
    for cell in range(300):
        sink.write(make_estimate(cell))
        clock.advance_to((cell + 1) * NS_PER_S)
    assert manager.heard == ["READY=1"]
    sink.close()


def test_notify_beats_for_its_own_process(manager: Manager) -> None:
    """A watchdog that names this process is served."""
    clock = SimClock()
    sink = _sink(manager, clock, **WATCHDOG, WATCHDOG_PID=str(os.getpid()))
    sink.write(make_estimate(0))
    clock.advance_to(NS_PER_S)
    sink.write(make_estimate(1))
    assert manager.heard == ["READY=1", "WATCHDOG=1"]
    sink.close()


def test_notify_that_is_not_heard_tries_again_and_complains_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A manager that is away for a while ends no stream and no sink."""
    clock = SimClock()
    path = tmp_path / "notify"
    sink = notify_sink({"NOTIFY_SOCKET": str(path), **WATCHDOG}, clock)
    assert sink is not None
    group = SinkGroup([sink])
    group.open(make_header())
    for cell in range(5):
        group.write(make_estimate(cell))
    assert not group.failures
    assert len(caplog.messages) == 1
    manager = Manager(str(path))
    with manager.socket:
        group.write(make_estimate(5))
        assert manager.heard == ["READY=1"]
        group.close()


def test_notify_never_waits_for_a_manager_that_does_not_read(
    manager: Manager,
) -> None:
    """With the socket's queue full the stream goes on."""
    clock = SimClock()
    sink = _sink(manager, clock, WATCHDOG_USEC="2")
    for cell in range(5_000):
        sink.write(make_estimate(cell))
        clock.advance_to((cell + 1) * NS_PER_MS)
    assert manager.heard[0] == "READY=1"
    sink.close()


@pytest.mark.parametrize("address", [None, "", "/", "@", "notify", "vsock:2:1"])
def test_notify_sink_is_none_without_a_socket_of_the_manager(
    address: str | None,
) -> None:
    """Started by hand, or with an address that is not local: nobody is told."""
    environment = {} if address is None else {"NOTIFY_SOCKET": address}
    assert notify_sink(environment, SimClock()) is None
