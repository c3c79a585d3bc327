"""What each clip of a synthesized set is, before anything is filmed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_affect.sources.simulated.base import Script
from edge_affect.sources.simulated.driver import Driver
from training.synthetic.family_a import act_a, cast_a
from training.synthetic.family_b.cast import act_b, cast_b
from training.synthetic.media import Codec
from training.synthetic.pools import POOLS, Pool

REVISION = 1
"""Of what is filmed: a set of another revision is not gone on with."""
VALID_EVERY = 5
"""In a family that trains, every fifth clip of each pool is for validation."""

# Where x264 looks ahead, the same pictures now and then give other bits.
_H264 = (("crf", "20"), ("preset", "veryfast"), ("tune", "zerolatency"))
_MPEG4 = (("qmin", "4"), ("qmax", "10"))


@dataclass(frozen=True, slots=True)
class Family:
    """A way to draw drivers, and how their clips are stored."""

    name: str
    number: int
    """Keeps the random numbers of the families apart."""
    trains: bool
    """Whether it has a training part; else all of it is for validation."""
    codec: Codec
    cast: Callable[[int, Pool, tuple[int, int]], Driver]
    """Returns the driver of a seed, a pool and a size of the pictures."""
    act: Callable[[int, Pool], Script]
    """Returns the script alone of the driver of a seed and a pool."""


FAMILIES = {
    "A": Family(
        name="A",
        number=0,
        trains=True,
        codec=Codec("mp4", "libx264", "aac", _H264, 64_000),
        cast=cast_a,
        act=act_a,
    ),
    "B": Family(
        name="B",
        number=1,
        trains=False,
        codec=Codec("avi", "mpeg4", "mp2", _MPEG4, 48_000),
        cast=cast_b,
        act=act_b,
    ),
}


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """One clip that is to be filmed."""

    name: str
    family: Family
    pool: Pool
    """Its home: the set its labels stand in by themselves."""
    split: str
    """``train`` or ``valid``."""
    seed: int
    """Of person, script, cabin, light and camera."""

    @property
    def video(self) -> str:
        """Name of the video's file."""
        return f"{self.name}.{self.family.codec.container}"


def plan_clips(family: Family, clips: int, seed: int) -> list[ClipPlan]:
    """Plan a set; clip i is the same in a larger one."""
    return [_plan(family, index, (seed, index)) for index in range(clips)]


def plan_stand_ins(family: Family, drivers: int, seed: int) -> list[ClipPlan]:
    """Plan clips of further people, none of whom is in the set of ``seed``."""
    return [_plan(family, index, (seed, index, 1)) for index in range(drivers)]


def _plan(family: Family, index: int, seeds: tuple[int, ...]) -> ClipPlan:
    turn, home = divmod(index, len(POOLS))
    valid = not family.trains or turn % VALID_EVERY == VALID_EVERY - 1
    mixed = np.random.SeedSequence([family.number, *seeds])
    return ClipPlan(
        name=f"sim{family.name}-{seeds[0]}-{index:04}",
        family=family,
        pool=POOLS[home],
        split="valid" if valid else "train",
        seed=int(mixed.generate_state(1, np.uint64)[0] >> 1),
    )
