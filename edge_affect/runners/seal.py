"""The tag that tells an engine file of ours from one that somebody changed."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_affect.errors import RunnerError

CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
"""Where systemd puts a unit's credentials."""
CREDENTIAL = "edge-affect-engine-key"
"""Name of the credential that holds the key."""
KEY_FILE = "etc/edge-affect/engine.key"
"""The key where there is no credential; root's own."""
SHORTEST_KEY_BYTES = 32
_LONGEST_KEY_BYTES = 4096
_PURPOSE = b"edge_affect engine 1\0"
"""Goes before what is tagged: a tag of ours is good for nothing else."""
TAG_BYTES = 32


@dataclass(frozen=True, slots=True)
class Seal:
    """Tags what the cache keeps.

    With a key the tag is an HMAC-SHA256: who can write the cache but not read the key
    cannot make one. Without a key it is a checksum, against damage alone.
    """

    key: bytes | None = field(default=None, repr=False)
    """The secret; None: there is none."""

    @property
    def kind(self) -> str:
        """What the tag is, for people."""
        return "checksum" if self.key is None else "MAC"

    def tag(self, content: bytes) -> bytes:
        """Return the tag of ``content``, ``TAG_BYTES`` long."""
        if self.key is None:
            return hashlib.sha256(_PURPOSE + content).digest()
        return hmac.new(self.key, _PURPOSE + content, hashlib.sha256).digest()

    def fits(self, tag: bytes, content: bytes) -> bool:
        """Tell whether ``tag`` is that of ``content``, in constant time."""
        return hmac.compare_digest(tag, self.tag(content))


def find_seal(
    environment: Mapping[str, str] = os.environ, root: Path = Path("/"), owner: int = 0
) -> Seal:
    """Return the seal by this machine's key; a checksum where it has none.

    Args:
        environment: Names the unit's credentials, in a service.
        root: Where ``etc`` lies; another one in tests.
        owner: User that a key file must belong to; root.

    Raises:
        RunnerError: There is a key, but others may read or write it, or it is too
            short: what looks safe and is not must not run.
    """
    folder = environment.get(CREDENTIALS_VARIABLE)
    if folder and (credential := Path(folder) / CREDENTIAL).exists():
        return Seal(_key(credential, None))
    path = root / KEY_FILE
    try:
        path.lstat()
    except FileNotFoundError:
        return Seal()
    except OSError as error:
        raise RunnerError(f"engine key {path}: {error.strerror or error}") from error
    return Seal(_key(path, owner))


def _key(path: Path, owner: int | None) -> bytes:
    """Read a key of ``owner``; systemd guards its credentials by itself."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            info = os.fstat(descriptor)
            if owner is not None:
                _check(path, info, owner)
            key = file.read(_LONGEST_KEY_BYTES)
    except OSError as error:
        raise RunnerError(
            f"engine key {path}: cannot be read ({error.strerror or error}); let this "
            "user's group read it, or give it as a systemd credential"
        ) from error
    if len(key) < SHORTEST_KEY_BYTES:
        raise RunnerError(
            f"engine key {path}: got {len(key)} bytes, expected {SHORTEST_KEY_BYTES} "
            "random ones at least"
        )
    return key


def _check(path: Path, info: os.stat_result, owner: int) -> None:
    if not stat.S_ISREG(info.st_mode) or info.st_uid != owner:
        raise RunnerError(
            f"engine key {path}: is no plain file of user {owner} (got user "
            f"{info.st_uid}); expected root's own: chown root {path}"
        )
    if info.st_mode & 0o027:
        raise RunnerError(
            f"engine key {path}: got the mode {stat.S_IMODE(info.st_mode):04o}, "
            f"expected 0640 or less: chmod 640 {path}"
        )
