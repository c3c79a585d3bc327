"""What the graphs expect of their input: the aligned face and the log-mel columns."""

from __future__ import annotations

from dataclasses import dataclass

from edge_affect.model.fields import Fields
from edge_affect.types import SAMPLE_RATE_HZ

MIN_FACE_PX, MAX_FACE_PX = 16, 512
"""Sides of the aligned face that are sane."""


@dataclass(frozen=True, slots=True)
class FacePreprocessing:
    """How a face becomes the input of the face graph."""

    size_px: int
    """Side of the aligned square."""
    channels: str
    """``RGB``: the order of the planes."""
    range: tuple[float, float]
    """Value of black and of white."""
    template: tuple[tuple[float, float], ...]
    """Five (x, y) in pixels of the aligned square: eyes, nose tip, mouth corners."""


@dataclass(frozen=True, slots=True)
class VoicePreprocessing:
    """How sound becomes the log-mel columns of the voice graph."""

    rate_hz: int
    """Sample rate."""
    window: int
    """Length of the window, samples."""
    hop: int
    """Advance from one column to the next, samples."""
    fft: int
    """Length of the Fourier transform, samples."""
    mels: int
    """Number of mel bands."""
    mel_low_hz: float
    """Lower edge of the lowest band."""
    mel_high_hz: float
    """Upper edge of the highest band."""
    floor: float
    """Added to the power before the logarithm."""
    mean: float
    """Subtracted from the logarithm."""
    std: float
    """Divides what is left."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Input of the face and voice graphs."""

    face: FacePreprocessing
    voice: VoicePreprocessing


def read_preprocessing(root: Fields) -> Preprocessing:
    """Read the manifest's ``preprocessing``.

    Raises:
        BundleError: The message names the key that is wrong.
    """
    both = root.child("preprocessing", ("face", "voice"))
    return Preprocessing(_face(both), _voice(both))


def _face(both: Fields) -> FacePreprocessing:
    face = both.child("face", tuple(FacePreprocessing.__dataclass_fields__))
    size_px = face.integer("size_px", MIN_FACE_PX, MAX_FACE_PX)
    points = face.sequence("template")
    if len(points) != 5:
        face.refuse("template", "five points [x, y]")
    template = []
    for index, point in enumerate(points):
        named = Fields({"point": point}, f"{face.where}.template[{index}]", ("point",))
        x, y = named.numbers("point", 2, 0, size_px)
        template.append((x, y))
    return FacePreprocessing(
        size_px,
        face.text("channels", ("RGB",)),
        face.interval("range", 0, 255),
        tuple(template),
    )


def _voice(both: Fields) -> VoicePreprocessing:
    voice = both.child("voice", tuple(VoicePreprocessing.__dataclass_fields__))
    read = VoicePreprocessing(
        rate_hz=voice.integer("rate_hz", SAMPLE_RATE_HZ, SAMPLE_RATE_HZ),
        window=voice.integer("window", 1, 4_096),
        hop=voice.integer("hop", 1, 4_096),
        fft=voice.integer("fft", 1, 4_096),
        mels=voice.integer("mels", 1, 256),
        mel_low_hz=voice.number("mel_low_hz", 0, SAMPLE_RATE_HZ / 2),
        mel_high_hz=voice.number("mel_high_hz", 0, SAMPLE_RATE_HZ / 2),
        floor=voice.number("floor", 1e-12, 1),
        mean=voice.number("mean", -100, 100),
        std=voice.number("std", 1e-6, 100),
    )
    if read.hop > read.window:
        voice.refuse("hop", "no more than the window")
    if read.fft < read.window:
        voice.refuse("fft", "no less than the window")
    if read.mel_low_hz >= read.mel_high_hz:
        voice.refuse("mel_high_hz", "more than mel_low_hz")
    return read
