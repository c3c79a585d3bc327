"""Quantized networks on disk: their tensors, and what they were made from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from edge_affect.errors import ConfigError, DataError
from quantize.ptq import retarget
from quantize.quantizers import PLACES
from quantize.schemes import Scheme


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
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, partial, header)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written ({error})") from error


def load_quantized(path: Path) -> QuantizedFile:
    """Read a file of ``save_quantized``.

    Raises:
        DataError: It is missing, damaged or something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            scheme = json.loads(header["scheme"])
            for name in ("fine_layers", "float_layers"):
                scheme[name] = tuple(scheme[name])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            PLACES[header["graph"]]
            return QuantizedFile(
                header["graph"], Scheme(**scheme), header["source"], tensors
            )
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
