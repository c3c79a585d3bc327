"""The first minute of a new bundle: what it must get through to stay."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge_affect.errors import BundleError, EdgeAffectError, RunnerError
from edge_affect.realtime.health import MODEL_FAILED, NON_FINITE, fusable
from edge_affect.realtime.ladder import RUNGS
from edge_affect.types import Estimate
from edge_affect.update.state import Installed, StoreState
from edge_affect.update.store import Store

_LOG = logging.getLogger(__name__)

MINUTE_S = 60
"""A trial lasts for so many seconds of cells in which the driver was there."""
MOST_FAILED = 2
"""Cells in which a graph failed or gave NaN that a trial survives."""
_FAULTS = frozenset({MODEL_FAILED, NON_FINITE})
MISSED_SHARE = 0.25
"""Share of the cells in which a face was read that may miss their budget. A machine
that is busy for a moment misses some; a bundle that is too slow misses nearly all."""
LEAST_MISSES = 10
"""Fewer misses than that say nothing."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A bundle that has yet to get through its first minute."""

    store: Store
    """Where it is installed."""
    installed: Installed
    """The bundle."""

    @contextlib.contextmanager
    def at_risk(self) -> Iterator[None]:
        """Count a start while the block runs: what dies in it stays counted."""
        self.start()
        try:
            yield
        finally:
            self.change(StoreState.ended)

    def start(self) -> None:
        """Count a start that is under way."""
        self.change(lambda state: state.started(self.store.boot))

    def change(self, turn: Callable[[StoreState], StoreState]) -> bool:
        """Change the store's state if it is still about this trial.

        Returns:
            Whether it could be kept; a warning says why not.
        """
        digest = self.installed.digest
        try:
            self.store.change(lambda s: turn(s) if s.is_trial_of(digest) else s)
        except BundleError as error:
            _LOG.warning("the trial of %s: %s", self.installed.title, error)
            return False
        return True


class TrialWatch:
    """Watches one live stream on a bundle that is on trial.

    An empty or dark seat tells nothing of a bundle: cells without a face count neither
    as time nor as misses. A ladder that went down to where nothing is seen any more
    counts as time, for then there is no telling whether anybody is there.
    """

    def __init__(self, trial: Trial, cell_hz: tuple[int, int]) -> None:
        """Watch nothing yet; ``begin`` does."""
        self._trial = trial
        self._cells_left = MINUTE_S * cell_hz[0] // cell_hz[1]
        self._misses = 0
        self._seen = 0
        self._seen_missed = 0
        self._failed = 0
        self._over = False

    def begin(self) -> None:
        """Count a start, before the first cell."""
        self._trial.start()

    def see(self, estimate: Estimate, misses: int) -> None:
        """Take one cell.

        Args:
            estimate: What the cell gave.
            misses: Cells so far that overran their budget.

        Raises:
            BundleError: The bundle failed and was rolled back; whoever starts again
                runs the one before it.
        """
        if self._over:
            return
        missed, self._misses = misses > self._misses, misses
        has_face = fusable(estimate.health.face)
        if has_face and estimate.frame is not None:
            self._seen += 1
            self._seen_missed += missed
        self._failed += not _FAULTS.isdisjoint(estimate.health.reasons)
        if self._failed > MOST_FAILED:
            self._fail(f"{self._failed} cells met a graph that failed or gave NaN")
        is_blind = not RUNGS[estimate.rung].vision_every
        if has_face or (is_blind and self._seen):
            self._cells_left -= 1
        if self._cells_left <= 0:
            self._judge()

    def end(self, fault: BaseException | None) -> None:
        """Take the end of the stream; idempotent.

        Args:
            fault: What ended it, when it did not end well.
        """
        if self._over:
            return
        self._over = True
        if _is_the_bundle_s(fault):
            self._roll_back(f"a step failed: {fault or type(fault).__name__}")
        else:
            self._trial.change(StoreState.ended)

    def _judge(self) -> None:
        if self._seen_missed >= LEAST_MISSES and (
            self._seen_missed > MISSED_SHARE * self._seen
        ):
            self._fail(
                f"{self._seen_missed} of {self._seen} cells with a face missed their "
                "budget"
            )
        self._over = True
        # One write to the disk in the life of a bundle; the cell after it may be late.
        if self._trial.change(StoreState.committed):
            _LOG.info("the bundle %s stays", self._trial.installed.title)

    def _fail(self, reason: str) -> None:
        if not self._roll_back(reason):
            return
        raise BundleError(
            f"the bundle {self._trial.installed.title} was rolled back in its first "
            f"minute: {reason}; start again to run the one before it"
        )

    def _roll_back(self, reason: str) -> bool:
        """Return whether it could be kept: if not, ending the stream mends nothing."""
        self._over = True
        return self._trial.change(lambda state: state.rolled_back(reason))


def _is_the_bundle_s(fault: BaseException | None) -> bool:
    """Tell whether a graph failed, or gave what nobody could make anything of.

    A device that is lost, a caller's frame that is none, and a machine without memory
    are told by other errors.
    """
    if isinstance(fault, EdgeAffectError):
        return isinstance(fault, RunnerError)
    return isinstance(fault, (LookupError, TypeError, ValueError, ArithmeticError))
