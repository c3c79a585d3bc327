"""Frozen models of ``transformers``, from a folder or by name."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError

from edge_affect.errors import DataError, missing_dependency
from training.engine import distributed

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_TRAINING_ONLY = {"masked_spec_embed"}
"""Weights that no frozen network reads: Wav2Vec 2.0's stand-in for what is masked."""


def open_transformers() -> Any:
    """Import ``transformers``, which takes seconds.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        # By name: its annotations are too loose for a strict type check to gain from.
        return import_module("transformers")
    except ImportError as error:
        raise missing_dependency("transformers", "train", "a backbone") from error


def loaded(kind: str, source: str, load: Callable[[str], T]) -> T:
    """Return ``load(source)``.

    Args:
        kind: The backbone's kind, for the message.
        source: A folder, or a model's name that is cached or can be fetched.
        load: A ``from_pretrained``.

    Raises:
        DataError: It is neither, or what is there cannot be read.
    """
    if not Path(source).is_dir():
        _LOG.info(
            "%s:%s: looking for it, in the cache and then on its hub", kind, source
        )
    # Its retries tell each failure twice; the last one is told below.
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
    try:
        return load(source)
    # transformers raises what its parsers raise: a damaged file gives any of these.
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        SafetensorError,
    ) as error:
        why = " ".join(str(error).split()).partition(". ")[0][:120]
        raise DataError(
            f"{kind}:{source}: got neither a folder with a model nor a name that is "
            f"cached or can be fetched ({why}); fetch it where there is a network and "
            f"give its folder: {kind}:FOLDER"
        ) from error


def open_frozen(kind: str, source: str, model: Any, **settings: Any) -> Any:
    """Return a pretrained network that is not trained, on a GPU if there is one.

    Args:
        kind: The backbone's kind, for messages.
        source: A folder or a name.
        model: A class with ``from_pretrained``.
        settings: Handed to the class.

    Raises:
        DataError: As ``loaded``, or weights are missing, which ``transformers`` would
            fill at random: a classifier saved without its pooler, or another network.
    """

    def load(source: str) -> Any:
        return model.from_pretrained(source, output_loading_info=True, **settings)

    net, told = loaded(kind, source, load)
    missing = sorted(set(told["missing_keys"]) - _TRAINING_ONLY)
    if missing:
        raise DataError(
            f"{kind}:{source}: lacks {len(missing)} of the network's weights, the "
            f"first is {missing[0]}; expected a model saved whole; name another one"
        )
    frozen = net.float().requires_grad_(requires_grad=False).eval()
    return frozen.to(distributed.device())


def pretrained_key(kind: str, source: str, config: Any) -> str:
    """Return a name for features: kind, model and revision; safe as a folder's name.

    The revision is the commit that the model was fetched at, or for a folder a digest
    of its settings and weights.
    """
    folder = Path(source)
    if folder.is_dir():
        name, revision = folder.resolve().name, _digest(folder)
    else:
        name = source
        revision = str(getattr(config, "_commit_hash", None) or "unknown")
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", name)
    return f"{kind}-{plain}-{revision[:16]}"


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors", ".bin"):
            digest.update(path.name.encode())
            with path.open("rb") as file:
                while part := file.read(1 << 20):
                    digest.update(part)
    return digest.hexdigest()
