from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_affect import bundles
from edge_affect.affect_model import AffectModel
from edge_affect.bundles.digests import DIGESTS
from edge_affect.errors import BundleError
from edge_affect.model.bundle import _check_heads, load_bundle, shipped_folder
from edge_affect.model.fields import MAX_JSON_BYTES
from edge_affect.model.manifest import parse_manifest
from edge_affect.model.purpose import is_emotion_free
from edge_affect.pointcloud.upsampler import SHIPPED_BUNDLE, Upsampler

FLIPS = 300
"""Damaged copies of each file that are tried."""
FACE = "face.cpu-fp32.onnx"
TINY = Path(__file__).resolve().parents[3] / "data" / "tiny_bundle"


def _refused(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(folder, allow_unsigned=True)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) not in message
    return message


def test_load_bundle_gives_the_verified_bytes(tiny: Path) -> None:
    """The graphs are the files' bytes, the digest is the manifest's."""
    bundle = load_bundle(tiny, allow_unsigned=True)
    assert bundle.graph("face", "cpu-fp32").content == (tiny / FACE).read_bytes()
    assert bundle.graph("face", "cpu-fp32").name == "face"
    manifest = (tiny / "manifest.json").read_bytes()
    assert bundle.digest == hashlib.sha256(manifest).hexdigest()
    assert bundle.targets == ("cpu-fp32",)
    assert [g.name for g in bundle.graphs_for("cpu-fp32")] == [
        "face",
        "voice",
        "affect",
    ]


def test_load_bundle_says_what_a_graph_was_made_for(tiny: Path) -> None:
    """A graph or target that the bundle lacks is named with what there is."""
    bundle = load_bundle(tiny, allow_unsigned=True)
    with pytest.raises(BundleError, match="no graph 'face' for the target 'cpu-int8'"):
        bundle.graph("face", "cpu-int8")
    with pytest.raises(BundleError, match="expected one of none"):
        bundle.graph("locator", "cpu-fp32")


def test_load_bundle_needs_leave_for_what_was_not_shipped(tiny: Path) -> None:
    """A sound bundle that did not come with the wheel is refused by default."""
    with pytest.raises(BundleError, match="allow_unsigned=True"):
        load_bundle(tiny)


def test_load_bundle_trusts_a_shipped_digest_anywhere(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of a shipped bundle needs no leave: its digest is known."""
    digest = hashlib.sha256((tiny / "manifest.json").read_bytes()).hexdigest()
    monkeypatch.setitem(DIGESTS, "tiny", digest)
    assert load_bundle(tiny).manifest.name == "tiny"


def test_shipped_bundles_are_those_of_the_digests() -> None:
    """Every shipped bundle loads without leave, under its own name."""
    assert {bundles.DEFAULT, bundles.SIGNALS, SHIPPED_BUNDLE} == DIGESTS.keys()
    for name in DIGESTS.keys() - {SHIPPED_BUNDLE}:
        assert load_bundle(shipped_folder(name)).manifest.name == name
    assert Upsampler().manifest.name == SHIPPED_BUNDLE


def test_load_bundle_takes_the_name_of_a_shipped_one(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name is the shipped one's; a folder that is called so comes first."""
    monkeypatch.chdir(tmp_path)
    assert load_bundle(Path(bundles.SIGNALS)).manifest.name == bundles.SIGNALS
    shutil.copytree(tiny, tmp_path / bundles.SIGNALS)
    with pytest.raises(BundleError, match="allow_unsigned=True"):
        load_bundle(Path(bundles.SIGNALS))
    with pytest.raises(BundleError, match="edge-affect-z"):
        load_bundle(Path("edge-affect-z"))


def test_shipped_signals_bundle_runs_for_a_fleet() -> None:
    """It tells of eyes, yawns and the head, and of no emotion at all."""
    model = AffectModel.load(bundles.SIGNALS, purpose="fleet")
    try:
        assert is_emotion_free(model.bundle.manifest)
        assert model.bundle.manifest.heads.keys() == {
            "speech",
            "action_units",
            "driver",
        }
    finally:
        model.close()


def test_load_bundle_refuses_every_flipped_bit_of_a_graph(tiny: Path) -> None:
    """One flipped bit anywhere in any graph is refused; ONNX Runtime would load it."""
    draw = random.Random(11)
    for file in sorted(tiny.glob("*.onnx")):
        sound = file.read_bytes()
        for _ in range(FLIPS):
            damaged = bytearray(sound)
            damaged[draw.randrange(len(sound))] ^= 1 << draw.randrange(8)
            file.write_bytes(damaged)
            assert "SHA-256" in _refused(tiny)
        file.write_bytes(sound)
    load_bundle(tiny, allow_unsigned=True)


def test_load_bundle_refuses_every_flipped_bit_of_a_trusted_manifest(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manifest whose digest is known is unknown after any change."""
    path = tiny / "manifest.json"
    sound = path.read_bytes()
    monkeypatch.setitem(DIGESTS, "tiny", hashlib.sha256(sound).hexdigest())
    draw = random.Random(12)
    for _ in range(FLIPS):
        damaged = bytearray(sound)
        damaged[draw.randrange(len(sound))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(BundleError):
            load_bundle(tiny)


def test_load_bundle_refuses_every_truncation(tiny: Path) -> None:
    """A file that ends early is refused, at any length and for every file."""
    for file in sorted(tiny.iterdir()):
        sound = file.read_bytes()
        for length in (0, 1, *range(7, len(sound), len(sound) // 40), len(sound) - 2):
            file.write_bytes(sound[:length])
            _refused(tiny)
        file.write_bytes(sound)


def test_load_bundle_refuses_a_longer_file(tiny: Path) -> None:
    """Bytes after the promised length are refused before they are read."""
    with (tiny / FACE).open("ab") as file:
        file.write(b"\0")
    assert "got 6291 bytes, expected <= 6290" in _refused(tiny)


def test_load_bundle_refuses_swapped_graphs(tiny: Path) -> None:
    """Two sound files under each other's names are not what was promised."""
    (tiny / FACE).rename(tiny / "aside")
    (tiny / "voice.cpu-fp32.onnx").rename(tiny / FACE)
    (tiny / "aside").rename(tiny / "voice.cpu-fp32.onnx")
    assert FACE in _refused(tiny)


@pytest.mark.parametrize("name", [FACE, "manifest.json"])
def test_load_bundle_refuses_links(tiny: Path, name: str) -> None:
    """A link is refused even when it points to the very file that was promised."""
    (tiny / name).rename(tiny / "aside")
    (tiny / name).symlink_to("aside")
    assert f"{name}: is a link" in _refused(tiny)


@pytest.mark.parametrize("name", [FACE, "manifest.json"])
def test_load_bundle_refuses_a_pipe_without_waiting(tiny: Path, name: str) -> None:
    """A named pipe that nobody writes to does not hang the loader."""
    (tiny / name).unlink()
    os.mkfifo(tiny / name)
    assert "is not a plain file" in _refused(tiny)


def test_load_bundle_refuses_a_folder_for_a_file(tiny: Path) -> None:
    """A directory under a graph's name is refused."""
    (tiny / FACE).unlink()
    (tiny / FACE).mkdir()
    assert "is not a plain file" in _refused(tiny)


def test_load_bundle_refuses_a_large_manifest_unread(tiny: Path) -> None:
    """A manifest over the limit is refused by its size."""
    (tiny / "manifest.json").write_bytes(b" " * (MAX_JSON_BYTES + 1))
    assert f"expected <= {MAX_JSON_BYTES}" in _refused(tiny)


@pytest.mark.parametrize("name", ["", "nothing", "manifest.json", "bad\0name"])
def test_load_bundle_says_when_there_is_no_bundle(tiny: Path, name: str) -> None:
    """An empty folder, a missing one, a file and an impossible name are one line."""
    folder = tiny.parent / "empty" if not name else tiny / name
    if not name:
        folder.mkdir()
    assert "expected a directory with manifest.json" in _refused(folder)


def test_load_bundle_says_when_none_was_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installation without its bundle says so."""
    monkeypatch.setattr("edge_affect.bundles.__path__", [str(tmp_path)])
    with pytest.raises(BundleError, match="did not come with this installation"):
        load_bundle()


def test_load_bundle_refuses_names_that_leave_the_folder(edited: Any) -> None:
    """The file of a graph is a plain name beside the manifest."""
    for name in ("../face.cpu-fp32.onnx", "/etc/passwd", "a/../b", "..", ""):
        folder = edited(lambda m, n=name: _entry(m).update(file=n))
        assert ".file: got" in _refused(folder)


def _entry(manifest: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = manifest["graphs"]["face"]["cpu-fp32"]
    return entry


def test_load_bundle_refuses_heads_that_are_not_the_graphs(edited: Any) -> None:
    """A manifest cannot hide an emotion head of its graphs, nor promise one."""
    folder = edited(lambda m: m["heads"].pop("voice_emotion"))
    assert "lacks voice_emotion, but a graph has" in _refused(folder)


def test_load_bundle_refuses_heads_without_a_graph(edited: Any) -> None:
    """A head that no graph gives is refused."""

    def change(manifest: dict[str, Any]) -> None:
        manifest["graphs"].pop("face")
        manifest["graphs"].pop("affect")
        manifest["temperatures"].clear()

    assert "lists expression, but no graph has" in _refused(edited(change))


def test_load_bundle_scans_graphs_whose_digests_fit(edited: Any) -> None:
    """Right digests do not make bytes a graph."""
    content = b"\x3a\x02\x08\x01"

    def change(manifest: dict[str, Any]) -> None:
        digest = hashlib.sha256(content).hexdigest()
        _entry(manifest).update(bytes=len(content), sha256=digest)

    folder = edited(change)
    (folder / FACE).write_bytes(content)
    assert "is not an ONNX graph" in _refused(folder)


def test_load_bundle_ignores_what_the_manifest_does_not_name(tiny: Path) -> None:
    """A note beside the graphs is never read."""
    (tiny / "notes.txt").symlink_to("/nowhere")
    assert load_bundle(tiny, allow_unsigned=True).manifest.name == "tiny"


def test_load_bundle_takes_a_linked_folder(tiny: Path) -> None:
    """The folder itself may be a link: that is how versions are switched."""
    current = tiny.parent / "current"
    current.symlink_to(tiny)
    digest = json.loads((current / "manifest.json").read_bytes())["version"]
    assert load_bundle(current, allow_unsigned=True).manifest.version == digest


@pytest.mark.parametrize("hidden", ["valence_ahead", "arousal_std", "mood"])
def test_check_heads_lets_no_output_escape_the_heads(hidden: str) -> None:
    """Without emotion heads no graph may tell of one, under whatever name."""
    manifest = parse_manifest((TINY / "manifest.json").read_bytes())
    bare = replace(manifest, heads={"speech": manifest.heads["speech"]})
    _check_heads(bare, {"embedding", "speech", "next_state_h"})
    with pytest.raises(BundleError, match=f"a graph has the output '{hidden}'"):
        _check_heads(bare, {"embedding", "speech", hidden})
