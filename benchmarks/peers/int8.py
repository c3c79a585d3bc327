"""Make the peer of our int8 graphs: ONNX Runtime's own static quantization."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.progress import Progress
from edge_affect.errors import DataError
from training.data.calibration import calibration_pictures

BATCH = 64
"""Pictures that are decoded together."""

Feed = dict[str, NDArray[np.float32]]


class _Pictures:
    """Calibration inputs, one at a time, as ONNX Runtime asks for them."""

    def __init__(self, feeds: Iterator[Feed]) -> None:
        self._feeds = feeds

    def get_next(self) -> Feed | None:
        """Return the next input; None after the last."""
        return next(self._feeds, None)


def quantize_peer(path: Path, data: Path, out: Path, progress: Progress) -> None:
    """Quantize a float face graph as ONNX Runtime's guide says for such processors.

    QDQ, unsigned bytes for activations, signed ones per output channel for weights,
    ranges from the least to the largest value seen: its documented choice for x86-64
    with VNNI. The pictures are those that our own quantizers take their ranges from.

    Args:
        path: The face graph as ``cpu-fp32``.
        data: Data root.
        out: File to write, whole or not at all.
        progress: Shows how far it has come.

    Raises:
        DataError: A set is missing, the graph takes no picture, or a file cannot be
            read or written.
    """
    name, size_px = _picture_input(path)
    chosen = calibration_pictures(data)
    total = sum(len(names) for _, names in chosen)
    if not total:
        raise DataError(f"{data}: got no pictures, expected at least one")

    def feeds() -> Iterator[Feed]:
        for archive, names in chosen:
            for start in range(0, len(names), BATCH):
                part = archive.read(names[start : start + BATCH], size_px, grey=False)
                for picture in part[:, :, :, ::-1].transpose(0, 3, 1, 2):
                    yield {name: picture[None].astype(np.float32)}

    pictures = _Pictures(progress.track(feeds(), total, "calibrate"))
    partial = out.with_name(f".{out.name}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _quantize(path, partial, pictures)
        partial.replace(out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror})") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _picture_input(path: Path) -> tuple[str, int]:
    """Return the name of the graph's one input and the side of its pictures."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), providers=["CPUExecutionProvider"]
        )
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # onnxruntime's own errors share no narrower base
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: ONNX Runtime refuses it ({reason})") from error
    shapes = {value.name: value.shape for value in session.get_inputs()}
    for name, shape in shapes.items():
        if len(shapes) == 1 and shape[:2] == [1, 3] and len(shape) == 4:
            return name, int(shape[2])
    raise DataError(
        f"{path}: takes {shapes}, expected one picture (1, 3, H, W); name a face graph"
    )


def _quantize(path: Path, out: Path, pictures: _Pictures) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(path, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            out,
            pictures,
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
