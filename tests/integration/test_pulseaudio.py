"""Real capture through PyAudio from a sound server of our own that plays a tone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import edge_affect

pytestmark = pytest.mark.mic

TONE_HZ = 1_000
SINK_HZ = 44_100
RATE_HZ = 16_000
WINDOW = RATE_HZ // 2
START_LIMIT_S = 30.0
CHILD_LIMIT_S = 90.0
ALSA_PLUGINS = ("/usr/lib", "/usr/lib64", "/usr/local/lib")

CAPTURE = """
import sys
import numpy as np
from edge_affect.clock import NS_PER_S, SystemClock
from edge_affect.sources.microphone import MicrophoneSource

clock = SystemClock()
kept = []
with MicrophoneSource("default", clock) as source:
    until_ns = clock.now_ns() + 40 * NS_PER_S
    loud = 0
    while loud < 2.5 * 16_000 and clock.now_ns() < until_ns:
        chunk = source.read(5 * NS_PER_S)  # a sleeping device wakes within two
        if chunk is not None:
            kept.append(chunk)
            loud += len(chunk.samples) * bool(np.abs(chunk.samples).max() > 0.1)
    rate_hz = source._device.rate_hz
np.savez(
    sys.argv[1],
    samples=np.concatenate([chunk.samples for chunk in kept]),
    lengths=[len(chunk.samples) for chunk in kept],
    captures=[chunk.t_capture_ns for chunk in kept],
    arrivals=[chunk.t_arrival_ns for chunk in kept],
    indices=[chunk.index for chunk in kept],
    rate_hz=rate_hz,
)
"""

OPEN = """
from edge_affect.clock import SystemClock
from edge_affect.errors import SourceError
from edge_affect.sources.microphone import MicrophoneSource

try:
    with MicrophoneSource("default", SystemClock()) as source:
        print("opened", source.info.name)
except SourceError as error:
    print("refused", error)
"""


@contextmanager
def _home() -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield a private home, and an environment without any other sound server."""
    # Not tmp_path: a socket's path may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="ea-") as folder:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PULSE_", "ALSA_", "XDG_", "DBUS_", "DISPLAY"))
        }
        package = Path(edge_affect.__file__).parents[1]
        private = {
            "HOME": folder,
            "XDG_RUNTIME_DIR": folder,
            "PYTHONPATH": str(package),
        }
        yield Path(folder), kept | private


@pytest.fixture
def server() -> Iterator[tuple[Path, dict[str, str]]]:
    """Run PulseAudio with one silent sink whose monitor is the default input."""
    for tool in ("pactl", "paplay"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed; run: sudo make system")
    plugin = "alsa-lib/libasound_module_pcm_pulse.so"
    if not any(p for root in ALSA_PLUGINS for p in Path(root).glob(f"**/{plugin}")):
        pytest.skip("ALSA's plugin for PulseAudio is missing; run: sudo make system")
    with _home() as (home, environment):
        environment["PULSE_SERVER"] = f"unix:{home}/socket"
        (home / ".asoundrc").write_text(
            "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
        )
        sink = f"sink_name=speaker rate={SINK_HZ} channels=1 format=s16le"
        command = [
            *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1"),
            *("--use-pid-file=no", "--realtime=no", "--high-priority=no"),
            *(
                "-L",
                f"module-native-protocol-unix auth-anonymous=1 socket={home}/socket",
            ),
            *("-L", f"module-null-sink {sink}"),
        ]
        with _running(command, environment, home / "log"):
            _wait_for_server(home, environment)
            yield home, environment


@contextmanager
def _running(
    command: list[str], environment: dict[str, str], log: Path
) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_server(home: Path, environment: dict[str, str]) -> None:
    command = ["pactl", "set-default-source", "speaker.monitor"]
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        asked = subprocess.run(
            command, env=environment, capture_output=True, check=False
        )
        if asked.returncode == 0:
            return
        if time.monotonic() > deadline:
            pytest.fail(
                f"PulseAudio did not start: {(home / 'log').read_text()[-500:]}"
            )
        time.sleep(0.1)


def _write_tone(path: Path) -> None:
    t_s = np.arange(60 * SINK_HZ) / SINK_HZ
    tone = (0.5 * np.sin(2 * np.pi * TONE_HZ * t_s) * 32_767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SINK_HZ)
        file.writeframes(tone.tobytes())


def _run(script: str, environment: dict[str, str], *arguments: str) -> str:
    """Run ``script`` in a process whose sound libraries see ``environment``."""
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(
        command,
        env=environment,
        cwd=environment["HOME"],
        capture_output=True,
        text=True,
        timeout=CHILD_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # PortAudio's chatter is kept away from the user
    return done.stdout


def _purity(window: NDArray[np.float32]) -> float:
    """Return the share of power within 10 Hz of the tone."""
    power = np.abs(np.fft.rfft(window * np.hanning(len(window)))) ** 2
    frequencies = np.fft.rfftfreq(len(window), 1 / RATE_HZ)
    return float(power[np.abs(frequencies - TONE_HZ) <= 10].sum() / power.sum())


def test_microphone_captures_a_tone_from_a_sound_server(
    server: tuple[Path, dict[str, str]],
) -> None:
    """A 1 kHz tone comes back at 1 kHz, unbroken, resampled from 44.1 kHz."""
    home, environment = server
    _write_tone(home / "tone.wav")
    play = ["paplay", "--device=speaker", str(home / "tone.wav")]
    with _running(play, environment, home / "play.log"):
        _run(CAPTURE, environment, str(home / "captured.npz"))
    with np.load(home / "captured.npz") as captured:
        samples, lengths = captured["samples"], captured["lengths"]
        captures, arrivals = captured["captures"], captured["arrivals"]
        assert captured["rate_hz"] == SINK_HZ
        assert list(captured["indices"]) == list(range(len(lengths)))
    assert (captures <= arrivals).all()
    assert (np.diff(arrivals) >= 0).all()
    loud = samples[np.abs(samples) > 0.1]
    assert len(loud) > RATE_HZ
    spectrum = np.abs(np.fft.rfft(samples))
    peak_hz = spectrum.argmax() * RATE_HZ / len(samples)
    assert peak_hz == pytest.approx(TONE_HZ, abs=2)
    # A starved machine may let the server stutter; somewhere it is whole, and there
    # nothing of ours between the callback and the chunk breaks the tone.
    starts = range(0, len(samples) - WINDOW, WINDOW // 10)
    windows = [samples[start : start + WINDOW] for start in starts]
    assert max(map(_purity, windows)) > 0.9999
    assert max(float(np.abs(window).max()) for window in windows) < 0.6


def test_microphone_opens_or_refuses_in_one_line() -> None:
    """With whatever sound hardware there is, a user sees one line and no noise."""
    with _home() as (_, environment):
        output = _run(OPEN, environment)
    assert output.startswith(("opened ", "refused microphone "))
    assert output.count("\n") == 1
