from __future__ import annotations

from pathlib import Path

import pytest

from deploy.files import staged_bundle, write_text
from edge_affect.errors import BundleError


def test_write_text_leaves_nothing_behind_on_failure(tmp_path: Path) -> None:
    """A folder in the way is one error; no partial file stays."""
    (tmp_path / "digests.py").mkdir()
    with pytest.raises(BundleError, match=r"digests\.py: cannot be written"):
        write_text(tmp_path / "digests.py", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["digests.py"]


def test_staged_bundle_says_when_it_cannot_write(tmp_path: Path) -> None:
    """A file where a folder must be is one clear error."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with (
        pytest.raises(BundleError, match="cannot be written"),
        staged_bundle(tmp_path / "file" / "out", {}),
    ):
        pass


def test_staged_bundle_leaves_nothing_when_a_file_cannot_be_written(
    tmp_path: Path,
) -> None:
    """When the disk refuses a file, neither the bundle nor its draft stays."""
    with (
        pytest.raises(BundleError, match="cannot be written"),
        staged_bundle(tmp_path / "out", {"x" * 300: b""}),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
