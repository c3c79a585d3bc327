"""Which target was measured to be the fastest on this machine: the user's cache."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_affect.errors import SinkError
from edge_affect.runners.cache import CACHE_VARIABLE, cache_folder
from edge_affect.runners.processor import cpu_model

_LOG = logging.getLogger(__name__)

SCHEMA = 1
"""Version of the file's layout."""
_MAX_BYTES = 64 * 1024
_MAX_TEXT = 300


@dataclass(frozen=True, slots=True)
class Choice:
    """A target, and why it is the one that runs."""

    target: str
    """One of ``labels.TARGETS``."""
    reason: str
    """Who chose it: the caller, a measurement or the bundle; one line."""


@dataclass(frozen=True, slots=True)
class ChoiceKey:
    """What a measurement holds for; where any of it differs, it says nothing."""

    bundle_digest: str
    """SHA-256 of the bundle's manifest, hex."""
    onnxruntime: str
    """Version of ONNX Runtime."""
    cpu: str
    """Model of the processor."""


def choice_key(bundle_digest: str) -> ChoiceKey:
    """Return the key of a bundle on this machine, as it is now."""
    import onnxruntime

    return ChoiceKey(bundle_digest, onnxruntime.__version__, cpu_model())


def choice_file(key: ChoiceKey) -> Path:
    """Return where the choice for ``key`` is kept.

    Raises:
        SinkError: This user has no home, so no cache either.
    """
    digest = hashlib.sha256(json.dumps(asdict(key)).encode()).hexdigest()
    return cache_folder("targets") / f"{digest[:32]}.json"


def load_choice(key: ChoiceKey, targets: Sequence[str]) -> Choice | None:
    """Return what was measured for exactly ``key``; None where nothing was.

    A file that is damaged is left aside, with a warning.

    Args:
        key: Bundle, runtime and processor.
        targets: What may have been chosen.
    """
    path = None
    try:
        path = choice_file(key)
        with path.open("rb") as file:
            return _parsed(file.read(_MAX_BYTES + 1), key, targets)
    except (FileNotFoundError, NotADirectoryError, SinkError):
        return None  # nothing was measured, or nowhere to keep it
    except (OSError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or str(error)
        _LOG.warning(
            "%s: what was measured cannot be read (%s), the bundle's default target "
            "runs; measure again with: edge-affect doctor --measure",
            path,
            why,
        )
        return None


def save_choice(key: ChoiceKey, choice: Choice) -> Path:
    """Keep ``choice`` for ``key``, whole or not at all; return its file.

    Raises:
        SinkError: The user's cache cannot be written.
    """
    path = choice_file(key)
    text = json.dumps({"schema": SCHEMA, **asdict(key), **asdict(choice)}, indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".choice-", dir=path.parent)
        partial = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(f"{text}\n")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise SinkError(
            f"{path}: the choice cannot be kept ({error.strerror or error}); make the "
            f"folder writable, or set {CACHE_VARIABLE} to one that is"
        ) from error
    return path


def _parsed(content: bytes, key: ChoiceKey, targets: Sequence[str]) -> Choice:
    if len(content) > _MAX_BYTES:
        raise ValueError(f"got more than {_MAX_BYTES} bytes")
    values = json.loads(content)
    if not isinstance(values, dict):
        raise ValueError("got no object")  # noqa: TRY004 - of the file, not a caller
    for name, expected in {"schema": SCHEMA, **asdict(key)}.items():
        if values.get(name) != expected:
            raise ValueError(f"{name}: got {values.get(name)!a:.60}")
    target, reason = values.get("target"), values.get("reason")
    if not isinstance(target, str) or target not in targets:
        raise ValueError(f"target: got {target!a:.60}")
    if not isinstance(reason, str) or not 0 < len(reason) <= _MAX_TEXT:
        raise ValueError(f"reason: got {reason!a:.60}")
    if not reason.isprintable():
        raise ValueError("reason: got control characters")
    return Choice(target, reason)
