from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_affect.errors import BundleError
from edge_affect.model.entries import MAX_FILE_BYTES
from edge_affect.model.manifest import Manifest, parse_manifest

TINY = Path(__file__).resolve().parents[3] / "data" / "tiny_bundle"
CONTENT = (TINY / "manifest.json").read_bytes()
Change = Callable[[dict[str, Any]], object]


def _parse(change: Change) -> Manifest:
    manifest = json.loads(CONTENT)
    change(manifest)
    return parse_manifest(json.dumps(manifest).encode())


def _entry(manifest: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = manifest["graphs"]["face"]["cpu-fp32"]
    return entry


def test_manifest_reads_every_field() -> None:
    """What the file says is what the typed manifest holds."""
    manifest = parse_manifest(CONTENT)
    plain = json.loads(CONTENT)
    entry = manifest.graphs["face"]["cpu-fp32"]
    assert manifest.name == "tiny"
    assert manifest.timing.cell_hz == (30, 1)
    assert (entry.file, entry.size_bytes) == (
        "face.cpu-fp32.onnx",
        plain["graphs"]["face"]["cpu-fp32"]["bytes"],
    )
    assert manifest.labels("expression") == tuple(
        plain["heads"]["expression"]["labels"]
    )
    assert manifest.preprocessing.face.template[2] == (56.0, 65.0)
    assert manifest.ranges["valence"] == (-1.0, 1.0)


def test_manifest_answers_for_heads_it_lacks() -> None:
    """A head that is absent has no labels; a graph without temperature has 1."""
    manifest = parse_manifest(CONTENT)
    assert manifest.labels("action_units") == ()
    assert manifest.temperature("voice") == 1.0


def test_manifest_cannot_be_changed() -> None:
    """Its mappings are views: a verified manifest stays what was verified."""
    manifest = parse_manifest(CONTENT)
    with pytest.raises(TypeError):
        manifest.heads["x"] = None  # type: ignore[index]  # that is the point


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: m.update(schema=3), r"schema: got 3, expected 1 or 2"),
        (lambda m: m.update(schema=True), r"schema: got True"),
        (lambda m: m.update(schema=1.0), r"schema: got 1\.0"),
        (lambda m: m.pop("schema"), r"schema: got None"),
        (lambda m: m.update(extra=1), r"unknown key 'extra'"),
        (lambda m: m.pop("training"), r"the key 'training' is missing"),
        (lambda m: m.update(name="../x"), r"\.name: got '\.\./x'"),
        (lambda m: m.update(version="1.0"), r"\.version: .*MAJOR\.MINOR\.PATCH"),
        (lambda m: m.update(default_target="gpu"), r"\.default_target: got 'gpu'"),
        (lambda m: m.update(default_target="cpu-int8"), r"\.default_target: got"),
        (lambda m: m.update(graphs={}), r"\.graphs: got no graph"),
        (lambda m: m["graphs"].update(pose={}), r"\.graphs: unknown key 'pose'"),
        (lambda m: m["graphs"]["face"].update(gpu={}), r"face: unknown key 'gpu'"),
        (lambda m: _entry(m).update(file="a/b.onnx"), r"\.file: got 'a/b\.onnx'"),
        (lambda m: _entry(m).update(file=".hidden"), r"\.file: got '\.hidden'"),
        (lambda m: _entry(m).update(file="a\\b"), r"\.file: got"),
        (lambda m: _entry(m).update(file="manifest.json"), r"\.file: got"),
        (lambda m: _entry(m).update(file="voice.cpu-fp32.onnx"), r"two things"),
        (lambda m: _entry(m).update(bytes=0), r"\.bytes: got 0"),
        (lambda m: _entry(m).update(bytes=MAX_FILE_BYTES + 1), r"\.bytes: got"),
        (lambda m: _entry(m).update(sha256="A" * 64), r"\.sha256: got"),
        (lambda m: m["heads"].update(mood={}), r"\.heads: unknown key 'mood'"),
        (lambda m: m["heads"]["valence"].update(labels=["a"]), r"unknown key 'labels'"),
        (
            lambda m: m["heads"]["expression"].update(labels=["neutral", "bored"]),
            r"\.expression\.labels: got .* expected different ones of neutral, anger",
        ),
        (lambda m: m["heads"]["expression"].pop("labels"), r"'labels' is missing"),
        (lambda m: m["timing"].update(cell_hz=[30, 0]), r"\.cell_hz: got"),
        (lambda m: m["timing"].update(cell_hz=[1, 30]), r"\.cell_hz: got"),
        (lambda m: m["timing"].update(cell_hz=[29.97, 1]), r"\.cell_hz: got"),
        (lambda m: m["timing"].update(voice_hop_ms=0), r"\.voice_hop_ms: got 0"),
        (lambda m: m["timing"].update(ahead_ms=-1), r"\.ahead_ms: got -1"),
        (lambda m: m["ranges"].update(valence=[1, -1]), r"\.valence: got"),
        (lambda m: m["ranges"].update(pose=[-1, 1]), r"\.ranges: unknown key 'pose'"),
        (lambda m: m["validity"].update(spectra=["x-ray"]), r"\.spectra: got"),
        (lambda m: m["validity"].update(yaw_deg=181), r"\.yaw_deg: got 181"),
        (lambda m: m["temperatures"].update(face=0), r"\.face: got 0"),
        (lambda m: m["temperatures"].update(valence=1), r"unknown key 'valence'"),
        (
            lambda m: m["preprocessing"]["voice"].update(rate_hz=8000),
            r"\.rate_hz: got 8000",
        ),
        (lambda m: m["preprocessing"]["voice"].update(hop=401), r"\.hop: got 401"),
        (lambda m: m["preprocessing"]["voice"].update(fft=256), r"\.fft: got 256"),
        (
            lambda m: m["preprocessing"]["voice"].update(mel_high_hz=10),
            r"\.mel_high_hz: got 10",
        ),
        (lambda m: m["preprocessing"]["voice"].update(std=0), r"\.std: got 0"),
        (
            lambda m: m["preprocessing"]["face"].update(channels="BGR"),
            r"\.channels: got",
        ),
        (
            lambda m: m["preprocessing"]["face"]["template"].pop(),
            r"\.template: got .*expected five points",
        ),
        (
            lambda m: m["preprocessing"]["face"].update(template=[[200, 0]] * 5),
            r"\.template\[0\]\.point: got \[200",
        ),
        (
            lambda m: m["training"].append({"set": "x"}),
            r"training\[0\]: the key 'part'",
        ),
        (lambda m: m["figures"].append({"set": "x"}), r"figures\[0\]: the key 'split'"),
        (lambda m: m.update(figures={}), r"\.figures: got an object, expected a list"),
    ],
)
def test_manifest_names_the_key_that_is_wrong(change: Change, named: str) -> None:
    """Each wrong value is one BundleError with the path of its key."""
    with pytest.raises(BundleError, match=named) as caught:
        _parse(change)
    assert "\n" not in str(caught.value)


def test_manifest_bounds_the_sum_of_all_graphs() -> None:
    """Five graphs of the largest size are too many."""

    def change(manifest: dict[str, Any]) -> None:
        targets = ("cpu-fp32", "cpu-int8", "trt-int8", "trt-fp16")
        for graph, made in (("face", targets), ("voice", ("cpu-fp32",))):
            manifest["graphs"][graph] = {
                target: {
                    "file": f"{graph}.{target}",
                    "bytes": MAX_FILE_BYTES,
                    "sha256": "0" * 64,
                }
                for target in made
            }

    with pytest.raises(BundleError, match=r"got \d+ bytes in all"):
        _parse(change)


def test_manifest_takes_a_figure_and_a_training_set() -> None:
    """Optional keys of a figure may be left out; nothing held out is null."""
    figure = {
        "set": "ferplus",
        "split": "valid",
        "head": "expression",
        "metric": "accuracy",
        "value": 0.8,
        "n": 3500,
        "target": "cpu-fp32",
    }
    taught = {"set": "ferplus", "part": "train", "licence": "MIT", "held_out": None}
    manifest = _parse(lambda m: m.update(figures=[figure], training=[taught]))
    assert manifest.figures[0].value == 0.8
    assert manifest.figures[0].low is None
    assert manifest.training[0].held_out is None


def test_manifest_any_garbling_is_a_bundle_error_or_a_manifest() -> None:
    """Seeded garbling never brings up another exception."""
    draw = random.Random(3)
    for _ in range(400):
        content = bytearray(CONTENT)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(content))
            kind = draw.randrange(3)
            if kind == 0:
                content[at] = draw.randrange(256)
            elif kind == 1:
                del content[at : at + draw.randint(1, 30)]
            else:
                content[at:at] = draw.choice(
                    [b'"', b"{", b"}", b"null", b"1e9", b",", b"[]"]
                )
        error = _error_of(bytes(content))
        assert error is None or "\n" not in str(error)


def _error_of(content: bytes) -> BundleError | None:
    try:
        parse_manifest(content)
    except BundleError as error:
        return error
    return None
