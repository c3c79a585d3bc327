from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_affect.errors import BundleError, RunnerError
from edge_affect.model.bundle import Bundle
from edge_affect.update.state import StoreState
from edge_affect.update.store import Store
from edge_affect.update.updater import Trust, Updated, update
from tests.fakes.bundles import golden_bundle, zipped
from tests.fakes.web import sends, serving
from tests.unit.edge_affect.update.conftest import Install


def _nothing(bundle: Bundle) -> None:
    pass


def _update(store: Store, source: Path | str, trust: Trust | None = None) -> Updated:
    leave = trust or Trust(allow_unsigned=True)
    return update(str(source), store, leave, _nothing, lambda got, length: None)


def _seen(store: Store) -> dict[str, bytes]:
    """Return every file of the store but its locks."""
    return {
        str(path.relative_to(store.folder)): path.read_bytes()
        for path in sorted(store.folder.rglob("*"))
        if path.is_file() and "lock" not in path.name
    }


@pytest.mark.parametrize("kind", ["folder", "archive", "url"])
def test_update_installs_a_bundle_from_anywhere(
    store: Store, shipped: str, tmp_path: Path, kind: str
) -> None:
    """The store holds the very files, and the bundle is on trial."""
    folder = golden_bundle(tmp_path / "new")
    archive = zipped(folder, tmp_path / "new.zip")
    with serving(sends(archive.read_bytes())) as address:
        sources = {"folder": str(folder), "archive": str(archive)}
        updated = _update(store, sources.get(kind, f"{address}/b.zip"))
    assert updated.is_new
    assert store.state().is_trial_of(updated.bundle.digest)
    kept = store.folder / updated.bundle.digest
    assert {p.name: p.read_bytes() for p in kept.iterdir()} == {
        p.name: p.read_bytes() for p in folder.iterdir()
    }
    assert not list(store.folder.glob(".new-*"))


def test_update_to_what_is_installed_changes_nothing(
    store: Store, install: Install
) -> None:
    """Neither a trial nor what went before it begins anew."""
    install("1.0.0")
    store.change(StoreState.committed)
    before = store.state()
    assert not install("1.0.0").is_new
    assert store.state() == before


def test_update_mends_an_installed_bundle(store: Store, install: Install) -> None:
    """A file that the disk lost comes back."""
    digest = install("1.0.0").bundle.digest
    (store.folder / digest / "face.cpu-fp32.onnx").unlink()
    install("1.0.0")
    current = store.state().current
    assert current is not None
    assert store.bundle(current).digest == digest


def test_update_refuses_a_version_below_the_floor(
    store: Store, install: Install
) -> None:
    """The floor is the newest version that went well, whatever runs now."""
    install("1.10.0")
    store.change(StoreState.committed)
    before = _seen(store)
    with pytest.raises(BundleError, match=r"tiny 1\.9\.9: is older than 1\.10\.0"):
        install("1.9.9")
    assert _seen(store) == before
    assert install("1.10.1").is_new


def test_update_takes_an_older_version_while_nothing_went_well(
    store: Store, install: Install
) -> None:
    """The floor rises by the first healthy minute, not by the switch."""
    install("1.1.0")
    assert install("1.0.0").is_new


def test_update_refuses_what_failed_here_before(store: Store, install: Install) -> None:
    """The reason is told again."""
    install("1.0.0")
    store.change(lambda state: state.rolled_back("too slow"))
    with pytest.raises(BundleError, match=r"was rolled back .*\(too slow\)"):
        install("1.0.0")
    assert install("1.0.1").is_new


@pytest.mark.parametrize("error", [BundleError("golden"), RunnerError("load")])
def test_update_that_cannot_be_prepared_writes_nothing(
    store: Store, install: Install, tmp_path: Path, error: Exception
) -> None:
    """What does not run here never reaches the store."""
    install("1.0.0")
    before = _seen(store)
    folder = golden_bundle(tmp_path / "new", "1.1.0")

    def fail(bundle: Bundle) -> None:
        assert _seen(store) == before
        raise error

    with pytest.raises(type(error), match=str(error)):
        update(str(folder), store, Trust(allow_unsigned=True), fail, lambda *far: None)
    assert _seen(store) == before


def test_update_refuses_what_nobody_vouches_for(
    store: Store, install: Install, shipped: str, tmp_path: Path
) -> None:
    """Without leave or key only what edge_affect ships comes in."""
    install("1.0.0")
    before = _seen(store)
    folder = golden_bundle(tmp_path / "new", "1.1.0")
    with pytest.raises(BundleError, match="was not shipped"):
        _update(store, folder, Trust())
    assert _seen(store) == before


@pytest.mark.parametrize("damage", ["flip", "truncate", "extra", "empty"])
def test_update_by_a_damaged_archive_writes_nothing(
    store: Store, install: Install, tmp_path: Path, damage: str
) -> None:
    """Fetched or given, it is refused, and what is installed runs on."""
    install("1.0.0")
    before = _seen(store)
    folder = golden_bundle(tmp_path / "new", "1.1.0")
    if damage == "extra":
        (folder / "extra").write_bytes(b"x")
    path = zipped(folder, tmp_path / "b.zip")
    content = path.read_bytes()
    path.write_bytes(
        {
            "flip": content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
            "truncate": content[:-1],
            "extra": content,
            "empty": b"",
        }[damage]
    )
    with serving(sends(path.read_bytes())) as address:
        for source in (path, f"{address}/b.zip"):
            with pytest.raises(BundleError):
                _update(store, source)
            assert _seen(store) == before


def test_update_removes_what_a_broken_one_left(
    store: Store, install: Install, tmp_path: Path
) -> None:
    """Drafts of whatever kind are gone after the next update."""
    digest = install("1.0.0").bundle.digest
    shutil.copytree(store.folder / digest, store.folder / ".new-left")
    (store.folder / ".new-fetched.zip").write_bytes(b"half")
    install("1.1.0")
    assert not list(store.folder.glob(".new-*"))
