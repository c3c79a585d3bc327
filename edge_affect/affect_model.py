"""AffectModel: the weights, their runner and the face locator that streams share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_affect.config import check_purpose_name
from edge_affect.errors import UsageError
from edge_affect.model.affect import AffectGraphs
from edge_affect.model.bundle import Bundle, check_purpose, load_bundle
from edge_affect.model.golden import check_golden
from edge_affect.pixels import PixelFormat, check_pixels
from edge_affect.runners.choices import Choice
from edge_affect.runners.select import make_runner
from edge_affect.sensing.align import Box, align_face
from edge_affect.sensing.locator import HaarLocator, Locator, locator_maker
from edge_affect.sensing.preprocessing import check_preprocessing
from edge_affect.sensing.tracker import FaceTracker, Tracker
from edge_affect.types import Frame, StillEstimate
from edge_affect.update.start import start_installed
from edge_affect.update.trial import Trial


class AffectModel:
    """A loaded bundle; thread-safe, may serve any number of streams."""

    def __init__(
        self,
        bundle: Bundle,
        purpose: str,
        graphs: AffectGraphs,
        choice: Choice,
        new_locator: Callable[[], Locator] = HaarLocator,
    ) -> None:
        """Put the parts together; ``AffectModel.load`` is what users call."""
        self.bundle = bundle
        self.purpose = purpose
        self.graphs = graphs
        self.target = choice.target
        """Target of the graphs that run."""
        self.target_reason = choice.reason
        """Why it is that one, one line."""
        self.new_locator = new_locator
        """Makes a face locator; one per stream, since detectors keep buffers."""
        self.trial: Trial | None = None
        """The trial that its bundle is on; live streams watch over it."""

    @classmethod
    def load(  # noqa: PLR0913 - keyword-only settings of the public face
        cls,
        bundle: Path | str | None = None,
        *,
        purpose: str,
        backend: str = "auto",
        detector: Path | str | None = None,
        threads: int = 1,
        allow_unsigned: bool = False,
        target: str | None = None,
        key: Path | str | None = None,
    ) -> AffectModel:
        """Load a bundle, check it and make its runner.

        Args:
            bundle: Folder or archive of the bundle, or a shipped one's name; None for
                the one that ``edge-affect update`` installed, else for the shipped one.
            purpose: What the estimates are for, one of ``labels.PURPOSES``.
            backend: ``auto``, ``onnxruntime`` or ``tensorrt``.
            detector: A YuNet ONNX file; None for the bundle's own locator, else for
                OpenCV's Haar cascade.
            threads: Threads that a graph may use.
            allow_unsigned: Whether a bundle that did not come with the wheel may run.
            target: Which of its graphs to run, such as the one that a record's header
                names; None for what ``edge-affect doctor --measure`` found to be the
                fastest on this machine, else for the bundle's default.
            key: Public key of whoever may sign bundles, a PEM file.

        Raises:
            PurposeError: The purpose is unknown or forbids this bundle.
            BundleError: The bundle is damaged or unsigned, or lacks the target.
            RunnerError: No backend can run it.
            SourceError: The detector's file cannot be read.
        """
        check_purpose_name(purpose)

        def make(loaded: Bundle, is_on_trial: bool) -> AffectModel:  # noqa: FBT001
            check_purpose(purpose, loaded.manifest)
            check_preprocessing(loaded.manifest)
            runner, choice = make_runner(backend, loaded, target, threads)
            try:
                if is_on_trial:
                    check_golden(loaded, runner, choice.target)
                named = None if detector is None else Path(detector)
                new_locator = locator_maker(runner, named)
                new_locator()  # a bad detector file fails here, not in the stream
                graphs = AffectGraphs(runner, loaded.manifest)
                graphs.warm_up()
            except Exception:
                runner.close()  # another bundle may need its memory
                raise
            return cls(loaded, purpose, graphs, choice, new_locator)

        if bundle is not None:
            public = None if key is None else Path(key)
            given = load_bundle(Path(bundle), allow_unsigned=allow_unsigned, key=public)
            return make(given, False)
        model, trial = start_installed(make)
        model.trial = trial
        return model

    def require_purpose(self, purpose: str) -> None:
        """Refuse to serve another purpose than the one it was loaded for.

        Raises:
            UsageError: ``purpose`` is another one.
        """
        if purpose != self.purpose:
            raise UsageError(
                f"purpose: got {purpose!r}, but the model was loaded for "
                f"{self.purpose!r}; load one model per purpose"
            )

    def new_tracker(self, roi: Box) -> Tracker:
        """Return a tracker without a face, for one stream.

        Args:
            roi: Where the driver's face may be, as shares of the picture.
        """
        return FaceTracker(self.new_locator(), roi)

    def still(self, image: NDArray[np.uint8]) -> StillEstimate:
        """Read one picture without any context.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.

        Raises:
            UsageError: ``image`` is no such picture.
        """
        check_pixels(image, PixelFormat.BGR)
        frame = Frame(image, t_capture_ns=0, t_arrival_ns=0, index=0)
        faces = self.new_locator().locate(frame)
        if not faces:
            return StillEstimate(face=None)
        reading = self.graphs.face(self.graphs.new_state(), align_face(frame, faces[0]))
        return StillEstimate(
            faces[0], reading.valence, reading.arousal, reading.expression
        )

    def close(self) -> None:
        """Release the graphs; idempotent."""
        self.graphs.runner.close()
