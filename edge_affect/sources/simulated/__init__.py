"""A procedural driver: camera and microphone of a person who is not there."""

from edge_affect.sources.simulated.base import Renderer, Script, Truth, Voice
from edge_affect.sources.simulated.casting import identity_from_seed
from edge_affect.sources.simulated.driver import (
    Driver,
    StillRenderer,
    driver_from_seed,
)
from edge_affect.sources.simulated.identity import Identity
from edge_affect.sources.simulated.source import SimulatedSource

__all__ = [
    "Driver",
    "Identity",
    "Renderer",
    "Script",
    "SimulatedSource",
    "StillRenderer",
    "Truth",
    "Voice",
    "driver_from_seed",
    "identity_from_seed",
]
