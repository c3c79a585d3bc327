from __future__ import annotations

import os
import signal
import threading

import pytest

from edge_affect.commands.signals import StopSignals


def test_stop_signals_end_a_stream_in_order() -> None:
    """Each signal stops the stream; only ctrl-C changes the exit code."""
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
        calls: list[str] = []
        with StopSignals() as signals:
            signals.calls(lambda calls=calls: calls.append("stop"))  # type: ignore[misc]
            os.kill(os.getpid(), number)
            assert calls == ["stop"]
            assert signals.received
            assert signals.exit_code == code


def test_stop_signals_give_up_on_a_second_interrupt() -> None:
    """A user who presses ctrl-C again need not wait."""
    with StopSignals() as signals:
        signals.calls(lambda: None)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_stop_signals_end_the_process_before_there_is_a_stream() -> None:
    """While the model loads, ctrl-C interrupts and SIGTERM is a clean exit."""
    with StopSignals():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(SystemExit, match="0"):
            os.kill(os.getpid(), signal.SIGTERM)


def test_stop_signals_give_the_handlers_back() -> None:
    """After a run the process is as it was."""
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_stop_signals_do_nothing_outside_the_main_thread() -> None:
    """A command may be run from a thread; it then takes no signals."""
    faults: list[BaseException] = []

    def work() -> None:
        try:
            with StopSignals() as signals:
                signals.calls(lambda: None)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            faults.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not faults
