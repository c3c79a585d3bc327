"""Curves of a run for TensorBoard."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from edge_affect.errors import DataError
from training.engine import distributed

_LOG = logging.getLogger(__name__)


class Curves:
    """Writes one point per figure and epoch; process 0 alone does."""

    def __init__(self, folder: Path, epoch: int) -> None:
        """Open the folder; what stands there for later epochs than ``epoch`` is hidden.

        Raises:
            DataError: The folder cannot be written.
        """
        self._writer: SummaryWriter | None = None
        if distributed.rank() > 0:
            return
        try:
            self._writer = SummaryWriter(str(folder), purge_step=epoch + 1)
        except OSError as error:
            raise DataError(f"{folder}: cannot be written ({error})") from error

    def add(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Add the figures of an epoch; what is not finite is left out."""
        if self._writer is None:
            return
        try:
            for name, value in figures.items():
                if math.isfinite(value):
                    self._writer.add_scalar(name, value, epoch)
            self._writer.flush()
        except OSError as error:
            # Curves are a convenience: the run is worth more than they are.
            _LOG.warning("curves are written no longer (%s)", error)
            self._writer = None

    def close(self) -> None:
        """Write what is still held back."""
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()
            self._writer = None
