"""Which bundle a process starts with: the installed one, else the one before it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from edge_affect.errors import BundleError
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.update.state import Installed, StoreState
from edge_affect.update.store import Store, store_folder
from edge_affect.update.trial import Trial

_LOG = logging.getLogger(__name__)

MOST_STARTS = 3
"""A bundle on trial whose starts came to no end so often in one boot of the machine is
not started again."""

T = TypeVar("T")
Make = Callable[[Bundle, bool], T]
"""Makes what runs of a bundle, given whether it is on trial."""


def start_installed(make: Make[T]) -> tuple[T, Trial | None]:
    """Make what runs of the bundle that is installed on this device.

    Without a store that is the shipped one. A bundle that is damaged gives way to the
    one before it, and that to the shipped one, with one warning. A bundle on trial
    that cannot be started where the one before it can is rolled back.

    Args:
        make: Called with the bundle to run; raises what keeps it from running.

    Returns:
        What ``make`` made, and the trial that its bundle is on.

    Raises:
        Exception: Nothing can be started; what ``make`` raised first.
    """
    folder = store_folder()
    if folder is None:
        return make(load_bundle(), False), None
    store = Store(folder)
    try:
        state = store.state()
    except BundleError as error:
        _LOG.warning("%s; the shipped bundle runs", error)
        state = StoreState()
    if state.current is None:
        return make(load_bundle(), False), None
    if state.on_trial:
        return _start_on_trial(store, state, state.current, make)
    return make(_sound(store, state.current, state.previous), False), None


def running_bundle() -> Bundle:
    """Return the bundle that a start on this device would run; counts no start."""
    folder = store_folder()
    if folder is None:
        return load_bundle()
    store = Store(folder)
    try:
        state = store.state()
    except BundleError as error:
        _LOG.warning("%s; the shipped bundle runs", error)
        return load_bundle()
    return _sound(store, state.current, state.previous)


def _start_on_trial(
    store: Store, state: StoreState, current: Installed, make: Make[T]
) -> tuple[T, Trial | None]:
    before = state.previous
    if state.starts_in(store.boot) >= MOST_STARTS:
        reason = f"{MOST_STARTS} starts came to no end, such as by a crash"
        _roll_back(store, current, reason)
        return make(_sound(store, before, None), False), None
    trial = Trial(store, current)
    # Counted before anything is loaded: whatever kills the process now is seen then.
    with trial.at_risk():
        try:
            return make(store.bundle(current), True), trial
        except Exception as error:  # noqa: BLE001 - whatever it is, a device must start
            try:
                made = make(_sound(store, before, None), False)
            except Exception:  # noqa: BLE001 - the first one says more
                # Not the bundle's fault: what ran before it does not start either.
                raise error from None
            _roll_back(store, current, str(error) or type(error).__name__)
            return made, None


def _sound(store: Store, first: Installed | None, second: Installed | None) -> Bundle:
    """Return the first bundle that is whole: of these two, else the shipped one."""
    for installed in (first, second):
        if installed is None:
            continue
        try:
            return store.bundle(installed)
        except BundleError as error:
            _LOG.warning(
                "the installed bundle %s is left out: %s; the one before it runs",
                installed.title,
                error,
            )
    return load_bundle()


def _roll_back(store: Store, failed: Installed, reason: str) -> None:
    _LOG.warning(
        "the bundle %s was rolled back, the one before it runs: %s",
        failed.title,
        reason,
    )
    try:
        store.change(
            lambda state: (
                state.rolled_back(reason) if state.is_trial_of(failed.digest) else state
            )
        )
    except BundleError as error:
        _LOG.warning("this cannot be kept: %s", error)
