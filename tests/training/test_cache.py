"""Arrays that are made once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_affect.errors import DataError
from training.engine.cache import Arrays, cached, file_key, settings_key


def test_cached_makes_once(tmp_path: Path) -> None:
    """The second call reads the file and does not make."""
    made = []

    def make() -> Arrays:
        made.append(1)
        return {"x": np.arange(3), "y": np.ones((2, 2), np.float32)}

    first, second = (cached(tmp_path / "deep" / "a.npz", make) for _ in range(2))
    assert len(made) == 1
    assert first.keys() == second.keys()
    assert np.array_equal(first["x"], second["x"])
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.npz"]


def test_cached_refuses_a_damaged_file(tmp_path: Path) -> None:
    """The message says to remove it."""
    path = tmp_path / "a.npz"
    path.write_bytes(b"no arrays")
    with pytest.raises(DataError, match="remove it"):
        cached(path, dict)


def test_keys_change_with_what_they_name(tmp_path: Path) -> None:
    """Other content, and other settings, have another key; a missing file has none."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    assert file_key(one) != file_key(other)
    assert settings_key(1, "a") == settings_key(1, "a") != settings_key(1, "b")
    with pytest.raises(DataError, match="cannot be read"):
        file_key(tmp_path / "none")
