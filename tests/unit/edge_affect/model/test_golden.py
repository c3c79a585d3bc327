from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_affect.errors import BundleError
from edge_affect.model.bundle import Bundle, load_bundle
from edge_affect.model.golden import GOLDEN_FILE, check_golden, load_golden
from edge_affect.model.manifest import parse_manifest
from edge_affect.runners.onnxruntime import OnnxRunner
from tests.fakes.bundles import TINY, golden_bundle, two_target_bundle

MOST_MEMORY_BYTES = 8 * 1024 * 1024


def _checked(bundle: Bundle, target: str = "cpu-fp32") -> Any:
    runner = OnnxRunner(bundle.graphs_for("cpu-fp32"))
    return check_golden(bundle, runner, target)


def test_golden_outputs_are_met_where_they_were_made(tmp_path: Path) -> None:
    """Every graph is replayed, state and all, and none is off."""
    bundle = load_bundle(golden_bundle(tmp_path / "b"), allow_unsigned=True)
    assert _checked(bundle) == {"face": 0.0, "voice": 0.0, "affect": 0.0}


@pytest.mark.parametrize("wrong_by", [0.01, -0.5, 1e9, float("inf"), float("nan")])
def test_golden_outputs_that_are_missed_are_named(
    tmp_path: Path, wrong_by: float
) -> None:
    """The graph, the output, the error and the tolerance are in one line."""
    folder = golden_bundle(tmp_path / "b", wrong_by=wrong_by)
    bundle = load_bundle(folder, allow_unsigned=True)
    with pytest.raises(BundleError, match=r"face\.\w+: got an error of .*<= 0\.001"):
        _checked(bundle)


def test_golden_error_within_the_tolerance_is_told(tmp_path: Path) -> None:
    """A target that rounds otherwise passes, and its error is seen."""
    folder = golden_bundle(tmp_path / "b", wrong_by=0.0005)
    errors = _checked(load_bundle(folder, allow_unsigned=True))
    assert all(0 < error <= 0.001 for error in errors.values())


def test_golden_of_other_weights_is_missed(tmp_path: Path) -> None:
    """One altered weight in every graph is found, through the outputs alone."""
    folder = two_target_bundle(tmp_path / "b")
    golden = golden_bundle(tmp_path / "g")
    altered = OnnxRunner(
        load_bundle(folder, allow_unsigned=True).graphs_for("cpu-int8")
    )
    with pytest.raises(BundleError, match="golden inputs"):
        check_golden(load_bundle(golden, allow_unsigned=True), altered, "cpu-fp32")


def test_golden_needs_inputs_for_the_target(tmp_path: Path) -> None:
    """A bundle of schema 1, or without a tolerance for what runs, is refused."""
    with pytest.raises(BundleError, match="has no golden inputs for cpu-fp32"):
        _checked(load_bundle(TINY, allow_unsigned=True))
    bundle = load_bundle(golden_bundle(tmp_path / "b"), allow_unsigned=True)
    with pytest.raises(BundleError, match="has no golden inputs for trt-int8"):
        _checked(bundle, "trt-int8")


def test_manifest_of_schema_one_has_no_golden(tmp_path: Path) -> None:
    """The key came with schema 2: an older reader would have refused it."""
    manifest = json.loads(
        (golden_bundle(tmp_path / "b") / "manifest.json").read_bytes()
    )
    assert parse_manifest(json.dumps(manifest).encode()).golden is not None
    manifest["schema"] = 1
    with pytest.raises(BundleError, match="unknown key 'golden'"):
        parse_manifest(json.dumps(manifest).encode())
    del manifest["golden"]
    manifest["schema"] = 2
    assert parse_manifest(json.dumps(manifest).encode()).golden is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda g: g["tolerances"].clear(), "the key 'cpu-fp32' is missing"),
        (lambda g: g["tolerances"].update({"cpu-fp32": 2}), r"cpu-fp32: got 2, exp"),
        (lambda g: g["tolerances"].update(gpu=0.1), "unknown key 'gpu'"),
        (lambda g: g.update(file="../golden.npz"), "a plain file name"),
        (lambda g: g.update(file="face.cpu-fp32.onnx"), "stands for two things"),
        (lambda g: g.update(bytes=0), r"golden\.bytes: got 0"),
        (lambda g: g.pop("sha256"), "the key 'sha256' is missing"),
    ],
)
def test_manifest_names_what_is_wrong_with_golden(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], named: str
) -> None:
    """As strict as with the rest."""
    manifest = json.loads(
        (golden_bundle(tmp_path / "b") / "manifest.json").read_bytes()
    )
    change(manifest["golden"])
    with pytest.raises(BundleError, match=named):
        parse_manifest(json.dumps(manifest).encode())


def test_golden_file_is_checked_by_its_digest(tmp_path: Path) -> None:
    """It is a file of the bundle like any other."""
    folder = golden_bundle(tmp_path / "b")
    content = bytearray((folder / GOLDEN_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / GOLDEN_FILE).write_bytes(content)
    with pytest.raises(BundleError, match=r"golden\.npz: got SHA-256"):
        load_bundle(folder, allow_unsigned=True)


def _npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _with_header(header: str) -> bytes:
    """Return a recording of one member whose header promises what it likes."""
    import struct
    import zipfile

    text = f"{header}\n".encode()
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(16)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("face.in.image.npy", content)
    return file.getvalue()


HEADER = "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        _npz(**{"face.in": np.zeros((1, 2), np.float32)}),
        _npz(**{"face.in.image": np.zeros((1, 2))}),
        _npz(**{"face.in.image": np.float32(1)}),
        _npz(**{"face.in.image": np.array([{"a": 1}], dtype=object)}),
        _npz(**{"face.in.image": np.asfortranarray(np.zeros((2, 3), np.float32))}),
        _with_header(HEADER.format("'<f4'", False, "(4, 2)")),
        _with_header(HEADER.format("'<f4'", False, "(1000000000, 1000000000)")),
        _with_header(HEADER.format("'<f4'", False, "(-1, -4)")),
        _with_header(HEADER.format("'<f4'", False, "(4.0,)")),
        _with_header(HEADER.format("'|O'", False, "(2,)")),
        _with_header(HEADER.format("[('a', '<f4')]", False, "(4,)")),
        _with_header("__import__('os').abort()"),
    ],
)
def test_golden_recording_that_is_none_is_refused(content: bytes) -> None:
    """No pickle, no size that is believed, no other exception; memory stays small."""
    tracemalloc.start()
    try:
        with pytest.raises(BundleError) as caught:
            load_golden(content)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY_BYTES
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


def test_golden_recording_of_one_graph_too_few_is_refused(tmp_path: Path) -> None:
    """What is not replayed is not known to be right."""
    folder = golden_bundle(tmp_path / "b")
    bundle = load_bundle(folder, allow_unsigned=True)
    recording = np.load(io.BytesIO(bundle.files[GOLDEN_FILE]))
    fewer = {name: recording[name] for name in recording if name[:6] != "voice."}
    altered = {**bundle.files, GOLDEN_FILE: _npz(**fewer)}
    without = Bundle(bundle.manifest, bundle.digest, bundle.graphs, altered)
    with pytest.raises(BundleError, match="hold nothing for voice"):
        _checked(without)
