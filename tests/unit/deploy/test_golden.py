from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deploy.golden import LEAST, MOST, record_golden
from deploy.pack import PackSettings, pack
from edge_affect.errors import BundleError
from edge_affect.model.bundle import load_bundle
from edge_affect.model.golden import check_golden, load_golden
from edge_affect.runners.onnxruntime import OnnxRunner


def _files(export: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(export.glob("*.onnx"))}


def test_pack_records_what_a_device_then_replays(export: Path, tmp_path: Path) -> None:
    """The bundle that was packed passes its own golden inputs."""
    pack(PackSettings(export, tmp_path / "out", "tiny", "1.2.3"))
    bundle = load_bundle(tmp_path / "out", allow_unsigned=True)
    runner = OnnxRunner(bundle.graphs_for("cpu-fp32"))
    assert check_golden(bundle, runner, "cpu-fp32") == {
        "face": 0.0,
        "voice": 0.0,
        "affect": 0.0,
    }


def test_record_golden_is_like_what_a_device_sees(export: Path) -> None:
    """Pictures are whole grey values, embeddings those of the graphs before."""
    content, _ = record_golden(_files(export))
    golden = load_golden(content)
    image = golden["face"].inputs["image"]
    assert image.min() >= 0
    assert image.max() <= 255
    assert np.array_equal(image, image.round())
    assert image.std() > 30
    affect = golden["affect"].inputs
    assert np.array_equal(affect["face_embedding"], golden["face"].outputs["embedding"])
    assert set(np.unique(affect["face_valid"])) == {0.0, 1.0}


def test_record_golden_gives_each_target_its_tolerance(export: Path) -> None:
    """A target that is off where it is packed may be off on a device, up to a bound."""
    files = _files(export)
    for graph in ("face", "voice", "affect"):
        content = bytearray(files[f"{graph}.cpu-fp32.onnx"])
        content[len(content) // 2] ^= 0x40  # a weight that is far off
        files[f"{graph}.cpu-int8.onnx"] = bytes(content)
        files[f"{graph}.trt-fp16.onnx"] = files[f"{graph}.cpu-fp32.onnx"]
    _, tolerances = record_golden(files)
    assert tolerances["cpu-fp32"] == LEAST["cpu-fp32"]
    assert tolerances["trt-fp16"] == LEAST["trt-fp16"]
    assert LEAST["cpu-int8"] <= tolerances["cpu-int8"] <= MOST


def test_record_golden_lets_no_strange_graph_reach_a_parser(export: Path) -> None:
    """What the runtime would refuse is refused before ONNX Runtime sees it."""
    with pytest.raises(BundleError, match="is not an ONNX graph"):
        record_golden({**_files(export), "face.cpu-fp32.onnx": b"\x3a\x02\x08\x01"})
