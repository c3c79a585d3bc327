"""One vector for each class: of its prompt by CLIP's text tower, or drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from edge_affect.errors import ConfigError
from training.features.pretrained import loaded, open_frozen, open_transformers

TEXT_NAMES = ("clip:MODEL", "prototypes", "orthonormal", "shuffled:NAME")
"""Where the vectors come from; NAME is one of the first three."""
PROTOTYPE_WIDTH = 64
"""Length of random vectors."""


def text_vectors(name: str, prompts: Sequence[str], seed: int = 0) -> Tensor:
    """Return ``(K, D)`` unit vectors, one for each of ``K`` prompts.

    Args:
        name: One of ``TEXT_NAMES``. ``clip`` reads the prompts; ``prototypes`` are
            random directions and ``orthonormal`` ones at right angles, which know
            nothing of the prompts; ``shuffled`` gives every class another one's vector.
        prompts: Texts.
        seed: Of what is random.

    Raises:
        ConfigError: The name is none of these.
        DataError: The model cannot be had or read.
        MissingDependencyError: ``transformers`` is not installed.
    """
    return _vectors(name, tuple(prompts), seed).clone()


def is_mechanism(config: Any) -> bool:
    """Tell whether a run's texts are random vectors: it shows the mechanism only.

    Args:
        config: A recipe's settings; one without ``text`` reads none.
    """
    return "clip:" not in getattr(config, "text", "clip:")


# A network is built anew for each look at a checkpoint; its texts stay the same.
@lru_cache(maxsize=8)
def _vectors(name: str, prompts: tuple[str, ...], seed: int) -> Tensor:
    kind, _, source = name.partition(":")
    random = torch.Generator().manual_seed(seed)
    if kind == "shuffled" and not source.startswith("shuffled"):
        return _vectors(source, prompts, seed)[_moved(len(prompts), random)]
    if kind == "clip" and source:
        return functional.normalize(_clip_texts(source, prompts), dim=1)
    drawn = torch.randn(len(prompts), PROTOTYPE_WIDTH, generator=random)
    if name == "prototypes":
        return functional.normalize(drawn, dim=1)
    if name == "orthonormal":
        columns: Tensor = torch.linalg.qr(drawn.T)[0]
        return columns.T.contiguous()
    raise ConfigError(f"text: got {name!r}, expected one of {', '.join(TEXT_NAMES)}")


def _moved(count: int, random: torch.Generator) -> Tensor:
    """Return an order in which nothing stays in its place: one random cycle."""
    cycle = torch.randperm(count, generator=random)
    order = torch.empty_like(cycle)
    order[cycle] = cycle.roll(1)
    return order


@torch.no_grad()
def _clip_texts(source: str, prompts: tuple[str, ...]) -> Tensor:
    transformers = open_transformers()
    net = open_frozen("clip", source, transformers.CLIPModel)
    tokenizer = loaded("clip", source, transformers.AutoTokenizer.from_pretrained)
    tokens = tokenizer(list(prompts), padding=True, return_tensors="pt").to(net.device)
    pooled = net.text_model(**tokens).pooler_output
    vectors: Tensor = net.text_projection(pooled)
    return vectors.cpu()
