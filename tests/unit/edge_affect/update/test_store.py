from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from edge_affect.errors import BundleError
from edge_affect.model.bundle import load_bundle
from edge_affect.update.disk import Disk
from edge_affect.update.state import StoreState
from edge_affect.update.store import Store, store_folder
from tests.fakes.bundles import TINY
from tests.unit.edge_affect.update.conftest import Install


def _started(state: StoreState) -> StoreState:
    return state.started("boot")


def test_store_folder_is_named_or_the_user_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our variable wins, then freedesktop.org's, then the home."""
    monkeypatch.setenv("EDGE_AFFECT_BUNDLES", str(tmp_path / "named"))
    assert store_folder() == tmp_path / "named"
    monkeypatch.delenv("EDGE_AFFECT_BUNDLES")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert store_folder() == tmp_path / "edge_affect" / "bundles"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store_folder() == tmp_path / ".local" / "share" / "edge_affect" / "bundles"


def test_store_without_a_home_has_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service without a home runs the shipped bundle."""
    monkeypatch.delenv("XDG_DATA_HOME")

    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    assert store_folder() is None


def test_looking_at_a_store_makes_nothing(store: Store) -> None:
    """Who only reads leaves no trace."""
    assert store.state() == StoreState()
    assert not store.folder.exists()


def test_store_is_for_its_user_alone(store: Store, install: Install) -> None:
    """The folder is made so, and one that others may write to is not trusted."""
    install()
    assert store.folder.stat().st_mode & 0o777 == 0o700
    store.folder.chmod(0o770)
    with pytest.raises(BundleError, match="chmod 700"):
        store.state()
    with pytest.raises(BundleError, match="chmod 700"):
        store.prepare()


def test_store_keeps_every_byte(store: Store, install: Install) -> None:
    """What is loaded from it is what was given."""
    given = install().bundle
    current = store.state().current
    assert current is not None
    assert store.bundle(current).files == given.files


def test_store_refuses_a_bundle_under_another_s_name(
    store: Store, install: Install
) -> None:
    """The folder's name is the digest that its manifest must have."""
    first, second = install("1.0.0").bundle, install("1.1.0").bundle
    current = store.state().current
    assert current is not None
    for path in (store.folder / second.digest).iterdir():
        path.write_bytes(first.files[path.name])
    with pytest.raises(BundleError, match=r"manifest\.json: got SHA-256"):
        store.bundle(current)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b" " * 70_000])
def test_store_with_a_damaged_state_says_how_to_begin_anew(
    store: Store, install: Install, content: bytes
) -> None:
    """Nothing is overwritten: the floor would be lost with it."""
    install()
    (store.folder / "state.json").write_bytes(content)
    for change in (store.state, store.sweep, lambda: store.change(_started)):
        with pytest.raises(BundleError, match="remove the folder to begin anew"):
            change()
    assert (store.folder / "state.json").read_bytes() == content


def test_store_state_is_never_read_through_a_link(
    store: Store, install: Install
) -> None:
    """As no file of a bundle is."""
    install()
    (store.folder / "state.json").rename(store.folder / "aside")
    (store.folder / "state.json").symlink_to("aside")
    with pytest.raises(BundleError, match="is a link"):
        store.state()


def test_store_sweeps_what_nobody_names(store: Store, install: Install) -> None:
    """Drafts and forgotten bundles go; the two that may start stay."""
    first = install("1.0.0").bundle.digest
    store.change(StoreState.committed)
    second = install("1.1.0").bundle.digest
    (store.folder / ".new-x").mkdir()
    (store.folder / ".new-x" / "file").write_bytes(b"half")
    (store.folder / ("0" * 64)).mkdir()
    store.sweep()
    found = {path.name for path in store.folder.iterdir()}
    assert found == {first, second, "state.json", "lock", "update.lock"}


def test_store_lets_one_update_in(store: Store) -> None:
    """A second one is told to wait, at once."""
    store.prepare()
    with (
        store.updating(),
        pytest.raises(BundleError, match="another update is under way"),
        Store(store.folder).updating(),
    ):
        pass
    with store.updating():
        pass


def test_store_loses_no_change_of_many_writers(store: Store) -> None:
    """Streams and updates may change the state at the same time."""
    store.prepare()

    def start() -> None:
        for _ in range(20):
            Store(store.folder).change(_started)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.state().starts == 80


class _FullDisk(Disk):
    def write(self, path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")


def test_store_on_a_full_disk_keeps_what_it_has(store: Store, install: Install) -> None:
    """One line says so; the installed bundle and the state stay."""
    install()
    before = store.state()
    full = Store(store.folder, _FullDisk())
    with pytest.raises(BundleError, match="No space left on device"):
        full.keep(load_bundle(TINY, allow_unsigned=True))
    with pytest.raises(BundleError, match="No space left on device"):
        full.change(StoreState.committed)
    assert store.state() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_store_that_cannot_be_made_says_where_it_was_to_be(tmp_path: Path) -> None:
    """A closed folder is one line that names the variable."""
    tmp_path.chmod(0o500)
    with pytest.raises(BundleError, match="EDGE_AFFECT_BUNDLES"):
        Store(tmp_path / "store").prepare()


def test_store_in_the_place_of_a_file_says_so(tmp_path: Path) -> None:
    """A file where a folder must be is one line."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BundleError, match="cannot be written"):
        Store(tmp_path / "file" / "store").prepare()


class _StuckDisk(Disk):
    def remove(self, path: Path) -> None:
        raise OSError(30, "Read-only file system")


def test_store_that_cannot_be_swept_says_so(store: Store, install: Install) -> None:
    """What is in the way is not passed over: the disk would fill."""
    install()
    (store.folder / ".new-left").mkdir()
    stuck = Store(store.folder, _StuckDisk())
    with pytest.raises(BundleError, match="Read-only file system"):
        stuck.sweep()
    with pytest.raises(BundleError, match="Read-only file system"), stuck.draft("x"):
        pass


def test_store_whose_lock_cannot_be_made_says_so(store: Store) -> None:
    """Something else under its name is one line."""
    store.prepare()
    (store.folder / "lock").mkdir()
    with pytest.raises(BundleError, match="cannot be written"):
        store.change(_started)


def test_store_that_goes_away_meanwhile_is_one_line(
    store: Store, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is unplugged is no traceback."""
    install()

    def gone(path: Path, **_: object) -> os.stat_result:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "stat", gone)
    with pytest.raises(BundleError, match="No such file or directory"):
        store.state()
