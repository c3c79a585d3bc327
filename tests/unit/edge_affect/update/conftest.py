"""A shipped bundle that loads at once, a store, and bundles to install."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_affect import bundles
from edge_affect.bundles.digests import DIGESTS
from edge_affect.model.bundle import load_bundle
from edge_affect.update.state import Installed
from edge_affect.update.store import Store, store_folder
from edge_affect.update.updater import Trust, Updated, update
from tests.fakes.bundles import TINY, golden_bundle

Install = Callable[..., Updated]


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ship the tiny bundle in place of the large one; return its digest."""
    home = tmp_path / "wheel"
    shutil.copytree(TINY, home / "tiny")
    digest = hashlib.sha256((TINY / "manifest.json").read_bytes()).hexdigest()
    monkeypatch.setattr("edge_affect.bundles.__path__", [str(home)])
    monkeypatch.setattr(bundles, "DEFAULT", "tiny")
    monkeypatch.setitem(DIGESTS, "tiny", digest)
    return digest


@pytest.fixture
def store() -> Store:
    """Return this test's store, empty."""
    folder = store_folder()
    assert folder is not None
    return Store(folder)


@pytest.fixture
def install(store: Store, tmp_path: Path) -> Install:
    """Return a function that installs a bundle of a version, on trial."""

    def put(version: str = "1.0.0", *, wrong_by: float = 0.0) -> Updated:
        folder = tmp_path / f"given-{version}-{wrong_by}"
        if not folder.exists():
            golden_bundle(folder, version, wrong_by=wrong_by)
        return update(
            str(folder),
            store,
            Trust(allow_unsigned=True),
            lambda bundle: None,
            lambda got, length: None,
        )

    return put


def installed_of(folder: Path) -> Installed:
    """Return how the store calls the bundle in ``folder``."""
    bundle = load_bundle(folder, allow_unsigned=True)
    return Installed(bundle.digest, bundle.manifest.name, bundle.manifest.version)
