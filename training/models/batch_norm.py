"""Batch normalisation over the whole batch, however many processes share it."""

from __future__ import annotations

from torch import Tensor, nn

from training.engine import distributed


class WholeBatchNorm1d(nn.BatchNorm1d):
    """Normalises ``(B, F)`` by the batch of all processes, on any device.

    torch's own ``SyncBatchNorm`` runs on accelerators alone. Alone, it is
    ``BatchNorm1d``.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return this process's ``(B / n, F)``, by all processes' mean and variance."""
        if not self.training or distributed.world_size() == 1:
            return super().forward(x)
        return distributed.share(super().forward(distributed.gathered(x)))
