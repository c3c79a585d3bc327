from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from edge_affect.errors import RunnerError
from edge_affect.runners import engine_cache
from edge_affect.runners.engine_cache import (
    EngineCache,
    EngineKey,
    l4t_release,
    open_engine_cache,
)
from edge_affect.runners.seal import KEY_FILE, Seal, find_seal

KEY = EngineKey("ab" * 32, "10.3.0", 12060, "R36", "Orin", 16, "strong")
ENGINE = bytes(range(256)) * 40
SECRET = Seal(b"k" * 32)


@pytest.fixture(params=[Seal(), SECRET], ids=["checksum", "MAC"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> EngineCache:
    """Return an empty cache, with a key and without."""
    return EngineCache(tmp_path / "deep" / "engines", request.param)


def _file(cache: EngineCache) -> Path:
    (path,) = cache.folder.iterdir()
    return path


def test_engine_cache_gives_back_what_it_was_given(cache: EngineCache) -> None:
    """The very bytes come back, from a file in a folder that is nobody else's."""
    assert cache.load(KEY) is None
    cache.save(KEY, ENGINE)
    assert cache.load(KEY) == ENGINE
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    assert _file(cache).stat().st_mode & 0o077 == 0
    cache.discard(KEY)
    assert cache.load(KEY) is None
    cache.discard(KEY)


@pytest.mark.parametrize(
    "change",
    [
        {"graph": "cd" * 32},
        {"tensorrt": "10.3.1"},
        {"driver": 12080},
        {"l4t": "R37"},
        {"device": "Orin Nano"},
        {"multiprocessors": 8},
        {"flags": "weak INT8"},
    ],
)
def test_engine_cache_knows_no_engine_of_something_else(
    cache: EngineCache, change: dict[str, str | int]
) -> None:
    """Where any part of the key differs, there is no engine: a stale one is not met."""
    cache.save(KEY, ENGINE)
    assert cache.load(replace(KEY, **change)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("place", [0, 20, 60, 400, -1])
def test_engine_cache_refuses_every_changed_byte(
    cache: EngineCache, place: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Magic, tag, key or engine: one changed bit, and it is built anew, with a line."""
    cache.save(KEY, ENGINE)
    path = _file(cache)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert cache.load(KEY) is None
    (record,) = caplog.records
    assert "it is built anew" in record.getMessage()


@pytest.mark.parametrize("length", [0, 10, 50, 100, 2000])
def test_engine_cache_refuses_a_file_cut_short(cache: EngineCache, length: int) -> None:
    """Wherever the power went away, half an engine is none."""
    cache.save(KEY, ENGINE)
    path = _file(cache)
    path.write_bytes(path.read_bytes()[:length])
    assert cache.load(KEY) is None


def test_engine_cache_refuses_an_engine_under_another_name(cache: EngineCache) -> None:
    """A whole file that was renamed is not what the name says."""
    cache.save(KEY, ENGINE)
    path = _file(cache)
    other = replace(KEY, device="Thor")
    cache.save(other, b"other")
    (there,) = set(cache.folder.iterdir()) - {path}
    there.write_bytes(path.read_bytes())
    assert cache.load(other) is None


def test_engine_cache_refuses_a_tag_by_another_key(tmp_path: Path) -> None:
    """Who cannot read the key cannot make an engine, nor can a mere checksum."""
    folder = tmp_path / "engines"
    for forger in (Seal(), Seal(b"x" * 32)):
        EngineCache(folder, forger).save(KEY, ENGINE)
        assert EngineCache(folder, SECRET).load(KEY) is None
        assert EngineCache(folder, forger).load(KEY) == ENGINE


def test_engine_cache_never_reads_through_a_link(
    cache: EngineCache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A link in place of an engine is left aside."""
    cache.save(KEY, ENGINE)
    path = _file(cache)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert cache.load(KEY) is None
    assert "built anew" in caplog.text


def test_engine_cache_refuses_a_folder_that_others_may_enter(tmp_path: Path) -> None:
    """Another mode than 0700 is one line on what to do."""
    folder = tmp_path / "engines"
    for mode in (0o755, 0o770, 0o701):
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
        with pytest.raises(
            RunnerError, match=f"got the mode {mode:04o}, expected 0700"
        ):
            EngineCache(folder, Seal())


def test_engine_cache_refuses_a_folder_of_somebody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An owner other than this user, a link and a file are refused."""
    folder = tmp_path / "engines"
    EngineCache(folder, Seal())
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(RunnerError, match="is no folder or belongs to user"):
        EngineCache(tmp_path / "link", Seal())
    (tmp_path / "file").write_text("")
    with pytest.raises(RunnerError, match="cannot be made"):
        EngineCache(tmp_path / "file", Seal())
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    with pytest.raises(RunnerError, match=f"belongs to user {me}, expected one of"):
        EngineCache(folder, Seal())


def test_engine_cache_goes_on_where_it_cannot_write(
    cache: EngineCache,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full disk costs the next start a build, and nothing else."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    cache.save(KEY, ENGINE)
    assert "No space left on device" in caplog.text
    assert not list(cache.folder.iterdir())


def test_open_engine_cache_lies_in_the_users_cache() -> None:
    """XDG_CACHE_HOME moves it."""
    folder = open_engine_cache().folder
    assert folder == Path(os.environ["XDG_CACHE_HOME"]) / "edge_affect" / "engines"


def test_open_engine_cache_says_that_there_is_no_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A user without a home is told which variable to set."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(RunnerError, match=r"engine cache: .*set XDG_CACHE_HOME"):
        open_engine_cache()


def test_engine_cache_does_not_wait_for_a_pipe(
    cache: EngineCache, caplog: pytest.LogCaptureFixture
) -> None:
    """What is no plain file is left aside at once."""
    cache.save(KEY, ENGINE)
    path = _file(cache)
    path.unlink()
    os.mkfifo(path)
    assert cache.load(KEY) is None
    assert "is no plain file of this user" in caplog.text


@pytest.mark.parametrize("text", ["# R36 (release), REVISION: 4.3\nmore\n", None, ""])
def test_l4t_release_is_the_first_line(tmp_path: Path, text: str | None) -> None:
    """The release is part of the key; elsewhere it is empty."""
    (tmp_path / "etc").mkdir()
    if text is not None:
        (tmp_path / "etc/nv_tegra_release").write_text(text)
    expected = "# R36 (release), REVISION: 4.3" if text else ""
    assert l4t_release(tmp_path) == expected


def _key_file(root: Path, content: bytes = b"s" * 32, mode: int = 0o600) -> Path:
    path = root / KEY_FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_seal_is_a_checksum_without_a_key(tmp_path: Path) -> None:
    """Nothing is secret then, and it says so."""
    seal = find_seal({}, tmp_path)
    assert (seal.key, seal.kind) == (None, "checksum")


def test_seal_says_that_the_key_cannot_be_looked_at(tmp_path: Path) -> None:
    """A file where a folder belongs is no reason to go on without the key."""
    (tmp_path / "etc").write_text("")
    with pytest.raises(RunnerError, match=r"engine key .*Not a directory"):
        find_seal({}, tmp_path)


def test_seal_takes_a_units_credential_first(tmp_path: Path) -> None:
    """A systemd credential goes over the file."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "edge-affect-engine-key").write_bytes(b"c" * 32)
    _key_file(tmp_path)
    environment = {"CREDENTIALS_DIRECTORY": str(folder)}
    assert find_seal(environment, tmp_path, os.geteuid()).key == b"c" * 32
    seal = find_seal({}, tmp_path, os.geteuid())
    assert (seal.key, seal.kind) == (b"s" * 32, "MAC")
    assert "ssss" not in repr(seal)


@pytest.mark.parametrize(
    ("content", "mode", "stranger", "reason"),
    [
        (b"s" * 32, 0o644, False, "expected 0640 or less"),
        (b"s" * 32, 0o660, False, "expected 0640 or less"),
        (b"s" * 31, 0o600, False, "got 31 bytes, expected 32"),
        (b"s" * 32, 0o600, True, "expected root's own"),
    ],
)
def test_seal_refuses_a_key_that_is_not_safe(
    tmp_path: Path, content: bytes, mode: int, *, stranger: bool, reason: str
) -> None:
    """A key that others may read or write is an error, never a silent checksum."""
    _key_file(tmp_path, content, mode)
    with pytest.raises(RunnerError, match=reason) as caught:
        find_seal({}, tmp_path, os.geteuid() + stranger)
    assert "\n" not in str(caught.value)


def test_seal_refuses_a_key_behind_a_link(tmp_path: Path) -> None:
    """A link may point to a file that somebody else can change."""
    path = _key_file(tmp_path)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunnerError, match="cannot be read"):
        find_seal({}, tmp_path, os.geteuid())


def test_cache_is_taken_under_a_set_gid_folder(tmp_path: Path) -> None:
    """The bit that a folder inherits lets nobody in."""
    tmp_path.chmod(0o2770)
    folder = tmp_path / "engines"
    for _ in range(2):
        cache = EngineCache(folder, Seal())
    cache.save(KEY, b"engine")
    assert cache.load(KEY) == b"engine"


def test_cache_forgets_what_a_killed_process_left(tmp_path: Path) -> None:
    """A file that somebody may still be writing stays."""
    EngineCache(tmp_path / "c", Seal())
    old, new = (tmp_path / "c" / f".engine-{name}" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    EngineCache(tmp_path / "c", Seal())
    assert not old.exists()
    assert new.exists()


def test_cache_keeps_what_was_used_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Engines of bundles long gone do not fill the disk."""
    monkeypatch.setattr(engine_cache, "MOST_KEPT", 2)
    cache = EngineCache(tmp_path / "c", Seal())
    keys = [replace(KEY, graph=f"{number:064}") for number in range(4)]
    for number, key in enumerate(keys):
        cache.save(key, b"engine")
        os.utime(cache.folder / f"{key.digest[:32]}.engine", (number, number))
    assert cache.load(keys[0]) is not None  # used now
    EngineCache(tmp_path / "c", Seal())
    assert [cache.load(key) is not None for key in keys] == [True, False, False, True]
