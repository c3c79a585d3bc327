"""The face detectors that ours stands beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks.peers.ultraface import MODEL as ULTRAFACE
from benchmarks.peers.ultraface import UltraFace
from edge_affect.sensing.locator import HaarLocator, Locator, YuNetLocator
from training.teachers.yunet import MODEL as YUNET

LEAST_SCORE = 0.05
"""Faces that YuNet is less sure of are never looked at."""


def open_locators(data: Path) -> Mapping[str, Callable[[], Locator]]:
    """Return what makes each detector whose files a data root has, by its name."""
    found: dict[str, Callable[[], Locator]] = {"haar": HaarLocator}
    if (data / YUNET).is_file():
        found["yunet"] = partial(YuNetLocator, data / YUNET, LEAST_SCORE)
    if (data / ULTRAFACE).is_file():
        found["ultraface_rfb320"] = partial(UltraFace, data / ULTRAFACE)
    return found
