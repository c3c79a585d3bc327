"""Clips of a fake driver, and what a fake model makes of them."""

from __future__ import annotations

import os
from collections.abc import Sequence

import edge_affect as ea
from edge_affect.clock import NS_PER_S
from edge_affect.testing import FakeModel, ScriptedSource, camera_script, make_chunk
from edge_affect.types import AudioChunk, Estimate, Frame

EXAMPLES = int(os.environ.get("EDGE_AFFECT_EXAMPLES", "200"))
"""Examples of each property of a stream; more for a long run."""

Script = Sequence[tuple[int, Frame | AudioChunk | Exception]]


def clip(seconds: float, *, fps: float = 30, chunk_samples: int = 1_600) -> Script:
    """Return frames and steady sound, in order of arrival."""
    script = list(camera_script(seconds, fps))
    chunk_ns = chunk_samples * NS_PER_S // 16_000
    for number in range(int(seconds * 16_000) // chunk_samples):
        chunk = make_chunk(number, number * chunk_ns, chunk_samples, level=0.5)
        script.append((chunk.t_arrival_ns, chunk))
    return sorted(script, key=lambda entry: entry[0])


def run(script: Script, **settings: object) -> list[Estimate]:
    """Return the estimates of a finite script, read as fast as it goes."""
    model = FakeModel()
    return list(
        ea.analyze(ScriptedSource(script), purpose="research", model=model, **settings)  # type: ignore[arg-type]
    )
