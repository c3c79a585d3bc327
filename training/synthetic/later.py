"""Begin to film in the middle of a drive: at its start everybody is at rest."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_affect.sources.simulated.base import Script, Truth, Voice
from edge_affect.sources.simulated.driver import Driver
from edge_affect.types import SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class _LaterScript:
    script: Script
    seconds: int

    def truth_at(self, t_ns: int) -> Truth:
        return self.script.truth_at(t_ns + self.seconds * 1_000_000_000)


@dataclass(frozen=True, slots=True)
class _LaterVoice:
    voice: Voice
    seconds: int

    def samples(self, start: int, count: int) -> NDArray[np.float32]:
        return self.voice.samples(start + self.seconds * SAMPLE_RATE_HZ, count)


def later(driver: Driver, seconds: int) -> Driver:
    """Return the driver whose time 0 is ``seconds`` after the given one's."""
    return replace(
        driver,
        script=_LaterScript(driver.script, seconds),
        voice=_LaterVoice(driver.voice, seconds),
    )
