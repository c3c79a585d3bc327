"""What a face does, by name: the order that teachers and networks share."""

from __future__ import annotations

FACE_UNITS = (
    *("AU1", "AU2", "AU4", "AU7", "AU10"),
    *("AU12", "AU15", "AU24", "AU25", "AU26"),
)
"""Action units that a teacher can be asked for, in the order of ``ACTION_UNITS``."""
POSE_SIGNALS = ("yaw_deg", "pitch_deg")
"""Turn and nod of the head; its tilt is that of the square which it is aligned to."""
FACE_SIGNALS = (*FACE_UNITS, "eyes_closed", *POSE_SIGNALS)
"""All of them."""
