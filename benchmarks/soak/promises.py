"""What a simulated run must hold, as rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from benchmarks.soak.device import LATENCY_NS
from benchmarks.soak.process import ProcessWatch
from benchmarks.soak.rows import Row
from benchmarks.soak.simulated import WARM_UP_SHARE, Outcome, SimulatedRun
from benchmarks.soak.watch import CLIMB_NS, FLAG_FRAMES
from edge_affect.clock import NS_PER_MS
from edge_affect.config import StreamConfig
from edge_affect.realtime.health import LOST_NS, STALE_NS
from edge_affect.sensing.quality import DARK, FROZEN

TWICE_FRAMES = 5_000
"""Frames, at most, of the run that is made again to compare the bytes."""
_MIB = 1 << 20
GROWTH_BYTES = 8 * _MIB
GROWTH_BYTES_PER_MILLION = 16 * _MIB
"""Memory that a run may take after its warm-up; the larger of the two counts."""
_CELL_MS = 1_000 / 30
_OK_AGE_MS = StreamConfig("research").budget_ms + LATENCY_NS / NS_PER_MS + _CELL_MS
"""Oldest that an estimate of a face that is ``ok`` may be when it is told."""
WHOLE_FRAMES = 100_000
"""Frames from which a run has met every fault: what it did not test is missed then."""


def soak(
    frames: int, seed: int, tell: Callable[[int], None] = lambda _: None
) -> tuple[Outcome, list[Row]]:
    """Run a script twice, the second time shortened, and return what came out.

    Args:
        frames: Frames that reach the stream, to within an episode.
        seed: Of the script and the costs.
        tell: Told now and then how many have come.
    """
    outcome = SimulatedRun(seed).run(frames, tell)
    short = min(frames, TWICE_FRAMES)
    first = outcome if short == frames else SimulatedRun(seed).run(short)
    again = SimulatedRun(seed).run(short)
    return outcome, [*rows_of(outcome), same_bytes(first, again)]


def soak_seeds(
    frames: int, first: int, seeds: int, tell: Callable[[int], None] = lambda _: None
) -> tuple[Outcome, list[Row]]:
    """Run the scripts of many seeds, one after the other, and return them as one run.

    Args:
        frames: Frames of each script, to within an episode.
        first: The first seed.
        seeds: How many.
        tell: Told now and then how many scripts have ended.
    """
    process = ProcessWatch()
    with process:
        outcome = _run_seed(first, frames)
        for done in range(1, seeds):
            tell(done)
            if done == max(1, round(seeds * WARM_UP_SHARE)):
                process.start()
            outcome = outcome.joined(_run_seed(first + done, frames))
    # Between two scripts the collector does as it likes; what stays is still looked at.
    whole = process.growth
    growth = replace(
        outcome.growth,
        memory_bytes=whole.memory_bytes,
        handles=whole.handles,
        threads=whole.threads,
    )
    outcome = replace(outcome, growth=growth)
    return outcome, rows_of(outcome)


def _run_seed(seed: int, frames: int) -> Outcome:
    outcome = SimulatedRun(seed).run(frames)
    findings = outcome.findings
    findings.told = [f"seed {seed}: {line}" for line in findings.told]
    return outcome


def same_bytes(one: Outcome, other: Outcome) -> Row:
    """Return the row of two runs of one seed."""
    differ = int(one.digest != other.digest)
    return Row("same seed, other bytes", "count", differ, 0, one.cells)


def rows_of(outcome: Outcome) -> list[Row]:
    """Return the rows of one run."""
    findings, growth = outcome.findings, outcome.growth
    broken, counted, worst = findings.broken, findings.counted, findings.worst
    room = max(GROWTH_BYTES, GROWTH_BYTES_PER_MILLION * outcome.frames / 1e6)

    def count(told: str, promise: str) -> Row:
        return Row(told, "count", broken[promise], 0, counted[promise])

    def most(told: str, figure: str, most_ms: float, promise: str) -> Row:
        seen_ms = worst.get(figure, 0.0)
        n = counted[promise] if figure in worst else 0
        return Row(told, "max_ms", round(seen_ms, 1), round(most_ms, 1), n)

    def told(text: str, value: float) -> Row:
        return Row(text, "count", value, float("inf"), 1)

    frames, all_cells = outcome.frames, outcome.cells
    return [
        told("frames", frames),
        told("estimates", all_cells),
        told("simulated seconds", round(outcome.simulated_s)),
        Row("memory growth", "bytes", growth.memory_bytes, round(room), frames),
        Row("open files more", "count", growth.handles, 0, frames),
        Row("threads more", "count", growth.threads, 0, frames),
        count("frames unaccounted for", "accounting"),
        count("estimates lost or out of order", "order"),
        count("changes that no event told", "events"),
        told("devices opened again", outcome.openings),
        told("lines in the log", outcome.log_lines),
        count("values that are not finite", "finite"),
        count("values from dead input", "no value from dead input"),
        count("source back, not ok within 1 s", "source back is ok"),
        most("camera back until ok", "camera ok after ms", 1_000, "source back is ok"),
        most("sound back until ok", "sound ok after ms", 1_000, "source back is ok"),
        count("not stale at 170 ms", "stale at 170 ms"),
        count("not lost at 330 ms", "lost at 330 ms"),
        most(
            "unplugged until stale",
            "stale after ms",
            STALE_NS / NS_PER_MS + _CELL_MS,
            "stale at 170 ms",
        ),
        most(
            "unplugged until lost",
            "lost after ms",
            LOST_NS / NS_PER_MS + _CELL_MS,
            "lost at 330 ms",
        ),
        count(f"dead picture untold for {FLAG_FRAMES} frames", "dead picture told"),
        *(
            Row(
                f"{reason} told after frames",
                "count",
                worst.get(f"{reason} after frames", 0),
                FLAG_FRAMES,
                counted["dead picture told"] * (f"{reason} after frames" in worst),
            )
            for reason in (DARK, FROZEN)
        ),
        count("dead sound untold", "dead sound told"),
        count("clipped sound untold", "clipped sound told"),
        count("misses while healthy", "no miss when healthy"),
        most("age of an ok estimate", "age when ok, ms", _OK_AGE_MS, "healthy steps"),
        told("misses, faults included", outcome.misses),
        told("lowest rung", worst.get("lowest rung", 0)),
        count("not in full service again", "back to full service"),
        Row(
            "starved, until full service",
            "max_ms",
            round(1e3 * worst.get("full service after s", 0.0), 1),
            CLIMB_NS / NS_PER_MS,
            counted["back to full service"],
        ),
        Row("collections of generation 2", "count", growth.collections, 0, all_cells),
        Row("sockets", "count", growth.sockets, 0, all_cells),
        Row("files written", "count", growth.writes, 0, all_cells),
        told("estimates read", outcome.read),
        told("estimates pushed out, counted", outcome.pushed_out),
    ]
