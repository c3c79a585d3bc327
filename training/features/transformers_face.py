"""CLIP and ViT as frozen face backbones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.features.base import Floats
from training.features.pretrained import (
    loaded,
    open_frozen,
    open_transformers,
    pretrained_key,
)

_AT_ONCE = 32


class PictureNet:
    """A frozen picture network of ``transformers``."""

    def __init__(
        self, kind: str, source: str, net: Any, read: Callable[[Any, Tensor], Tensor]
    ) -> None:
        """Open its settings.

        Args:
            kind: What its features are kept under.
            source: The folder or name that ``net`` came from.
            net: The network.
            read: Returns ``(N, width)`` for the network and ``(N, 3, H, W)`` pixels.
        """
        self.net = net
        config = net.config
        self.key = pretrained_key(kind, source, config)
        self.size_px = int(getattr(config, "vision_config", config).image_size)
        self._read = read
        self._mean, self._deviation = _light(kind, source)
        self.width = self._embed(np.zeros((1, self.size_px, self.size_px, 3))).shape[1]

    def embed(self, crops: NDArray[np.uint8]) -> Floats:
        """Return ``(N, width)`` for ``(N, size_px, size_px, 3)`` uint8 RGB."""
        out = np.zeros((len(crops), self.width), np.float32)
        for start in range(0, len(crops), _AT_ONCE):
            part = crops[start : start + _AT_ONCE]
            out[start : start + len(part)] = self._embed(part)
        return out

    @torch.no_grad()
    def _embed(self, crops: NDArray[Any]) -> Floats:
        even = (crops.astype(np.float32) / 255 - self._mean) / self._deviation
        pixels = torch.from_numpy(even).permute(0, 3, 1, 2).to(self.net.device)
        vectors: Floats = self._read(self.net, pixels).cpu().numpy()
        return vectors


def open_clip_face(source: str) -> PictureNet:
    """Open CLIP's image features, projected into the space that texts share.

    Raises:
        DataError: ``source`` is neither a folder nor a name that can be had.
        MissingDependencyError: ``transformers`` is not installed.
    """
    net = open_frozen("clip", source, open_transformers().CLIPModel)
    return PictureNet("clip", source, net, _projected)


def open_vit_face(source: str, *, patches: bool) -> PictureNet:
    """Open a ViT's pooler output, or the mean of its last layer's ``patches``.

    Raises:
        DataError: ``source`` is neither a folder nor a name that can be had.
        MissingDependencyError: ``transformers`` is not installed.
    """
    kind, read = ("vit-mean", _patches) if patches else ("vit", _pooled)
    # Classifiers are often saved without a pooler; the patches do not need it.
    model = open_transformers().ViTModel
    net = open_frozen(kind, source, model, add_pooling_layer=not patches)
    return PictureNet(kind, source, net, read)


def _projected(net: Any, pixels: Tensor) -> Tensor:
    pooled = net.vision_model(pixel_values=pixels).pooler_output
    image: Tensor = net.visual_projection(pooled)
    return image


def _pooled(net: Any, pixels: Tensor) -> Tensor:
    pooled: Tensor = net(pixel_values=pixels).pooler_output
    return pooled


def _patches(net: Any, pixels: Tensor) -> Tensor:
    tokens: Tensor = net(pixel_values=pixels).last_hidden_state
    return tokens[:, 1:].mean(dim=1)  # the first one is the class token


def _light(kind: str, source: str) -> tuple[Floats, Floats]:
    """Return mean and deviation of each channel that the network was trained with."""
    # The picture processors would bring torchvision; of them we need two settings.
    mixin = open_transformers().ImageProcessingMixin
    stored, _ = loaded(kind, source, mixin.get_image_processor_dict)

    def channels(name: str) -> Floats:
        return np.array(loaded(kind, source, lambda _: stored[name]), np.float32)

    return channels("image_mean"), channels("image_std")
