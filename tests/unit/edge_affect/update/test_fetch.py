from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from edge_affect.errors import BundleError, UsageError
from edge_affect.update import fetch as module
from edge_affect.update.fetch import fetched
from edge_affect.update.store import Store
from tests.fakes.web import redirects, sends, serving

CONTENT = bytes(range(256)) * 3000


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ready(store: Store) -> Store:
    """Return a store that can be written."""
    store.prepare()
    return store


def _fetch(source: str, store: Store) -> bytes:
    with fetched(source, store, lambda got, length: None) as path:
        return path.read_bytes()


def _refused(source: str, store: Store) -> str:
    with pytest.raises(BundleError) as caught:
        _fetch(source, store)
    assert list(store.folder.iterdir()) == []
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_fetch_brings_every_byte_and_tells_how_far_it_is(ready: Store) -> None:
    """It lies in the store while it is needed, and no longer."""
    told: list[tuple[int, int | None]] = []
    with serving(sends(CONTENT)) as address:
        source = f"{address}/b.zip?token=secret"
        with fetched(source, ready, lambda *far: told.append(far)) as path:
            assert path.read_bytes() == CONTENT
            assert path.parent == ready.folder
            assert path.suffix == ".zip"
    assert list(ready.folder.iterdir()) == []
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [got for got, _ in told] == sorted(got for got, _ in told)


def test_fetch_leaves_files_of_this_machine_where_they_are(
    store: Store, tmp_path: Path
) -> None:
    """A path is used as it is; nothing is copied."""
    with fetched(str(tmp_path / "b.zip"), store, lambda *far: None) as path:
        assert path == tmp_path / "b.zip"


def test_fetch_takes_an_answer_without_a_length(ready: Store) -> None:
    """Some servers do not say how much will come."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(CONTENT)

    with serving(answer) as address:
        assert _fetch(f"{address}/b.zip", ready) == CONTENT


def test_fetch_follows_a_redirect(ready: Store) -> None:
    """As downloads often need."""
    with (
        serving(sends(CONTENT)) as real,
        serving(redirects(f"{real}/b.zip")) as address,
    ):
        assert _fetch(f"{address}/latest", ready) == CONTENT


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/b.zip"])
def test_fetch_is_led_nowhere_but_to_the_web(ready: Store, to: str) -> None:
    """A server cannot point to a file of this machine."""
    with serving(redirects(to)) as address:
        _refused(f"{address}/b.zip", ready)


@pytest.mark.parametrize("source", ["ftp://x/b.zip", "file:///b.zip", "http://", "://"])
def test_fetch_of_another_scheme_is_wrong_usage(store: Store, source: str) -> None:
    """Only http, https and paths."""
    with pytest.raises(UsageError, match="expected http://, https:// or a file"):
        _fetch(source, store)


def test_fetch_refuses_an_answer_that_ends_early(ready: Store) -> None:
    """A connection that breaks is not the end of the file."""
    with serving(sends(CONTENT, length=len(CONTENT) + 1)) as address:
        message = _refused(f"{address}/b.zip", ready)
    assert f"ended after {len(CONTENT)} of {len(CONTENT) + 1} bytes" in message


def test_fetch_refuses_too_long_an_answer_unread(
    ready: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what the header says; and if that lies, by what comes."""
    monkeypatch.setattr(module, "MAX_FETCHED_BYTES", len(CONTENT) - 1)
    with serving(sends(CONTENT)) as address:
        assert "expected <=" in _refused(f"{address}/b.zip", ready)

    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(bytes(65536))
        except OSError:
            pass

    with serving(endless) as address:
        assert "expected <=" in _refused(f"{address}/b.zip", ready)


def test_fetch_tells_what_a_server_answered(ready: Store) -> None:
    """With its code, and without what the address may keep secret."""
    with serving(sends(b"", status=404)) as address:
        message = _refused(f"{address}/b.zip?token=secret", ready)
    assert "the server answered 404" in message
    assert "secret" not in message


def test_fetch_says_when_nobody_answers(ready: Store) -> None:
    """A closed port is one line; so is an answer that is no HTTP."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    told = _refused(f"http://me:secret@127.0.0.1:{port}/b.zip?key=1", ready)
    assert f"http://127.0.0.1:{port}/b.zip: cannot be fetched" in told
    assert "secret" not in told
    assert "key" not in told
    assert "cannot be fetched" in _refused("http://127.0.0.1:99999/b.zip", ready)

    def babble(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"hello\r\n")

    with serving(babble) as address:
        assert "cannot be fetched" in _refused(f"{address}/b.zip", ready)


def test_fetch_gives_up_on_a_server_that_says_no_more(
    ready: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that hangs does not hang the update."""
    monkeypatch.setattr(module, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert "timed out" in _refused(f"http://127.0.0.1:{port}/b.zip", ready)
