"""Who drives: everything about a simulated person and cabin that does not change."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

Colour = tuple[float, float, float]
"""Blue, green and red reflectance or intensity, each in [0, 1] unless stated."""


class HairStyle(str, Enum):
    """Shape of the hair."""

    BALD = "bald"
    CROPPED = "cropped"
    SHORT = "short"
    FRINGE = "fringe"
    PARTED = "parted"
    LONG = "long"


class Glasses(str, Enum):
    """Shape of the glasses."""

    NONE = "none"
    ROUND = "round"
    SQUARE = "square"


@dataclass(frozen=True, slots=True)
class FaceShape:
    """Proportions of the face.

    Lengths are half head heights; y grows downwards from the middle between crown
    and chin.
    """

    width: float
    """Half width at the cheekbones."""
    depth: float
    """Half length of the head from front to back."""
    jaw_power: float
    """Squareness of the jaw; higher is squarer."""
    eye_x: float
    """Distance of each pupil from the middle."""
    eye_y: float
    """Height of the eyes."""
    eye_width: float
    """Half width of each eye."""
    eye_open: float
    """Half height of each open eye."""
    eye_tilt: float
    """How much higher the outer corner lies."""
    brow_gap: float
    """From the pupil up to the brow."""
    brow_thickness: float
    """Thickness of the brow at its inner end."""
    brow_arch: float
    """Height of the brow's bend."""
    nose_y: float
    """Height of the nose tip."""
    nose_width: float
    """Half width at the wings."""
    nose_height: float
    """How far the tip stands out."""
    mouth_y: float
    """Height of the line between the lips."""
    mouth_width: float
    """Half width of the mouth at rest."""
    lip_upper: float
    """Thickness of the upper lip."""
    lip_lower: float
    """Thickness of the lower lip."""
    cheeks: float
    """Prominence of the cheekbones, 0–1."""


@dataclass(frozen=True, slots=True)
class Looks:
    """Colours, hair and glasses."""

    skin: Colour
    """Reflectance of the skin."""
    lips: Colour
    """Reflectance of the lips."""
    iris: Colour
    """Reflectance of the iris."""
    hair: Colour
    """Reflectance of the hair."""
    brows: Colour
    """Reflectance of the brows, always darker than the skin."""
    cloth: Colour
    """Reflectance of the clothes."""
    hair_style: HairStyle
    hairline: float
    """Height of the hairline, half head heights above the middle of the head."""
    hair_volume: float
    """How far the hair stands off the skull, half head heights."""
    stubble: float
    """Darkness of an unshaven chin, 0–1."""
    glasses: Glasses
    glasses_frame: Colour
    """Reflectance of the rims."""


@dataclass(frozen=True, slots=True)
class Light:
    """Light in the cabin: a window's, and what comes from everywhere."""

    direction: tuple[float, float, float]
    """Unit vector towards the light: picture right, down, towards the camera."""
    strength: float
    """Directed share of the light, 0–1."""
    exposure: float
    """Overall brightness of the picture; 1 is well exposed."""
    colour: Colour
    """Tint of the directed light, around 1."""
    noise: float
    """Standard deviation of the sensor noise, grey levels."""


@dataclass(frozen=True, slots=True)
class CameraPlace:
    """Where the camera stands relative to the driver."""

    scale: float
    """Height of the head as a share of the picture's height."""
    offset_x: float
    """Middle of the head from the picture's middle, share of the width."""
    offset_y: float
    """Middle of the head from the picture's middle, share of the height."""
    yaw_deg: float
    """What is added to the head's yaw because the camera stands aside."""
    pitch_deg: float
    """What is added to the head's pitch because the camera stands high or low."""


@dataclass(frozen=True, slots=True)
class Cabin:
    """What is behind the driver."""

    seed: int
    """Seed of the details: trim lines, what is outside of the window."""
    trim: Colour
    """Reflectance of roof, pillars and doors."""
    seat: Colour
    """Reflectance of the seats."""
    window_side: int
    """Side of the driver's window: -1 picture left, 1 picture right."""
    daylight: float
    """Brightness of the outside, 0–1."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How the person behaves, whatever the affect."""

    rest_valence: float
    rest_arousal: float
    au_offset: tuple[float, ...]
    """Activation at rest of each of ``labels.ACTION_UNITS``."""
    au_gain: tuple[float, ...]
    """Strength of each unit relative to the average person's."""
    blinks_per_min: float
    talkativeness: float
    """Probability of an utterance in a 5 s slot."""
    head_motion: float
    """Size of head movements relative to the average person's."""
    pitch_hz: float
    """Fundamental frequency of the relaxed voice."""
    formant_scale: float
    """Formant frequencies relative to an average vocal tract's."""
    syllable_hz: float
    """Syllables per second of calm speech."""
    road_noise: float
    """Root mean square of the cabin noise, full scale 1."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One simulated driver in one car."""

    seed: int
    """What it was drawn from."""
    shape: FaceShape
    looks: Looks
    light: Light
    camera: CameraPlace
    cabin: Cabin
    habits: Habits
