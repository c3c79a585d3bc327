"""Bring a bundle from wherever it lies: over HTTP it is fetched aside first."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edge_affect.errors import BundleError, UsageError
from edge_affect.model.archive import ARCHIVE_SUFFIX
from edge_affect.model.entries import MAX_BUNDLE_BYTES
from edge_affect.update.store import Store

MAX_FETCHED_BYTES = MAX_BUNDLE_BYTES + 1024 * 1024
"""Longest archive that is fetched: the files, and what a zip writes around them."""
TIMEOUT_S = 30.0
"""Longest wait for a server's next byte."""
_CHUNK_BYTES = 256 * 1024
_SCHEMES = ("http", "https")

Tell = Callable[[int, int | None], None]
"""Told the bytes that have come, and how many there will be where that is known."""


@contextlib.contextmanager
def fetched(source: str, store: Store, tell: Tell) -> Iterator[Path]:
    """Yield where the bundle lies on this machine; what was fetched is removed again.

    Args:
        source: A URL, or the path of an archive or a directory.
        store: Where there is room for what is fetched.
        tell: Told how far it is.

    Raises:
        UsageError: The URL is of another kind than http and https.
        BundleError: It cannot be fetched whole.
    """
    if "://" not in source:
        yield Path(source)
        return
    address = urlsplit(source)
    if address.scheme not in _SCHEMES or not address.hostname:
        raise UsageError(
            f"{address.scheme}://: expected http://, https:// or a file on this machine"
        )
    with store.draft(f"fetched{ARCHIVE_SUFFIX}") as append:
        path = append(b"")
        with _opened(source) as (reply, length):
            _receive(reply, length, append, tell)
        yield path


@contextlib.contextmanager
def _opened(source: str) -> Iterator[tuple[Any, int | None]]:
    """Open the URL; whatever goes wrong with the connection is one line."""
    import http.client
    from urllib.error import HTTPError

    # A URL may hold a password or a token; it is not told.
    address = urlsplit(source)
    host = address.netloc.rpartition("@")[2]
    place = f"{address.scheme}://{host}{address.path}"
    try:
        with _opener().open(source, timeout=TIMEOUT_S) as reply:
            stated = reply.headers.get("Content-Length", "")
            yield reply, int(stated) if stated.isascii() and stated.isdigit() else None
    except HTTPError as error:
        error.close()
        raise BundleError(
            f"{place}: the server answered {error.code} ({error.reason})"
        ) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise BundleError(
            f"{place}: cannot be fetched ({' '.join(str(reason).split())}); try again"
        ) from error


def _opener() -> Any:
    """Return what opens HTTP and nothing else, whatever a server redirects to."""
    from urllib import request

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPRedirectHandler(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPErrorProcessor(),
        request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _receive(
    reply: Any, length: int | None, append: Callable[[bytes], Path], tell: Tell
) -> None:
    got = 0
    _check_length(length or 0)
    while chunk := reply.read(_CHUNK_BYTES):
        got += len(chunk)
        _check_length(got)
        try:
            append(chunk)
        except OSError as error:
            # The disk's, not the network's: trying again would not help.
            raise BundleError(
                f"what is fetched cannot be kept ({error.strerror or error}); make "
                "room on the device"
            ) from error
        tell(got, length)
    if length is not None and got != length:
        raise BundleError(
            f"the answer ended after {got} of {length} bytes; fetch it again"
        )


def _check_length(size_bytes: int) -> None:
    if size_bytes > MAX_FETCHED_BYTES:
        raise BundleError(
            f"the answer: got {size_bytes} bytes or more, "
            f"expected <= {MAX_FETCHED_BYTES}"
        )
