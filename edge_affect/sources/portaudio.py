"""Find and open an input device with PyAudio, or say in one line why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from edge_affect.clock import NS_PER_S
from edge_affect.errors import SourceError, missing_dependency

if TYPE_CHECKING:
    from pyaudio import PyAudio, Stream

DEFAULT = "default"
"""Name of the device that the system prefers."""
_CHUNKS_PER_S = 50
_RATES_HZ = (48_000, 44_100, 32_000, 16_000)
"""Tried in this order when a device refuses the rate that it calls its default."""

Callback = Callable[
    ["bytes | None", int, Mapping[str, float], int], "tuple[bytes | None, int]"
]


@dataclass(frozen=True, slots=True)
class InputDevice:
    """An open device that calls back."""

    library: PyAudio
    """What it was opened with."""
    stream: Stream
    """The running stream."""
    name: str
    """What the system calls the device."""
    rate_hz: int
    """Sample rate that it was opened at."""
    channels: int
    """Channels that it was opened with."""
    latency_ns: int
    """Usual age of a chunk's first sample when the callback runs, as it says."""

    def release(self) -> None:
        """Close the stream and the library."""
        try:
            self.stream.close()
        finally:
            self.library.terminate()


def import_pyaudio() -> ModuleType:
    """Return the package.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        import pyaudio
    except ImportError:
        raise missing_dependency("pyaudio", "audio", "a microphone") from None
    return pyaudio


def open_input(
    package: ModuleType, wanted: int | str, callback: Callback
) -> InputDevice:
    """Open an input device for int16 sound, as near to mono as it allows.

    Args:
        package: PyAudio.
        wanted: Number, part of a name, or ``default``.
        callback: Called by PortAudio's thread with each chunk, from now on.

    Raises:
        SourceError: There is no such device, or it refuses every format.
    """
    library: PyAudio = package.PyAudio()
    try:
        found = _find(library, wanted)
        return _open(package, library, found, callback)
    except BaseException:
        library.terminate()
        raise


def _inputs(library: PyAudio) -> dict[int, Mapping[str, str | int | float]]:
    every = map(library.get_device_info_by_index, range(library.get_device_count()))
    return {
        number: info
        for number, info in enumerate(every)
        if int(info["maxInputChannels"]) > 0
    }


def _find(library: PyAudio, wanted: int | str) -> Mapping[str, str | int | float]:
    inputs = _inputs(library)
    if not inputs:
        raise SourceError(
            f"microphone {wanted}: this machine has no sound input; connect one, "
            "start the sound server, or go without sound"
        )
    if wanted == DEFAULT:
        try:
            return library.get_default_input_device_info()
        except OSError:
            pass
    for number, info in inputs.items():
        by_name = (
            isinstance(wanted, str) and wanted.lower() in str(info["name"]).lower()
        )
        if number == wanted or by_name:
            return info
    listed = ", ".join(f"{number} {info['name']!r}" for number, info in inputs.items())
    raise SourceError(f"microphone {wanted}: there is no such input; found {listed}")


def _formats(info: Mapping[str, str | int | float]) -> Iterator[tuple[int, int]]:
    """Yield rates and channel counts to try, the device's own and mono first."""
    most = int(info["maxInputChannels"])
    rates = dict.fromkeys((int(info["defaultSampleRate"]), *_RATES_HZ))
    for rate_hz in rates:
        for channels in dict.fromkeys((1, min(2, most), most)):
            yield rate_hz, channels


def _open(
    package: ModuleType,
    library: PyAudio,
    info: Mapping[str, str | int | float],
    callback: Callback,
) -> InputDevice:
    reason: object = None
    for rate_hz, channels in _formats(info):
        try:
            stream = library.open(
                rate=rate_hz,
                channels=channels,
                format=package.paInt16,
                input=True,
                input_device_index=int(info["index"]),
                frames_per_buffer=rate_hz // _CHUNKS_PER_S,
                stream_callback=callback,
            )
        except (OSError, ValueError) as error:
            reason = error.args[0] if error.args else error
            continue
        latency_ns = int(stream.get_input_latency() * NS_PER_S)
        name = str(info["name"])
        return InputDevice(library, stream, name, rate_hz, channels, latency_ns)
    raise SourceError(
        f"microphone {info['name']}: cannot be opened at any rate ({reason}); "
        "is it in use by another program?"
    )
