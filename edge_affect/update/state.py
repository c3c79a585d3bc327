"""What a store says of itself: one value that is replaced whole at every change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from edge_affect.model.bundle import Bundle
from edge_affect.model.entries import PLAIN_NAME, SHA256
from edge_affect.model.fields import MAX_TEXT, Fields, parse_json
from edge_affect.model.manifest import VERSION

STATE_FILE = "state.json"
SCHEMA = 1
"""Version of the file's layout."""
MOST_REFUSED = 16
"""Refused bundles that are remembered, the newest."""
_NAMES = ("digest", "name", "version")


@dataclass(frozen=True, slots=True)
class Installed:
    """A bundle of the store."""

    digest: str
    """SHA-256 of its manifest, hex; names its folder."""
    name: str
    version: str
    """MAJOR.MINOR.PATCH."""

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Refused:
    """A bundle that failed here; it is not taken again."""

    digest: str
    """SHA-256 of its manifest, hex."""
    name: str
    version: str
    """MAJOR.MINOR.PATCH."""
    reason: str
    """What went wrong, one line."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """What runs, what ran before, and what may come."""

    current: Installed | None = None
    """What runs; None: the shipped bundle."""
    previous: Installed | None = None
    """What ran well before ``current``; None: the shipped bundle."""
    floor: str | None = None
    """Highest version that went well: no lower one is taken."""
    starts: int | None = None
    """Starts of ``current`` in the boot ``boot`` that came to no end while it is on
    trial; None: it is not on trial."""
    boot: str | None = None
    """The boot in which these were counted, as the kernel names it."""
    refused: tuple[Refused, ...] = ()
    """Bundles that failed here, the oldest first."""

    @property
    def on_trial(self) -> bool:
        """Whether ``current`` has yet to get through its first minute."""
        return self.starts is not None

    def is_trial_of(self, digest: str) -> bool:
        """Tell whether the bundle ``digest`` is the one on trial."""
        return (
            self.on_trial
            and self.current is not None
            and (self.current.digest == digest)
        )

    def switched(self, bundle: Bundle) -> StoreState:
        """Return the state in which ``bundle`` is on trial.

        What it follows is the last one that went well, not one on trial itself.
        """
        manifest = bundle.manifest
        return replace(
            self,
            current=Installed(bundle.digest, manifest.name, manifest.version),
            previous=self.previous if self.on_trial else self.current,
            starts=0,
            boot=None,
        )

    def starts_in(self, boot: str) -> int:
        """Return how many starts of ``boot`` came to no end.

        A start that an earlier boot left open says nothing of the bundle: a car's power
        goes when the key is turned.
        """
        return (self.starts or 0) if self.boot == boot else 0

    def started(self, boot: str) -> StoreState:
        """Return the state with one more start under way in ``boot``."""
        return replace(self, starts=self.starts_in(boot) + 1, boot=boot)

    def ended(self) -> StoreState:
        """Return the state with one start less: it came to an orderly end."""
        left = max(0, (self.starts or 0) - 1)
        return replace(self, starts=left, boot=self.boot if left else None)

    def committed(self) -> StoreState:
        """Return the state in which ``current`` stays, and sets the floor."""
        version = self.current.version if self.current else None
        versions = [v for v in (self.floor, version) if v is not None]
        floor = max(versions, key=version_key, default=None)
        return replace(self, starts=None, boot=None, floor=floor)

    def rolled_back(self, reason: str) -> StoreState:
        """Return the state in which what was before ``current`` runs again."""
        if self.current is None:
            return self
        told = " ".join(reason.split())[:MAX_TEXT] or "unknown"
        told = "".join(c if c.isprintable() else "?" for c in told)
        failed = Refused(**asdict(self.current), reason=told)
        return replace(
            self,
            current=self.previous,
            previous=None,
            starts=None,
            boot=None,
            refused=(*self.refused, failed)[-MOST_REFUSED:],
        )

    def to_json(self) -> bytes:
        """Return the content of the state's file."""
        return (
            json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1) + "\n"
        ).encode()


def version_key(version: str) -> tuple[int, ...]:
    """Return what versions are compared by."""
    return tuple(map(int, version.split(".")))


def parse_state(content: bytes) -> StoreState:
    """Read the content of the state's file.

    Raises:
        BundleError: It is damaged.
    """
    root = parse_json(content, STATE_FILE)
    names = tuple(StoreState.__dataclass_fields__)
    required = tuple(name for name in names if name != "boot")
    fields = Fields(root, STATE_FILE, ("schema", *required), ("boot",))
    fields.integer("schema", SCHEMA, SCHEMA)
    return StoreState(
        current=fields.maybe("current", lambda key: _installed(fields, key)),
        previous=fields.maybe("previous", lambda key: _installed(fields, key)),
        floor=fields.maybe("floor", lambda key: _version(fields, key)),
        starts=fields.maybe("starts", lambda key: fields.integer(key, 0, 10**6)),
        boot=fields.maybe("boot", fields.text),
        refused=tuple(
            Refused(**_names(entry), reason=entry.text("reason"))
            for entry in fields.children("refused", (*_NAMES, "reason"))
        ),
    )


def _installed(fields: Fields, key: str) -> Installed:
    return Installed(**_names(fields.child(key, _NAMES)))


def _names(entry: Fields) -> Mapping[str, str]:
    return {
        "digest": entry.matching("digest", SHA256, "64 hex digits"),
        "name": entry.matching("name", PLAIN_NAME, "a plain name"),
        "version": _version(entry, "version"),
    }


def _version(fields: Fields, key: str) -> str:
    return fields.matching(key, VERSION, "MAJOR.MINOR.PATCH")
