"""The ways to run a bundle: its targets, backends and numbers of threads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_affect.affect_model import AffectModel
from edge_affect.errors import MissingDependencyError, RunnerError
from edge_affect.model.bundle import Bundle
from edge_affect.runners.select import rivals
from edge_affect.runners.tensorrt.libraries import open_libraries
from edge_affect.runners.tensorrt.prepare import TENSORRT_TARGETS


@dataclass(frozen=True, slots=True)
class Way:
    """What runs."""

    folder: Path | None
    """The bundle's; None for the shipped one."""
    target: str
    """Which of its graphs."""
    threads: int
    """Threads of a graph."""
    backend: str = "onnxruntime"
    """What runs them."""

    @property
    def label(self) -> str:
        """Threads, for people."""
        return f"{self.threads} thread" + ("s" if self.threads > 1 else "")

    def load(self) -> AffectModel:
        """Return the model; the caller closes it.

        Raises:
            BundleError: The bundle is damaged, or lacks the target.
            RunnerError: The target does not run here.
        """
        return AffectModel.load(
            self.folder,
            purpose="research",
            backend=self.backend,
            target=self.target,
            threads=self.threads,
            allow_unsigned=self.folder is not None,
        )


def ways_of(bundle: Bundle, folder: Path | None) -> list[Way]:
    """Return every way that a bundle runs here, its default target first.

    Args:
        bundle: What runs.
        folder: Its directory; None for the shipped one.
    """
    default = bundle.default_target
    targets = sorted(rivals(bundle), key=lambda target: target != default)
    cpu = [target for target in targets if target not in TENSORRT_TARGETS]
    ways = [Way(folder, target, n) for target in cpu for n in (1, 2)]
    try:
        open_libraries()
    except (RunnerError, MissingDependencyError):
        return ways
    # A GPU's work is not split among threads.
    gpu = [target for target in bundle.targets if target in TENSORRT_TARGETS]
    return [*ways, *(Way(folder, target, 1, "tensorrt") for target in gpu)]
