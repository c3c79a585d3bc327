"""Settings of ``edge-affect run``: flags over a file over defaults."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from edge_affect.config import (
    BACKENDS,
    CameraMount,
    RealtimeSettings,
    config_from_mapping,
)
from edge_affect.errors import ConfigError, PurposeError
from edge_affect.labels import PURPOSES
from edge_affect.sinks.files import are_apart, check_apart, is_file

STDOUT = "-"
"""Name of the standard output where a file is expected."""

_FILE_ADDRESS = "file://"
_LONGEST_S = 10**9
"""Thirty years of stream: nobody waits for more, and larger numbers fit no clock."""

PURPOSE_MEANINGS = {
    "private_vehicle": "a private car: only for the people in it, who chose it",
    "research": "a study: recorded people consented, nobody is judged by it",
    "safety_documented": "a safety or medical use whose lawful basis is documented",
    "fleet": "a driver at work: action units and driver signals, never emotion",
}
"""Purpose → what it means, in one line."""

_NUMBER = (int, float)
_REALTIME = RealtimeSettings(freeze_collector=True)
"""The process is the stream's alone, so its collector may rest."""
_KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "source": ("text or a camera's number", (str, int)),
    "purpose": ("text", (str,)),
    "audio": ("'default', 'none', a microphone's number or name", (str, int)),
    "budget_ms": ("a number of ms", _NUMBER),
    "out": ("a file's name or '-'", (str,)),
    "report": ("a file's name", (str,)),
    "backend": (" or ".join(BACKENDS), (str,)),
    "bundle": ("a directory's name", (str,)),
    "allow_unsigned": ("true or false", (bool,)),
    "key": ("a file's name", (str,)),
    "detector": ("a file's name", (str,)),
    "max_seconds": ("a number of seconds", _NUMBER),
    "mount": ("a table of the camera's mount", (dict,)),
    "realtime": ("a table of real-time settings", (dict,)),
}


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Everything that ``edge-affect run`` was asked for."""

    source: str = ""
    """A camera's number, a path, a ``://`` address or ``simulated``."""
    purpose: str | None = None
    """What the estimates are for; one of ``PURPOSES``."""
    audio: int | str | None = None
    """``default``, a microphone's number or part of its name, ``none`` for no sound at
    all; None: only what the source brings."""
    budget_ms: float = 33.3
    """Time allowed from a frame's arrival to its estimate, ms."""
    out: str | None = None
    """Where the record goes: a file, or ``-`` for the standard output."""
    report: Path | None = None
    """Where the HTML page goes."""
    backend: str = "auto"
    """``auto``, ``onnxruntime`` or ``tensorrt``."""
    bundle: Path | None = None
    """Folder or archive of the bundle; None for the installed, else the shipped one."""
    allow_unsigned: bool = False
    """Whether a bundle that did not come with the wheel may run."""
    key: Path | None = None
    """Public key of whoever may sign bundles, a PEM file."""
    detector: Path | None = None
    """A YuNet ONNX file; None for the built-in locator."""
    max_seconds: float | None = None
    """Length of the stream to read, s; None: until its end."""
    mount: CameraMount = field(default_factory=CameraMount)
    """How the camera is installed."""
    realtime: RealtimeSettings = _REALTIME
    """What a live stream asks of the machine."""

    def __post_init__(self) -> None:
        if not self.source:
            raise ConfigError(
                "SOURCE: is missing; name a file, a camera or 'simulated'"
            )
        check_purpose(self.purpose)
        limit = self.max_seconds
        if limit is not None and not 0 < limit <= _LONGEST_S:
            raise ConfigError(
                f"max_seconds: got {limit!r:.60}, expected more than 0 and "
                f"{_LONGEST_S} at most"
            )
        self._check_targets()

    def _check_targets(self) -> None:
        """Nothing that is read, and no other output, may be written over."""
        read = (self.bundle, self.key, self.detector)
        inputs = [path for path in read if path is not None]
        clip = Path(self.source.removeprefix(_FILE_ADDRESS))
        if is_file(clip):
            inputs.append(clip)
        out = None if self.out in (None, STDOUT) else Path(str(self.out))
        if out is not None:
            check_apart(out, inputs)
        if self.report is not None:
            check_apart(self.report, inputs)
            if out is not None and not are_apart(out, self.report):
                raise ConfigError(
                    "report: got the file that 'out' names, or a '.part' of it; "
                    "name another"
                )


def check_purpose(purpose: str | None) -> None:
    """Refuse a purpose that is missing or unknown; name all four and what they mean.

    Raises:
        PurposeError: ``purpose`` is not one of ``PURPOSES``.
    """
    if purpose in PURPOSES:
        return
    got = "is missing" if purpose is None else f"got {purpose!r}"
    lines = [f"  {name:<18} {PURPOSE_MEANINGS[name]}" for name in PURPOSES]
    raise PurposeError(
        "\n".join(
            [f"--purpose: {got}; say what the estimates are for, one of:", *lines]
        )
    )


def run_settings(flags: Mapping[str, Any], config: Path | None) -> RunSettings:
    """Return the settings of a run.

    Args:
        flags: Flags by name; None where one was not given.
        config: A JSON or TOML file with the same names, which flags override.

    Raises:
        ConfigError: A key is unknown or a value is not of its kind.
        PurposeError: The purpose is missing or unknown.
    """
    values = {} if config is None else read_config(config)
    values |= {key: value for key, value in flags.items() if value is not None}
    values["source"] = str(values.get("source", ""))
    values["audio"] = _number_or_name(values.get("audio"))
    for key in ("report", "bundle", "key", "detector"):
        if key in values:
            values[key] = Path(values[key])
    settings = RunSettings(**values)
    if config is not None:
        for target in (settings.out, settings.report):
            if target not in (None, STDOUT):
                check_apart(Path(str(target)), [config])
    return settings


def _number_or_name(audio: int | str | None) -> int | str | None:
    is_number = isinstance(audio, str) and audio.isascii() and audio.isdecimal()
    return int(audio) if is_number and audio is not None else audio


def read_config(path: Path) -> dict[str, Any]:
    """Return the settings that a JSON or TOML file holds, each of its kind.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.
    """
    values = _parse(path)
    known = [entry.name for entry in fields(RunSettings)]
    for key, value in values.items():
        if key not in known:
            raise ConfigError(
                f"{path}: {key}: unknown key, expected one of {', '.join(known)}"
            )
        expected, kinds = _KINDS[key]
        if not isinstance(value, kinds) or (
            isinstance(value, bool) and bool not in kinds
        ):
            raise ConfigError(f"{path}: {key}: got {value!r}, expected {expected}")
    if "mount" in values:
        values["mount"] = config_from_mapping(CameraMount, values["mount"], "mount.")
    if "realtime" in values:
        given = {**asdict(_REALTIME), **values["realtime"]}
        values["realtime"] = config_from_mapping(RealtimeSettings, given, "realtime.")
    return values


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: got bytes that are not text") from error
    is_toml = path.suffix == ".toml"
    try:
        values = _parse_toml(path, text) if is_toml else json.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "TOML" if is_toml else "JSON"
        raise ConfigError(f"{path}: got no {kind} ({error})") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: got {type(values).__name__}, expected an object")
    return values


def _parse_toml(path: Path, text: str) -> Any:
    try:
        tomllib = importlib.import_module("tomllib")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{path}: TOML needs Python 3.11 or newer; write the same keys as JSON"
        ) from error
    return tomllib.loads(text)
