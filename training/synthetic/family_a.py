"""Family A: the runtime's simulated driver, cast for a pool; it trains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge_affect.sources.simulated.base import Script
from edge_affect.sources.simulated.casting import identity_from_seed
from edge_affect.sources.simulated.driver import Driver
from edge_affect.sources.simulated.face_renderer import FaceRenderer
from edge_affect.sources.simulated.identity import Identity
from edge_affect.sources.simulated.script import SeededScript
from edge_affect.sources.simulated.voice import FormantVoice
from training.synthetic.pools import Pool, PoolCamera, brightness, within

_SKIN = (0.2, 0.82)
"""Brightness of the family's darkest and lightest skin, rounded."""
_PITCH_HZ = (88.0, 225.0)
"""Bounds of the relaxed voices."""
_CASTING = 71


def cast_a(seed: int, pool: Pool, size: tuple[int, int]) -> Driver:
    """Draw a driver who fits the pool, and put the pool's camera before them.

    Args:
        seed: Of the draw; the whole driver depends on it and the pool alone.
        pool: Whose people and camera.
        size: Width and height of the pictures, pixels.
    """
    identity = _draw(seed, pool)
    light = identity.light
    identity = replace(
        identity, light=replace(light, noise=light.noise * pool.look.noise)
    )
    script = SeededScript(identity.seed, identity)
    voice = FormantVoice(identity.seed, identity, script)
    camera = PoolCamera(FaceRenderer(identity, size), pool.look)
    return Driver(identity, script, camera, voice)


def act_a(seed: int, pool: Pool) -> Script:
    """Return the script of the driver whom ``cast_a`` draws."""
    identity = _draw(seed, pool)
    return SeededScript(identity.seed, identity)


def _draw(seed: int, pool: Pool) -> Identity:
    """Draw people until one fits."""
    random = np.random.default_rng([seed, _CASTING])
    while True:
        identity = identity_from_seed(int(random.integers(1 << 62)))
        light = within(brightness(identity.looks.skin), _SKIN, pool.skin)
        if light and within(identity.habits.pitch_hz, _PITCH_HZ, pool.pitch):
            return identity
