"""``edge-affect doctor --measure``: which of a bundle's targets to run here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_affect.clock import NS_PER_MS, NS_PER_S, Clock, SystemClock
from edge_affect.commands.cards import columns
from edge_affect.commands.terminal import Terminal
from edge_affect.doctor.measure import (
    MOST_ROUNDS,
    Comparison,
    Measurement,
    Ratio,
    measure,
)
from edge_affect.errors import RunnerError, SinkError
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.runners.base import Runner
from edge_affect.runners.choices import ChoiceKey, choice_key, save_choice
from edge_affect.runners.processor import why_unfit
from edge_affect.runners.select import make_runner, rivals

_QUIET_NS = NS_PER_S
"""What is done sooner needs no progress."""
_REDRAW_NS = 200 * NS_PER_MS


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a bundle, and where the choice is kept."""

    bundle: Bundle
    """What was measured."""
    key: ChoiceKey
    """What the choice holds for."""
    measurement: Measurement
    """How long its targets take."""
    refused: Mapping[str, str]
    """Target that does not run here → why."""
    file: Path | None
    """Where the choice is kept; None: there was none to make, or it was not kept."""
    fault: str | None = None
    """Why the choice was not kept, one line."""


def measure_bundle(
    path: Path | None,
    terminal: Terminal,
    *,
    allow_unsigned: bool = False,
    clock: Clock | None = None,
) -> Measured:
    """Time the targets of a bundle against each other; keep the choice.

    Args:
        path: The bundle's directory; None for the shipped one.
        terminal: Where to show how it goes.
        allow_unsigned: Whether a bundle that did not come with the wheel may run.
        clock: Time; None for the machine's.

    Raises:
        BundleError: The bundle is damaged or not trusted.
        RunnerError: Its default target does not run here.
    """
    bundle = load_bundle(path, allow_unsigned=allow_unsigned)
    opened = {target: _open(bundle, target) for target in rivals(bundle)}
    runners = {t: found for t, found in opened.items() if isinstance(found, Runner)}
    refused = {t: found for t, found in opened.items() if isinstance(found, str)}
    clock = clock or SystemClock()
    progress = _Progress(terminal, clock, list(runners))
    cells, seconds = bundle.manifest.timing.cell_hz
    try:
        measurement = measure(
            runners, bundle.default_target, cells / seconds, clock, progress.tell
        )
    finally:
        progress.end()
        for runner in runners.values():
            runner.close()
    key = choice_key(bundle.digest)
    file, fault = None, None
    if len(runners) > 1:
        try:
            file = save_choice(key, measurement.choice)
        except SinkError as error:
            fault = str(error)
    return Measured(bundle, key, measurement, refused, file, fault)


def _open(bundle: Bundle, target: str) -> Runner | str:
    """Return the runner of a target, or why it does not run here."""
    unfit = why_unfit(target)
    if unfit is not None and target != bundle.default_target:
        return unfit
    try:
        return make_runner("auto", bundle, target)[0]
    except RunnerError as error:
        if target == bundle.default_target:
            raise
        return str(error)


class _Progress:
    """One line on the terminal, once it has taken more than a second."""

    def __init__(self, terminal: Terminal, clock: Clock, targets: list[str]) -> None:
        self._terminal = terminal
        self._clock = clock
        self._targets = ", ".join(targets)
        self._due_ns = clock.now_ns() + _QUIET_NS
        self._said = False

    def tell(self, how: str, number: int) -> None:
        """Say which round it is; where nothing can be redrawn, say one thing once."""
        if self._clock.now_ns() < self._due_ns:
            return
        if self._terminal.can_redraw:
            self._due_ns = self._clock.now_ns() + _REDRAW_NS
            line = (
                f"{self._targets}, {how}: round {number + 1} of {MOST_ROUNDS} at most"
            )
            self._terminal.draw([line])
        elif not self._said:
            self._said = True
            self._terminal.say(f"measuring {self._targets}: half a minute or so")

    def end(self) -> None:
        """Take the line away."""
        if self._terminal.can_redraw:
            self._terminal.draw([])
        self._terminal.leave()


def measured_values(measured: Measured) -> dict[str, Any]:
    """Return a measurement as plain values."""
    found = measured.measurement
    return {
        "bundle": _name(measured.bundle),
        **asdict(measured.key),
        "threads": 1,
        "default": found.default,
        "pace_hz": found.pace_hz,
        "back_to_back": _comparison_values(found.back_to_back),
        "paced": _comparison_values(found.paced),
        "refused": dict(measured.refused),
        "choice": asdict(found.choice),
        "file": None if measured.file is None else str(measured.file),
        "fault": measured.fault,
    }


def _comparison_values(comparison: Comparison) -> dict[str, Any]:
    return {
        "rounds": comparison.rounds,
        "median_ms": dict(comparison.median_ms),
        "ratio": {t: ratio._asdict() for t, ratio in comparison.ratio.items()},
    }


def measured_text(measured: Measured) -> str:
    """Return a measurement for people."""
    found = measured.measurement
    pace = f"at {found.pace_hz:g}/s"
    names = ("target", "back to back", f"of {found.default}", pace, "of it")
    rows = []
    for target, rushed_ms in found.back_to_back.median_ms.items():
        times = (f"{rushed_ms:.3f} ms", f"{found.paced.median_ms[target]:.3f} ms")
        shares = [
            _share(c.ratio.get(target)) for c in (found.back_to_back, found.paced)
        ]
        rows.append((target, times[0], shares[0], times[1], shares[1]))
    lines = [
        f"frame step of {_name(measured.bundle)}: every graph once, one thread, median",
        *columns(names, rows, right=(1, 3)),
    ]
    lines += [f"  {t} does not run here: {why}" for t, why in measured.refused.items()]
    return "\n".join([*lines, "", _verdict(measured)])


def _share(ratio: Ratio | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def _verdict(measured: Measured) -> str:
    choice = measured.measurement.choice
    if len(measured.measurement.paced.median_ms) == 1:
        return f"{choice.target} is the only target that runs here: nothing to choose"
    kept = "" if measured.file is None else f"; kept in {measured.file}"
    return f"choice: {choice.target} ({choice.reason}){kept}"


def _name(bundle: Bundle) -> str:
    return f"{bundle.manifest.name} {bundle.manifest.version}"
