"""Get the engines of a target: from the cache where they are whole, else built."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edge_affect.clock import NS_PER_S, Clock
from edge_affect.errors import RunnerError
from edge_affect.runners.base import GraphFile, Link
from edge_affect.runners.engine_cache import EngineCache, EngineKey, l4t_release
from edge_affect.runners.tensorrt.builder import recipe_for
from edge_affect.runners.tensorrt.child import LIMIT_S, build_in_child
from edge_affect.runners.tensorrt.engine import EngineRefusedError
from edge_affect.runners.tensorrt.libraries import Libraries
from edge_affect.runners.tensorrt.runner import TensorRtRunner

_LOG = logging.getLogger(__name__)

Tell = Callable[[str], None]
"""Told, again and again, what is being built and for how long."""


@dataclass(frozen=True, slots=True)
class EngineNote:
    """Where an engine came from."""

    graph: str
    """The graph's name."""
    target: str
    """What the graph was made for."""
    build_s: float | None
    """How long the build took, s; None: it was in the cache."""
    size_bytes: int
    """Length of the engine."""


class EngineMaker:
    """Makes engines on this device; each is built at most once for it."""

    def __init__(  # noqa: PLR0913 - each is one thing that a build needs
        self,
        libraries: Libraries,
        cache: EngineCache,
        clock: Clock,
        tell: Tell,
        limit_s: float = LIMIT_S,
        *,
        again: bool = False,
    ) -> None:
        """Take what the engines are made with.

        Args:
            libraries: TensorRT and what goes with it.
            cache: Where engines are kept.
            clock: Time.
            tell: Told how it goes.
            limit_s: Longest that one engine may take to build, s.
            again: Whether to build what could not be built before as well.
        """
        self._again = again
        self._libraries = libraries
        self._cache = cache
        self._clock = clock
        self._tell = tell
        self._limit_s = limit_s
        self._l4t = l4t_release()
        self.notes: list[EngineNote] = []
        """What was made so far."""

    def key(self, content: bytes, flags: str) -> EngineKey:
        """Return the key of something that was made of ``content`` on this device."""
        gpu = self._libraries.gpu
        return EngineKey(
            graph=hashlib.sha256(content).hexdigest(),
            tensorrt=self._libraries.tensorrt.__version__,
            driver=gpu.driver,
            l4t=self._l4t,
            device=gpu.name,
            multiprocessors=gpu.multiprocessors,
            flags=flags,
        )

    def engine_key(self, graph: GraphFile, target: str) -> EngineKey:
        """Return the key of the engine of ``graph``."""
        recipe = recipe_for(self._libraries.tensorrt, target)
        return self.key(graph.content, recipe.text)

    def runner(
        self, graphs: Sequence[GraphFile], target: str, links: Sequence[Link]
    ) -> TensorRtRunner:
        """Return a runner of ``graphs``; an engine that is refused is built again.

        Raises:
            RunnerError: A graph cannot be built or run.
        """
        try:
            return self._loaded(graphs, target, links)
        except EngineRefusedError as error:
            _LOG.warning("%s; the engines of %s are built anew", error, target)
            self.discard(graphs, target)
            return self._loaded(graphs, target, links)

    def has_built(self, target: str) -> bool:
        """Tell whether an engine of ``target`` was built, not found in the cache."""
        return any(n.target == target and n.build_s is not None for n in self.notes)

    def discard(self, graphs: Sequence[GraphFile], target: str) -> None:
        """Remove the engines of ``graphs`` from the cache."""
        for graph in graphs:
            self._cache.discard(self.engine_key(graph, target))

    def _loaded(
        self, graphs: Sequence[GraphFile], target: str, links: Sequence[Link]
    ) -> TensorRtRunner:
        engines = {graph.name: self._engine(graph, target) for graph in graphs}
        return TensorRtRunner(engines, self._libraries, links)

    def _engine(self, graph: GraphFile, target: str) -> bytes:
        key = self.engine_key(graph, target)
        kept = self._cache.load(key)
        if kept is not None:
            self.notes.append(EngineNote(graph.name, target, None, len(kept)))
            return kept
        timing_key = replace(key, graph="", flags="timing cache")
        label = f"{graph.name} {target}"
        failed_key = replace(key, flags=f"{key.flags}, failed")
        why = None if self._again else self._cache.load(failed_key)
        if why is not None:
            raise RunnerError(
                f"{label}: could not be built before ({why.decode()}); `edge-affect "
                "build` tries again"
            )
        # Kept while it is built: who is killed meanwhile, as a service is that takes
        # too long to start, must not begin the same anew at every start.
        self._cache.save(failed_key, b"the build was not finished")
        self._tell(f"{label}: building")
        start_ns = self._clock.now_ns()
        try:
            made = build_in_child(
                graph.content,
                target,
                self._cache.load(timing_key) or b"",
                clock=self._clock,
                waiting=lambda s: self._tell(f"{label}: building, {s:.0f} s"),
                limit_s=self._limit_s,
            )
        except RunnerError as error:
            self._cache.save(failed_key, str(error).encode())
            raise RunnerError(f"{label}: {error}") from error
        seconds = (self._clock.now_ns() - start_ns) / NS_PER_S
        self._cache.save(key, made.engine)
        self._cache.discard(failed_key)
        if made.timing:
            self._cache.save(timing_key, made.timing)
        self.notes.append(EngineNote(graph.name, target, seconds, len(made.engine)))
        return made.engine
