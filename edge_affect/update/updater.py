"""Install a bundle: fetch aside, verify, prepare, keep, and switch in one step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_affect.errors import BundleError
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.update.fetch import Tell, fetched
from edge_affect.update.state import StoreState, version_key
from edge_affect.update.store import Store

Prepare = Callable[[Bundle], None]
"""Builds what the bundle needs on this device and replays its golden inputs; raises
what keeps it from running here."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Which bundles may come in."""

    key: Path | None = None
    """Public key of whoever may sign them, a PEM file."""
    allow_unsigned: bool = False
    """Whether others may, too."""


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update came to."""

    bundle: Bundle
    """What was given."""
    state: StoreState
    """The store after it."""
    is_new: bool
    """Whether anything was switched; else this bundle was installed already."""


def update(
    source: str, store: Store, trust: Trust, prepare: Prepare, tell: Tell
) -> Updated:
    """Install the bundle at ``source``; it is on trial from the next start on.

    Until the last step, which replaces one small file, nothing changes for whoever
    starts; after it they start the new bundle, whole on the disk.

    Args:
        source: A URL, or the path of an archive or a directory.
        store: Where it shall lie.
        trust: Which bundles may come in.
        prepare: Called with the verified bundle before anything is written.
        tell: Told how far the fetching is.

    Raises:
        BundleError: The bundle is damaged, not trusted, too old, failed here before,
            or does not compute as it should; or the store cannot be written.
        RunnerError: Its graphs do not run here.
        UsageError: The source or the key is none.
    """
    store.prepare()
    with store.updating():
        store.sweep()
        with fetched(source, store, tell) as path:
            bundle = load_bundle(
                path, allow_unsigned=trust.allow_unsigned, key=trust.key
            )
        state = store.state()
        _check_admitted(bundle, state)
        installed = state.current is not None and state.current.digest == bundle.digest
        if not installed:
            prepare(bundle)
        store.keep(bundle)  # mends it, should the installed one be damaged
        if not installed:
            state = store.change(lambda before: before.switched(bundle))
        return Updated(bundle, state, is_new=not installed)


def _check_admitted(bundle: Bundle, state: StoreState) -> None:
    """Refuse what would lead back: to an old version, or to what failed here.

    Raises:
        BundleError: It does one of these.
    """
    version = bundle.manifest.version
    if state.floor is not None and version_key(version) < version_key(state.floor):
        raise BundleError(
            f"{bundle.title}: is older than {state.floor}, which ran well on this "
            "device; pack it again under a version of its own, not lower than that"
        )
    for refused in state.refused:
        if refused.digest == bundle.digest:
            raise BundleError(
                f"{bundle.title}: was rolled back on this device before "
                f"({refused.reason}); give one that was mended and packed anew"
            )
