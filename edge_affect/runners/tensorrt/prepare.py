"""Build a bundle's engines where they are missing and keep the faster target."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_affect.clock import Clock, SystemClock
from edge_affect.errors import RunnerError
from edge_affect.runners import PROGRESS_LOG
from edge_affect.runners.base import GraphSet
from edge_affect.runners.choices import Choice
from edge_affect.runners.compare import SAME_GRAPH, Comparison, GivenStep, compare
from edge_affect.runners.engine_cache import EngineCache, EngineKey, open_engine_cache
from edge_affect.runners.onnxruntime import OnnxRunner
from edge_affect.runners.tensorrt.child import LIMIT_S
from edge_affect.runners.tensorrt.engines import EngineMaker, EngineNote, Tell
from edge_affect.runners.tensorrt.libraries import Libraries
from edge_affect.runners.tensorrt.runner import TensorRtRunner

_LOG = logging.getLogger(__name__)
_PROGRESS = logging.getLogger(PROGRESS_LOG)

TENSORRT_TARGETS = ("trt-int8", "trt-fp16")
"""Targets that engines are built from."""

Recorder = Callable[[str], Sequence[GivenStep]]
"""Given a target, returns steps one after the other, as a stream gives them."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How one target did against ONNX Runtime on the same graphs."""

    target: str
    """The target."""
    comparison: Comparison | None
    """None: its engines could not be built or run."""
    fault: str | None
    """Why it may not run; None: it may."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A bundle that is ready to run."""

    runner: TensorRtRunner
    """Runs the chosen target; the caller closes it."""
    choice: Choice
    """The target, and why it is that one."""
    engines: tuple[EngineNote, ...]
    """Every engine that was looked at."""
    trials: tuple[Trial, ...]
    """What was compared; empty where the choice was made before or asked for."""
    sealed: str
    """What guards the cache: ``MAC`` or ``checksum``."""


def prepare(  # noqa: PLR0913 - all but the first two are for tests and progress
    bundle: GraphSet,
    libraries: Libraries,
    *,
    target: str | None = None,
    cache: EngineCache | None = None,
    clock: Clock | None = None,
    tell: Tell | None = None,
    limit_s: float = LIMIT_S,
    record: Recorder | None = None,
    again: bool = False,
) -> Prepared:
    """Get the engines of a bundle and choose among its targets.

    Args:
        bundle: Where the graphs come from.
        libraries: TensorRT and what goes with it.
        target: Which target to run, whatever is faster; None: the faster one of those
            that agree with ONNX Runtime.
        cache: Where engines are kept; None for this user's.
        clock: Time; None for the machine's.
        tell: Told how it goes; None for the log.
        limit_s: Longest that one engine may take to build, s.
        record: Gives the steps of a target that engines are compared over; None:
            seeded noise, for a process that has nothing else at hand.
        again: Whether to build what could not be built before as well.

    Raises:
        BundleError: The bundle has no graphs for ``target``.
        RunnerError: No target can be built, run and agrees.
    """
    cache = cache or open_engine_cache()
    clock = clock or SystemClock()
    maker = EngineMaker(
        libraries, cache, clock, tell or _Logged(), limit_s, again=again
    )
    if target is not None and target not in TENSORRT_TARGETS:
        raise RunnerError(
            f"target {target!r} is made for ONNX Runtime; expected one of "
            f"{', '.join(TENSORRT_TARGETS)}"
        )
    targets = [t for t in TENSORRT_TARGETS if t in bundle.targets]
    if target is None and not targets:
        raise RunnerError(
            f"the bundle has no graphs for {' or '.join(TENSORRT_TARGETS)}, only for "
            f"{', '.join(bundle.targets)}"
        )
    trials: tuple[Trial, ...] = ()
    choice = Choice(target, "asked for") if target is not None else None
    choice_key = _choice_key(maker, bundle, targets)
    choice = choice or _load_choice(cache, choice_key, targets)
    if choice is None:
        trials = tuple(_try(maker, bundle, t, clock, record) for t in targets)
        choice = _choose(trials)
        for slower in (t for t in targets if t != choice.target):
            maker.discard(bundle.graphs_for(slower), slower)
        kept = {"target": choice.target, "reason": choice.reason}
        cache.save(choice_key, json.dumps(kept).encode())
    graphs = bundle.graphs_for(choice.target)
    runner = maker.runner(graphs, choice.target, bundle.links)
    if not trials and maker.has_built(choice.target):
        # Asked for, or chosen before and gone since: nobody has looked at these.
        fault = _fault(bundle, choice.target, runner, clock, record)
        if fault is not None:
            runner.close()
            maker.discard(graphs, choice.target)
            cache.discard(choice_key)
            raise RunnerError(f"{choice.target}: {fault}")
    return Prepared(runner, choice, _first(maker.notes), trials, cache.seal.kind)


def _first(notes: Sequence[EngineNote]) -> tuple[EngineNote, ...]:
    """Return what was noted first of each engine: later ones only load it again."""
    first: dict[tuple[str, str], EngineNote] = {}
    for note in notes:
        first.setdefault((note.graph, note.target), note)
    return tuple(first.values())


class _Logged:
    """Tells the log, so that a user sees why the first start takes long."""

    def __init__(self) -> None:
        self._said = False

    def __call__(self, line: str) -> None:
        if not self._said:
            self._said = True
            _PROGRESS.info(
                "first start on this device: TensorRT builds its engines, which can "
                "take minutes; ahead of time: edge-affect build"
            )
        if line.endswith("building"):
            _PROGRESS.info("%s", line)


def _try(
    maker: EngineMaker,
    bundle: GraphSet,
    target: str,
    clock: Clock,
    record: Recorder | None,
) -> Trial:
    try:
        runner = maker.runner(bundle.graphs_for(target), target, bundle.links)
    except RunnerError as error:
        return Trial(target, None, str(error))
    try:
        comparison = _compared(bundle, target, runner, clock, record)
    except RunnerError as error:
        return Trial(target, None, str(error))
    finally:
        runner.close()
    return Trial(target, comparison, _told(comparison))


def _fault(
    bundle: GraphSet,
    target: str,
    runner: TensorRtRunner,
    clock: Clock,
    record: Recorder | None,
) -> str | None:
    """Return why ``runner`` may not run; None: it may."""
    try:
        return _told(_compared(bundle, target, runner, clock, record))
    except RunnerError as error:
        return str(error)


def _compared(
    bundle: GraphSet,
    target: str,
    runner: TensorRtRunner,
    clock: Clock,
    record: Recorder | None,
) -> Comparison:
    recorded = None if record is None else record(target)
    reference = OnnxRunner(bundle.graphs_for(target), links=bundle.links)
    try:
        return compare(reference, runner, clock, recorded)
    finally:
        reference.close()


def _told(comparison: Comparison) -> str | None:
    faults = comparison.faults(SAME_GRAPH)
    more = f"; {len(faults) - 1} more" if len(faults) > 1 else ""
    return f"is not what ONNX Runtime computes: {faults[0]}{more}" if faults else None


def _choose(trials: Sequence[Trial]) -> Choice:
    sound = {t.target: t.comparison for t in trials if not t.fault and t.comparison}
    refused = [f"{t.target}: {t.fault}" for t in trials if t.fault]
    if not sound:
        raise RunnerError("; ".join(refused))
    for line in refused:
        _LOG.warning("%s; it does not run", line)
    taken = {target: comparison.other_ms for target, comparison in sound.items()}
    best = min(taken, key=taken.__getitem__)
    told = ", ".join(f"{target} {ms:.3f} ms" for target, ms in taken.items())
    return Choice(best, f"the fastest that agrees with ONNX Runtime here: {told}")


def _choice_key(
    maker: EngineMaker, bundle: GraphSet, targets: Sequence[str]
) -> EngineKey:
    """Return the key of a choice: that of all engines it is among."""
    digests = [
        maker.engine_key(graph, target).digest
        for target in targets
        for graph in bundle.graphs_for(target)
    ]
    return maker.key("".join(digests).encode(), "choice")


def _load_choice(
    cache: EngineCache, key: EngineKey, targets: Sequence[str]
) -> Choice | None:
    content = cache.load(key)
    if content is None:
        return None
    values = json.loads(content)  # ours: the tag fits
    choice = Choice(values["target"], values["reason"])
    return choice if choice.target in targets else None
