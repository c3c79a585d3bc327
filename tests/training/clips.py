"""Clips made of seeded random features, for the tests of recipes on clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.features.clips import ClipFeatures


def make_clips(
    count: int = 6,
    frames: int = 40,
    *,
    face: int = 5,
    sound: int = 3,
    fps: Sequence[float] = (30.0, 25.0, 24.0),
    sets: Sequence[str] = ("VA", "EXPR", "AU"),
    seed: int = 0,
) -> list[ClipFeatures]:
    """Return clips whose first face feature is valence and second is arousal.

    Every clip carries all labels and belongs to one of ``sets`` in turn; the class is
    the largest of the face's features, an action unit is the sign of one.
    """
    random = np.random.default_rng(seed)
    clips = []
    for number in range(count):
        seen = np.cumsum(random.normal(0, 0.2, (frames, face)), axis=0)
        seen = np.tanh(seen)
        units = np.stack([seen[:, u % face] > 0 for u in range(12)], axis=1)
        clips.append(
            ClipFeatures(
                name=f"clip{number:02}",
                label_sets=(sets[number % len(sets)],),
                fps=fps[number % len(fps)],
                face=seen.astype(np.float32),
                present=np.ones(frames, np.bool_),
                sound=random.normal(0, 1, (frames, sound)).astype(np.float32),
                valence_arousal=seen[:, :2].astype(np.float32),
                expression=np.argmax(seen, axis=1),
                action_units=units.astype(np.float32),
            )
        )
    return clips
