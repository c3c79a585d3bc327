"""C libraries that hang or print."""

from __future__ import annotations

import os
import threading

import pytest

from edge_affect.sources.native import Call, GivenUp, quiet_stderr


def test_quiet_stderr_hides_what_is_written_meanwhile(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Only what is written inside is lost."""
    os.write(2, b"before ")
    with quiet_stderr():
        os.write(2, b"inside ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_quiet_stderr_is_restored_by_the_last_of_overlapping_users(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Users that overlap without nesting leave standard error as it was."""
    first, second = quiet_stderr(), quiet_stderr()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    os.write(2, b"inside ")
    second.__exit__(None, None, None)
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_a_call_returns_and_raises_as_the_work_does() -> None:
    """The result or the error of the work comes back."""
    assert Call[int]("work").within(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        Call[int]("work").within(5, lambda: 1 // 0)


def test_a_call_gives_up_on_work_that_hangs() -> None:
    """Work without end is left behind in its daemon thread."""
    release = threading.Event()
    with pytest.raises(TimeoutError, match="work"):
        Call[bool]("work").within(0.01, lambda: release.wait(20))
    release.set()


def test_a_call_is_given_up_from_another_thread_at_once() -> None:
    """Whoever waits wakes; what comes too late is nobody's; also before it begins."""
    release, done = threading.Event(), threading.Event()
    call: Call[bool] = Call("work")
    threading.Timer(0.05, call.give_up).start()

    def work() -> bool:
        release.wait(20)
        done.set()
        return True

    with pytest.raises(GivenUp):
        call.within(20, work)
    assert not done.is_set()
    release.set()
    assert done.wait(20)
    with pytest.raises(GivenUp):
        call.within(20, lambda: pytest.fail("it was given up"))
