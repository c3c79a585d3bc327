"""Peers' networks: a Keras file as ONNX, YuNet by ONNX Runtime, a followed face."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("h5py")
pytest.importorskip("onnx")

import h5py

from benchmarks.expressions import classes_of, crops_of
from benchmarks.peers import xception
from benchmarks.peers.engines import ENGINES, open_network
from benchmarks.peers.keras import OUTPUT, onnx_from_keras
from benchmarks.peers.landmarks import Landmarks
from benchmarks.peers.yunet import YuNetOnnx
from edge_affect.errors import DataError
from training.data.ferplus import VOTE_NAMES, load_ferplus
from training.teachers.yunet import YuNet

Layer = dict[str, Any]
SIDE = 7


def _layer(kind: str, name: str, given: str | None, **config: Any) -> Layer:
    nodes = [[[each, 0, 0, {}] for each in given.split()]] if given else []
    told = {"name": name, **config}
    return {"class_name": kind, "config": told, "inbound_nodes": nodes, "name": name}


def _save(path: Path, layers: list[Layer], weights: dict[str, dict[str, Any]]) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"config": {"layers": layers}})
        for layer in layers:
            group = file.create_group(f"model_weights/{layer['name']}")
            for kind, values in weights.get(layer["name"], {}).items():
                group[f"{layer['name']}_1/{kind}:0"] = values
    return path


@pytest.fixture
def weights() -> dict[str, dict[str, NDArray[np.float32]]]:
    """Return weights of a separable layer, its normalization and a head."""
    random = np.random.default_rng(0)
    return {
        "deep": {
            "depthwise_kernel": random.normal(size=(3, 3, 2, 1)).astype(np.float32),
            "pointwise_kernel": random.normal(size=(1, 1, 2, 3)).astype(np.float32),
        },
        "norm": {
            "gamma": np.array([1, 2, 3], np.float32),
            "beta": np.array([0, 1, -1], np.float32),
            "moving_mean": np.array([0.5, 0, 0], np.float32),
            "moving_variance": np.array([1, 4, 9], np.float32),
        },
        "head": {
            "kernel": random.normal(size=(1, 1, 3, 4)).astype(np.float32),
            "bias": np.array([0, 1, 2, 3], np.float32),
        },
    }


@pytest.fixture
def keras_file(
    tmp_path: Path, weights: dict[str, dict[str, NDArray[np.float32]]]
) -> Path:
    """Return a network of all kinds of layers, a residual one among them."""
    even = {"padding": "same", "strides": [2, 2]}
    flat = {"padding": "valid", "strides": [1, 1]}
    shape = [None, SIDE, SIDE, 2]
    layers = [
        _layer("InputLayer", "in", None, batch_input_shape=shape),
        _layer(
            "SeparableConv2D",
            "deep",
            "in",
            kernel_size=[3, 3],
            padding="same",
            strides=[1, 1],
        ),
        _layer("BatchNormalization", "norm", "deep", epsilon=0.001),
        _layer("Activation", "relu", "norm", activation="relu"),
        _layer("Add", "sum", "relu norm"),
        _layer("MaxPooling2D", "pool", "sum", pool_size=[2, 2], **even),
        _layer("Conv2D", "head", "pool", kernel_size=[1, 1], **flat),
        _layer("GlobalAveragePooling2D", "mean", "head"),
        _layer("Activation", "soft", "mean", activation="softmax"),
    ]
    return _save(tmp_path / "net.hdf5", layers, weights)


def _by_hand(
    picture: NDArray[np.float32], weights: dict[str, dict[str, NDArray[np.float32]]]
) -> NDArray[np.float64]:
    """Return what Keras says of ``(7, 7, 2)``, by its own words."""
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0)))
    deep = np.zeros_like(picture)
    for row in range(3):
        for column in range(3):
            seen = padded[row : row + SIDE, column : column + SIDE]
            deep += seen * weights["deep"]["depthwise_kernel"][row, column, :, 0]
    across = deep @ weights["deep"]["pointwise_kernel"][0, 0]
    norm = weights["norm"]
    spread = np.sqrt(norm["moving_variance"] + 0.001)
    normed = (across - norm["moving_mean"]) / spread * norm["gamma"] + norm["beta"]
    summed = np.maximum(normed, 0) + normed
    # "same" on 7 by 2: one row more at the end, which the largest never is.
    ended = np.pad(summed, ((0, 1), (0, 1), (0, 0)), constant_values=-np.inf)
    pooled = ended.reshape(4, 2, 4, 2, 3).max(axis=(1, 3))
    told = (pooled @ weights["head"]["kernel"][0, 0]).mean(axis=(0, 1))
    raised = np.exp(told + weights["head"]["bias"])
    return np.asarray(raised / raised.sum(), np.float64)


@pytest.mark.parametrize("engine", ENGINES)
def test_keras_file_says_the_same_as_onnx(
    keras_file: Path, weights: dict[str, dict[str, NDArray[np.float32]]], engine: str
) -> None:
    """By both engines, against the layers by hand."""
    run = open_network(onnx_from_keras(keras_file), engine, (OUTPUT,))
    picture = np.random.default_rng(1).normal(size=(SIDE, SIDE, 2)).astype(np.float32)
    given = np.ascontiguousarray(picture.transpose(2, 0, 1)[None])
    assert run(given)[0][0] == pytest.approx(_by_hand(picture, weights), abs=1e-6)


def test_keras_file_with_an_unknown_layer_is_refused(tmp_path: Path) -> None:
    """The line names the layer; so it does for what is no file of Keras."""
    odd = [_layer("InputLayer", "in", None, batch_input_shape=[None, 2, 2, 1])]
    odd.append(_layer("LSTM", "odd", "in"))
    with pytest.raises(DataError, match="the layer odd is a LSTM"):
        onnx_from_keras(_save(tmp_path / "odd.hdf5", odd, {}))
    (tmp_path / "text.hdf5").write_text("no", encoding="ascii")
    with pytest.raises(DataError, match="expected a model that Keras 2 saved"):
        onnx_from_keras(tmp_path / "text.hdf5")


def test_mini_xception_reads_ferplus_as_well_as_is_published(data_root: Path) -> None:
    """Of its classes between 0.6 and 0.7 are right: 0.66 of FER2013 by its authors."""
    if not all((data_root / file).is_file() for file in xception.NEEDED):
        pytest.skip("the data root lacks mini-XCEPTION or UltraFace")
    faces = load_ferplus(data_root, "valid")
    truth = classes_of([VOTE_NAMES[label] for label in faces.labels])
    rows = np.flatnonzero(np.isin(truth, classes_of(xception.CLASSES)))[::3]
    peer = xception.MiniXception(data_root)
    names = [faces.names[row] for row in rows]
    shown = crops_of(faces.archive, names, xception.SIZE_PX)
    said = np.array([peer.read_crop(crop).argmax() for crop in shown])
    assert 0.6 < (said == truth[rows]).mean() < 0.7


@pytest.fixture
def crowd(data_root: Path) -> NDArray[np.uint8]:
    """Return a picture of several faces."""
    picture = cv2.imread(str(data_root / "clips" / "multi_face.jpg"))
    if picture is None:
        pytest.skip("the data root has no picture of several faces")
    return np.asarray(picture, np.uint8)


def test_yunet_by_onnx_runtime_finds_what_opencv_finds(
    data_root: Path, crowd: NDArray[np.uint8]
) -> None:
    """The same faces with the same points, at a size that is no multiple of 32 too."""
    opencv, onnx = YuNet(data_root), YuNetOnnx(data_root)
    smaller = np.asarray(cv2.resize(crowd, (417, 301)), np.uint8)
    for picture in (crowd, smaller):
        there, here = opencv.marks(picture), onnx.marks(picture)
        assert len(there) == len(here) > 1
        for one, other in zip(there, here, strict=True):
            assert one.points == pytest.approx(other.points, abs=0.05)
            assert one.score == pytest.approx(other.score, abs=1e-3)
    assert onnx.marks(np.zeros((64, 64, 3), np.uint8)) == []


def test_landmarks_follow_a_face_until_it_is_gone(
    data_root: Path, crowd: NDArray[np.uint8]
) -> None:
    """The face that is still there is found where it is; in black there is none."""
    pytest.importorskip("ai_edge_litert")
    finder: Callable[[Path], YuNet] = YuNet
    peer = Landmarks(data_root, finder(data_root))
    place = peer.find(crowd)
    assert place is not None
    followed = peer.read(crowd, place)
    assert followed is not None
    eyes_px = float(np.hypot(*(place[1] - place[0])))
    assert np.abs(followed - place).max() < 0.25 * eyes_px
    assert peer.read(np.zeros_like(crowd), place) is None
