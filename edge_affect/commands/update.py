"""``edge-affect update``: install a bundle that runs on trial, and say what runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge_affect.clock import NS_PER_MS, Clock, SystemClock
from edge_affect.commands.recording import record_drive
from edge_affect.commands.terminal import Terminal
from edge_affect.errors import BundleError, UsageError
from edge_affect.model.affect import AffectGraphs
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.model.golden import check_golden
from edge_affect.runners.select import Ahead, make_runner
from edge_affect.sensing.preprocessing import check_preprocessing
from edge_affect.update.state import Installed, StoreState
from edge_affect.update.store import STORE_VARIABLE, Store, store_folder
from edge_affect.update.updater import Trust, update

_REDRAW_NS = 200 * NS_PER_MS
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class UpdateSettings:
    """What ``edge-affect update`` was asked for."""

    source: str | None
    """A URL, or the path of an archive or a directory."""
    key: Path | None
    """Public key of whoever may sign bundles."""
    allow_unsigned: bool
    """Whether a bundle that nobody signed may be installed."""
    status: bool
    """Whether to say what is installed, and change nothing."""

    def __post_init__(self) -> None:
        if self.status and (self.source or self.key or self.allow_unsigned):
            raise UsageError("--status: changes nothing; give it alone")
        if not self.status and not self.source:
            raise UsageError("URL|FILE: is missing; name a bundle, or ask for --status")


def run_update(settings: UpdateSettings, terminal: Terminal) -> str:
    """Install a bundle, or look at what is installed; return what to tell.

    Raises:
        EdgeAffectError: The bundle is not taken; what ran before runs on.
    """
    folder = store_folder()
    if folder is None:
        raise BundleError(
            "the store of bundles: this user has no home; set "
            f"{STORE_VARIABLE} to a folder"
        )
    store = Store(folder)
    if settings.source is None:
        return status_text(store)
    progress = _Progress(terminal, SystemClock())
    try:
        updated = update(
            settings.source,
            store,
            Trust(settings.key, settings.allow_unsigned),
            prepare_bundle,
            progress.tell,
        )
    finally:
        progress.end()
    if not updated.is_new:
        return f"{updated.bundle.title} is installed already"
    return (
        f"{updated.bundle.title} is installed and on trial: it runs from the next "
        f"start on, and gives way to {_title(updated.state.previous)} should its first "
        "minute fail"
    )


def prepare_bundle(bundle: Bundle) -> None:
    """Load a bundle on the runner that it will have, and replay its golden inputs.

    Raises:
        BundleError: It was made for another pre-processing, or does not compute here
            what it did where it was made.
        RunnerError: Its graphs do not run here.
    """
    check_preprocessing(bundle.manifest)
    ahead = Ahead(partial(record_drive, bundle))
    runner, choice = make_runner("auto", bundle, ahead=ahead)
    try:
        check_golden(bundle, runner, choice.target)
        AffectGraphs(runner, bundle.manifest).warm_up()
    finally:
        runner.close()


def status_text(store: Store) -> str:
    """Return what the store holds, for people.

    Raises:
        BundleError: It is damaged.
    """
    state = store.state()
    lines = [
        f"store     {store.folder}",
        f"runs      {_current(state)}",
        f"before    {_title(state.previous) if state.current else 'nothing'}",
        f"floor     {state.floor or 'none: any version is taken'}",
    ]
    lines += [
        f"refused   {refused.name} {refused.version} {refused.digest[:16]}: "
        f"{refused.reason}"
        for refused in state.refused
    ]
    return "\n".join(lines)


def _current(state: StoreState) -> str:
    if state.current is None:
        return _title(None)
    trial = ", on trial until its first minute is over" if state.on_trial else ""
    return f"{state.current.title} {state.current.digest[:16]}{trial}"


def _title(installed: Installed | None) -> str:
    if installed is not None:
        return installed.title
    return f"{load_bundle().title} (shipped with edge_affect)"


class _Progress:
    """One line on the terminal while something is fetched."""

    def __init__(self, terminal: Terminal, clock: Clock) -> None:
        self._terminal = terminal
        self._clock = clock
        self._due_ns = clock.now_ns()
        self._said = False

    def tell(self, got: int, length: int | None) -> None:
        """Say how much has come; where nothing can be redrawn, say one thing once."""
        of = "" if length is None else f" of {length / _MIB:.1f}"
        if self._terminal.can_redraw:
            if self._clock.now_ns() >= self._due_ns:
                self._due_ns = self._clock.now_ns() + _REDRAW_NS
                self._terminal.draw([f"fetching: {got / _MIB:.1f}{of} MiB"])
        elif not self._said:
            self._said = True
            size = "" if length is None else f" {length / _MIB:.1f} MiB"
            self._terminal.say(f"fetching{size}")

    def end(self) -> None:
        """Take the line away."""
        if self._terminal.can_redraw:
            self._terminal.draw([])
        self._terminal.leave()
