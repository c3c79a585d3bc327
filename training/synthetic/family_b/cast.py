"""Family B's drivers, cast for a pool; they are for testing alone."""

from __future__ import annotations

from dataclasses import replace

from edge_affect.sources.simulated.base import Script
from edge_affect.sources.simulated.casting import identity_from_seed
from edge_affect.sources.simulated.driver import Driver
from edge_affect.sources.simulated.identity import Identity
from training.synthetic.family_b.person import draw_person
from training.synthetic.family_b.renderer import MeshRenderer
from training.synthetic.family_b.repertoire import RepertoireScript, draw_habits
from training.synthetic.family_b.voice import HarmonicVoice
from training.synthetic.pools import Pool, PoolCamera


def cast_b(seed: int, pool: Pool, size: tuple[int, int]) -> Driver:
    """Draw a driver from the pool's range, and put the pool's camera before it.

    Of the driver's ``identity`` only the habits and the camera's angles count; who is
    drawn is a ``Person``.

    Args:
        seed: Of the draw; the whole driver depends on it and the pool alone.
        pool: Whose people and camera.
        size: Width and height of the pictures, pixels.
    """
    identity = _behaving(seed, pool)
    road_deg = (identity.camera.yaw_deg, identity.camera.pitch_deg)
    script = RepertoireScript(seed, identity)
    person = draw_person(seed, pool)
    mesh = MeshRenderer(person, road_deg, pool.fps, size, pool.look.noise)
    voice = HarmonicVoice(seed, identity, script)
    return Driver(identity, script, PoolCamera(mesh, pool.look), voice)


def act_b(seed: int, pool: Pool) -> Script:
    """Return the script of the driver whom ``cast_b`` draws."""
    return RepertoireScript(seed, _behaving(seed, pool))


def _behaving(seed: int, pool: Pool) -> Identity:
    identity = identity_from_seed(seed)
    return replace(identity, habits=draw_habits(identity, pool.pitch))
