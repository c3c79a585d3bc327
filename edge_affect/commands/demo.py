"""``edge-affect demo``: the shipped bundle over a driver who is not there."""

from __future__ import annotations

import math
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from edge_affect.clock import Clock, SystemClock
from edge_affect.commands.display import Display, LiveTable, SecondLines
from edge_affect.commands.run import Conductor, Outputs
from edge_affect.commands.signals import StopSignals
from edge_affect.commands.terminal import Terminal
from edge_affect.errors import UsageError
from edge_affect.realtime.info import StreamInfo
from edge_affect.realtime.stream import AffectStream
from edge_affect.report.page import ReportSink
from edge_affect.sinks.jsonl import JsonlSink
from edge_affect.sources.simulated import SimulatedSource

PURPOSE = "research"
"""Declared for the demo: no real person is in it."""
NAME = "edge_affect-demo"
"""Name of the files, before their ends."""
_LONGEST_S = 86_400


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What ``edge-affect demo`` was asked for."""

    seconds: float
    """Length of the drive, s."""
    seed: int
    """Which driver and drive."""
    fast: bool
    """Whether it runs as fast as it goes."""
    folder: Path
    """Where the files go."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and 1 <= self.seconds <= _LONGEST_S):
            raise UsageError(
                f"--seconds: got {self.seconds}, expected 1 to {_LONGEST_S}"
            )
        if self.seed < 0:
            raise UsageError(f"--seed: got {self.seed}, expected 0 or more")


def demo(settings: DemoSettings, terminal: Terminal) -> int:
    """Stream the simulated driver; write a record and a page; return the exit code.

    Raises:
        EdgeAffectError: The files cannot be written, or the bundle does not run.
    """
    clock: Clock = SystemClock()
    with StopSignals() as signals:
        outputs = Outputs(
            record=JsonlSink(settings.folder / f"{NAME}.jsonl"),
            report=ReportSink(settings.folder / f"{NAME}.html"),
        )
        source = SimulatedSource(
            seed=settings.seed,
            duration_s=settings.seconds,
            live=not settings.fast,
        )
        stream = AffectStream(source, purpose=PURPOSE, sinks=outputs.sinks)

        def choose(info: StreamInfo) -> Display:
            del info
            if terminal.can_redraw:
                return LiveTable(terminal, clock)
            return SecondLines(terminal)

        code = Conductor(terminal, signals, outputs, choose).conduct(stream)
    for line in next_steps(program_name()):
        terminal.say(line)
    return code


def program_name() -> str:
    """Return what the user types to run this command again."""
    if shutil.which("edge-affect"):
        return "edge-affect"
    typed = Path(sys.argv[0])
    if typed.name == "__main__.py":
        return f"{sys.executable} -m edge_affect"
    return str(typed)


def next_steps(program: str) -> list[str]:
    """Return how to point the command at real input."""
    examples = (
        ("a file", "run CLIP.mp4 --purpose research --report clip.html"),
        ("a camera", "run 0 --purpose private_vehicle"),
        ("with a microphone", "run 0 --audio default --purpose private_vehicle"),
        ("what is missing", "doctor"),
    )
    lines = [f"  {what:<18} {program} {command}" for what, command in examples]
    return ["", "With input of your own:", *lines]
