"""The power fails at every change of the store: a device starts a whole bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_affect.affect_model import AffectModel
from edge_affect.errors import BundleError
from edge_affect.update.state import StoreState
from edge_affect.update.store import Store
from edge_affect.update.updater import Trust, update
from tests.fakes.bundles import golden_bundle, zipped
from tests.fakes.disk import LOSSES, CutDisk, PowerCutError
from tests.fakes.web import sends, serving
from tests.unit.edge_affect.update.conftest import Install, installed_of

pytestmark = pytest.mark.slow

MOST_CHANGES = 60
"""No scenario takes more: a loop that never ends would hide a fault."""

Change = Callable[[Store], object]


def _running() -> str:
    """Return the digest of the bundle that a fresh start runs, all graphs warm."""
    model = AffectModel.load(purpose="research")
    model.close()
    return model.bundle.digest


def _cut_everywhere(
    store: Store, tmp_path: Path, change: Change, before: str, after: str
) -> int:
    """Cut ``change`` at each of its steps; return how many those are.

    After each cut a start runs ``before`` or ``after``, and ``change`` succeeds when
    it is made again.
    """
    sound = tmp_path / "sound"
    if store.folder.exists():
        shutil.copytree(store.folder, sound)
    for at in range(1, MOST_CHANGES):
        for losses in LOSSES:
            graveyard = tmp_path / f"graves-{at}-{losses}"
            graveyard.mkdir()
            shutil.rmtree(store.folder, ignore_errors=True)
            if sound.exists():
                shutil.copytree(sound, store.folder)
            store.folder.parent.mkdir(parents=True, exist_ok=True)
            disk = CutDisk(graveyard, at)
            try:
                change(Store(store.folder, disk))
            except PowerCutError:
                disk.settle(losses)
            else:
                assert _running() == after
                return at - 1
            where = f"cut at change {at}, {losses} lost"
            assert _running() in {before, after}, where
            change(store)
            assert _running() == after, where
    pytest.fail(f"more than {MOST_CHANGES} changes")


@pytest.mark.parametrize("is_archive", [False, True])
def test_first_update_survives_every_cut(
    store: Store, shipped: str, tmp_path: Path, *, is_archive: bool
) -> None:
    """The shipped bundle runs until the new one is whole and named."""
    source = golden_bundle(tmp_path / "new")
    given = zipped(source, tmp_path / "new.zip") if is_archive else source
    new = installed_of(source).digest

    def change(at: Store) -> None:
        _update(at, given)

    assert _cut_everywhere(store, tmp_path, change, shipped, new) > 15


def test_second_update_survives_every_cut(
    store: Store, install: Install, shipped: str, tmp_path: Path
) -> None:
    """The bundle that went well runs until the next one is whole and named."""
    current = install("1.0.0").bundle.digest
    store.change(StoreState.committed)
    forgotten = store.folder / ("0" * 64)
    shutil.copytree(store.folder / current, forgotten)
    source = golden_bundle(tmp_path / "new", "1.1.0")
    new = installed_of(source).digest

    def change(at: Store) -> None:
        _update(at, source)

    assert _cut_everywhere(store, tmp_path, change, current, new) > 15
    assert not forgotten.exists()


def test_roll_back_survives_every_cut(
    store: Store, install: Install, shipped: str, tmp_path: Path
) -> None:
    """Either bundle starts, each whole; made again, the roll-back holds."""
    install("1.0.0")
    store.change(StoreState.committed)
    old = store.state().current
    new = install("1.1.0").bundle.digest
    assert old is not None

    def change(at: Store) -> None:
        at.change(lambda s: s.rolled_back("slow") if s.is_trial_of(new) else s)

    steps = _cut_everywhere(store, tmp_path, change, new, old.digest)
    assert steps == 4
    assert [refused.digest for refused in store.state().refused] == [new]


def test_commit_survives_every_cut(
    store: Store, install: Install, shipped: str, tmp_path: Path
) -> None:
    """The new bundle runs whether or not it is known yet that it stays."""
    new = install("1.1.0").bundle.digest
    steps = _cut_everywhere(
        store, tmp_path, lambda at: at.change(StoreState.committed), new, new
    )
    assert steps == 4
    assert store.state().floor == "1.1.0"


def test_mending_the_running_bundle_survives_every_cut(
    store: Store, install: Install, shipped: str, tmp_path: Path
) -> None:
    """A damaged bundle gives way to the shipped one until it is whole again."""
    new = install("1.1.0").bundle.digest
    store.change(StoreState.committed)
    (store.folder / new / "golden.npz").write_bytes(b"damaged")
    source = tmp_path / "given-1.1.0-0.0"

    def change(at: Store) -> None:
        _update(at, source)

    assert _cut_everywhere(store, tmp_path, change, shipped, new) > 10


class _FaultyDisk(CutDisk):
    """Refuses one change, as a full disk does, and works again after it."""

    @property
    def _is_dead(self) -> bool:
        return False

    def _die(self, *, is_cut: bool) -> None:
        if is_cut:
            raise OSError(28, "No space left on device")


def test_update_survives_a_fault_of_the_disk_at_every_change(
    store: Store, install: Install, shipped: str, tmp_path: Path
) -> None:
    """One line, and the old bundle or the new one runs; given again, it succeeds."""
    old = install("1.0.0").bundle.digest
    store.change(StoreState.committed)
    sound = shutil.copytree(store.folder, tmp_path / "sound")
    archive = zipped(golden_bundle(tmp_path / "new", "1.1.0"), tmp_path / "new.zip")
    new = installed_of(archive).digest
    for at in range(1, MOST_CHANGES):
        shutil.rmtree(store.folder)
        shutil.copytree(sound, store.folder)
        graveyard = tmp_path / f"graves-{at}"
        graveyard.mkdir()
        disk = _FaultyDisk(graveyard, at)
        with serving(sends(archive.read_bytes())) as address:
            try:
                _update(Store(store.folder, disk), address)
            except BundleError as error:
                assert "No space left on device" in str(error)  # noqa: PT017
                assert _running() in {old, new}
            else:  # nothing failed, or only the removal of a draft
                assert _running() == new
        if disk.changes < at:
            assert at > 15
            return
        _update(store, archive)
        assert _running() == new
    pytest.fail(f"more than {MOST_CHANGES} changes")


def _update(store: Store, source: Path | str) -> None:
    update(
        str(source),
        store,
        Trust(allow_unsigned=True),
        lambda bundle: None,
        lambda got, length: None,
    )
