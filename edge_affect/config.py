"""Settings of a stream, checked when they are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from edge_affect.errors import ConfigError, PurposeError
from edge_affect.labels import PURPOSES

BACKENDS = ("auto", "onnxruntime", "tensorrt")
SPECTRA = ("visible", "near_infrared")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CameraMount:
    """How the camera is installed."""

    yaw_deg: float = 0.0
    """Turn of the camera from the driver's straight look, degrees, right positive."""
    pitch_deg: float = 0.0
    """Tilt of the camera, degrees, up positive."""
    roll_deg: float = 0.0
    """Roll of the camera, degrees, clockwise positive."""
    rotate: int = 0
    """Clockwise turn that makes the picture upright: 0, 90, 180 or 270 degrees."""
    mirrored: bool = False
    """Whether left and right are swapped, as in a selfie view."""
    hfov_deg: float = 60.0
    """Horizontal field of view, degrees."""
    driver_roi: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """Where the driver's face may be: left, top, width and height as shares of the
    upright picture."""
    spectrum: str = "visible"
    """``visible`` or ``near_infrared``."""

    def __post_init__(self) -> None:
        for name in ("yaw_deg", "pitch_deg", "roll_deg"):
            _check_range(f"mount.{name}", getattr(self, name), -180, 180)
        _check_range("mount.hfov_deg", self.hfov_deg, 1, 179)
        _check_choice("mount.rotate", self.rotate, (0, 90, 180, 270))
        _check_choice("mount.spectrum", self.spectrum, SPECTRA)
        object.__setattr__(self, "driver_roi", tuple(self.driver_roi))
        if len(self.driver_roi) != 4:
            raise ConfigError(
                f"mount.driver_roi: got {len(self.driver_roi)} numbers, expected 4: "
                "left, top, width, height"
            )
        if any(
            isinstance(value, bool) or not isinstance(value, (int, float))
            for value in self.driver_roi
        ):
            raise ConfigError(
                f"mount.driver_roi: got {self.driver_roi}, expected four numbers"
            )
        for value in self.driver_roi:
            _check_range("mount.driver_roi", value, 0, 1)
        left, top, width, height = self.driver_roi
        if min(width, height) <= 0 or max(left + width, top + height) > 1:
            raise ConfigError(
                f"mount.driver_roi: got {self.driver_roi}, expected left, top, width "
                "and height of a part of the picture, as shares of it"
            )


@dataclass(frozen=True, slots=True)
class RealtimeSettings:
    """What a live stream asks of the machine; what is refused is logged, no more."""

    priority: int | None = None
    """Real-time priority (``SCHED_FIFO``) of the stepping thread, 1 to 49: below the
    kernel's interrupts. None: an ordinary thread."""
    cores: tuple[int, ...] = ()
    """Processors that the stepping thread may run on; none: any."""
    lock_memory: bool = False
    """Whether all memory of the process is kept from being swapped out."""
    freeze_collector: bool = False
    """Whether Python's collector leaves alone what lives when the stream begins, and
    full collections cease until it ends. It is the whole process's: an application
    that makes cycles of objects keeps their memory meanwhile."""

    def __post_init__(self) -> None:
        if self.priority is not None:
            _check_range("realtime.priority", self.priority, 1, 49)
        object.__setattr__(self, "cores", tuple(self.cores))
        for core in self.cores:
            if isinstance(core, bool) or not isinstance(core, int):
                raise ConfigError(f"realtime.cores: got {core!r}, expected numbers")
            _check_range("realtime.cores", core, 0, 1_023)


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """Everything that a stream's behaviour depends on, but for its devices."""

    purpose: str
    """What the estimates are for, one of ``PURPOSES``; there is no default."""
    budget_ms: float = 33.3
    """Time allowed from a frame's arrival to its estimate, ms."""
    backend: str = "auto"
    """``auto``, ``onnxruntime`` or ``tensorrt``."""
    threads: int = 1
    """Threads that a graph may use."""
    detect_every: int = 10
    """Frames from one face detection to the next; tracked in between."""
    queue_capacity: int = 256
    """Estimates that wait for a slow consumer before the oldest is dropped."""
    mount: CameraMount = field(default_factory=CameraMount)
    realtime: RealtimeSettings = field(default_factory=RealtimeSettings)

    def __post_init__(self) -> None:
        check_purpose_name(self.purpose)
        _check_range("budget_ms", self.budget_ms, 1, 10_000)
        _check_choice("backend", self.backend, BACKENDS)
        _check_range("threads", self.threads, 1, 64)
        _check_range("detect_every", self.detect_every, 1, 1_000)
        _check_range("queue_capacity", self.queue_capacity, 1, 1_000_000)


def check_purpose_name(purpose: str | None) -> None:
    """Refuse a purpose that is missing or unknown.

    Raises:
        PurposeError: ``purpose`` is not one of ``PURPOSES``.
    """
    if purpose not in PURPOSES:
        raise PurposeError(
            f"purpose: got {purpose!r}, expected one of {', '.join(PURPOSES)}; "
            "say what the estimates are for"
        )


def config_from_mapping(
    kind: type[T], values: Mapping[str, Any], prefix: str = ""
) -> T:
    """Make a configuration from plain values, such as a parsed file.

    Raises:
        ConfigError: A key is unknown, or a value has the wrong type or range; the
            message names the key.
    """
    known = {entry.name: entry for entry in fields(kind)}  # type: ignore[arg-type]
    for key, value in values.items():
        if key not in known:
            raise ConfigError(
                f"{prefix}{key}: unknown key, expected one of {', '.join(known)}"
            )
        _check_type(f"{prefix}{key}", value, str(known[key].type))
    plain = dict(values)
    for name, part in (("mount", CameraMount), ("realtime", RealtimeSettings)):
        if isinstance(plain.get(name), Mapping):
            plain[name] = config_from_mapping(part, plain[name], f"{name}.")
    try:
        return kind(**plain)
    except TypeError as error:
        raise ConfigError(f"{prefix or 'config'}: {error}") from error


def _check_type(key: str, value: Any, annotation: str) -> None:
    wanted: dict[str, tuple[type, ...]] = {
        "float": (int, float),
        "int": (int,),
        "str": (str,),
        "bool": (bool,),
        "int | None": (int, type(None)),
        "CameraMount": (Mapping, CameraMount),
        "RealtimeSettings": (Mapping, RealtimeSettings),
    }
    types = wanted.get(annotation, (list, tuple))
    is_flag = isinstance(value, bool) and bool not in types
    if not isinstance(value, types) or is_flag:
        raise ConfigError(
            f"{key}: got {value!r}, expected a value of type {annotation}"
        )


def _check_range(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{key}: got {value}, expected {low} to {high}")


def _check_choice(key: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        known = ", ".join(str(choice) for choice in choices)
        raise ConfigError(f"{key}: got {value!r}, expected one of {known}")
