"""Quantized networks on disk: their tensors, and what they were made from."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from errno import EISDIR
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from edge_affect.errors import ConfigError, DataError
from quantize.ptq import retarget
from quantize.quantizers import PLACES
from quantize.schemes import Scheme, scheme_of


@dataclass(frozen=True, slots=True)
class QuantizedFile:
    """A quantized network's file."""

    graph: str
    """Which network."""
    scheme: Scheme
    """How it was quantized."""
    source: str
    """SHA-256 of the float checkpoint."""
    tensors: dict[str, Tensor]
    """Weights and thresholds, by the names of ``cpu-int8``."""

    def network(self, net: nn.Module, checkpoint: Path, target: str) -> nn.Module:
        """Return the network with the quantizers of ``target``.

        Args:
            net: The float network of ``checkpoint``.
            checkpoint: What this file was made from.
            target: One of ``INT8_TARGETS``.

        Raises:
            DataError: The checkpoint is another one.
            ConfigError: The target is none.
        """
        if file_digest(checkpoint) != self.source:
            raise DataError(
                f"{checkpoint}: is not the checkpoint that was quantized; name that "
                "one, or quantize this one"
            )
        return retarget(net, self.tensors, self.graph, self.scheme, target)


def save_quantized(path: Path, file: QuantizedFile) -> None:
    """Write the file, whole or not at all.

    Raises:
        DataError: It cannot be written.
    """
    header = {
        "graph": file.graph,
        "source": file.source,
        "scheme": json.dumps(asdict(file.scheme)),
    }
    # Both sides of a sum share one threshold, which the format wants twice.
    tensors = {name: value.contiguous().clone() for name, value in file.tensors.items()}
    _write(path, lambda partial: save_file(tensors, partial, header))


def save_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises:
        DataError: It cannot be written.
    """
    _write(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def check_writable(path: Path) -> None:
    """Refuse a file that could not be written, before minutes go into its content.

    Raises:
        DataError: Its folder cannot be made or written, or it is a folder itself.
    """
    partial = _partial(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(EISDIR, "is a folder, expected a file's name")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
        partial.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


def _write(path: Path, write: Callable[[Path], object]) -> None:
    partial = _partial(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        # A folder that could not be made is in the way of this, too.
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def _unwritable(path: Path, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or error
    return DataError(f"{path}: cannot be written ({reason}); give another --out")


def load_quantized(path: Path) -> QuantizedFile:
    """Read a file of ``save_quantized``.

    Raises:
        DataError: It is missing, damaged or something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            scheme = scheme_of(json.loads(header["scheme"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            PLACES[header["graph"]]
            return QuantizedFile(header["graph"], scheme, header["source"], tensors)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: not a quantized network ({error}); make one with: "
            "python -m quantize ptq"
        ) from error
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from error


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
