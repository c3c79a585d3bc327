from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from deploy.pack import PackSettings, pack
from edge_affect.errors import BundleError
from edge_affect.model.bundle import load_bundle
from edge_affect.sensing.preprocessing import sensed


@pytest.fixture
def settings(export: Path, tmp_path: Path) -> PackSettings:
    """Return settings that pack the export."""
    return PackSettings(export, tmp_path / "out" / "bundle", "tiny", "1.2.3")


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _edit_card(export: Path, **changes: Any) -> None:
    path = export / "card.json"
    card = json.loads(path.read_bytes())
    path.write_text(json.dumps({**card, **changes}), encoding="utf-8")


def _result(path: Path, graphs: dict[str, str], *records: dict[str, Any]) -> Path:
    plain = {"machine": {}, "run": {"bundle": {"graphs": graphs}}, "records": records}
    path.write_text(json.dumps(plain), encoding="utf-8")
    return path


FIGURE = {
    "metric": "accuracy",
    "value": 0.8,
    "set": "ferplus",
    "split": "valid",
    "head": "expression",
    "stage": "face",
    "low": 0.79,
    "high": 0.81,
    "n": 3500,
    "model": "ours-thin",
    "target": "cpu-fp32",
}


def test_pack_writes_a_bundle_that_loads(settings: PackSettings) -> None:
    """The packed bundle is what the runtime loads, graphs byte for byte."""
    packed = pack(settings)
    loaded = load_bundle(settings.out, allow_unsigned=True)
    assert loaded.digest == packed.digest
    assert (loaded.manifest.name, loaded.manifest.version) == ("tiny", "1.2.3")
    exported = (settings.graphs / "face.cpu-fp32.onnx").read_bytes()
    assert loaded.graph("face", "cpu-fp32").content == exported
    assert [path.name for path in settings.out.parent.iterdir()] == ["bundle"]


def test_pack_gives_the_same_bytes_twice(
    settings: PackSettings, tmp_path: Path
) -> None:
    """The same input gives the same files, whatever the folder."""
    pack(settings)
    pack(replace(settings, out=tmp_path / "elsewhere"))
    assert _contents(settings.out) == _contents(tmp_path / "elsewhere")


def test_pack_replaces_a_bundle_whole(settings: PackSettings) -> None:
    """A graph of the old bundle does not survive in the new one."""
    pack(settings)
    (settings.out / "old.onnx").write_bytes(b"old")
    pack(replace(settings, version="1.2.4"))
    assert "old.onnx" not in _contents(settings.out)
    assert load_bundle(settings.out, allow_unsigned=True).manifest.version == "1.2.4"


def test_pack_leaves_the_old_bundle_when_the_new_one_is_wrong(
    settings: PackSettings,
) -> None:
    """A bundle that would not load is never put in place, nor left lying about."""
    pack(settings)
    before = _contents(settings.out)
    _edit_card(settings.graphs, temperatures={"face": 0})
    with pytest.raises(BundleError, match=r"temperatures\.face"):
        pack(settings)
    assert _contents(settings.out) == before
    assert [path.name for path in settings.out.parent.iterdir()] == ["bundle"]


def test_pack_refuses_to_replace_what_is_no_bundle(settings: PackSettings) -> None:
    """A folder of something else is never removed."""
    settings.out.mkdir(parents=True)
    (settings.out / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(BundleError, match="exists and is no bundle"):
        pack(settings)
    assert (settings.out / "thesis.txt").exists()


def test_pack_takes_a_card_from_elsewhere(
    settings: PackSettings, tmp_path: Path
) -> None:
    """A card that is kept with the source serves graphs of any folder."""
    card = (settings.graphs / "card.json").rename(tmp_path / "kept.json")
    assert pack(replace(settings, card=card)).manifest.licence == "Apache-2.0"


def test_pack_fills_in_what_sensing_gives(settings: PackSettings) -> None:
    """Training and runtime share sensing, so the card need not repeat it."""
    assert pack(settings).manifest.preprocessing == sensed()
    voice = {**asdict(sensed().voice), "mean": -7.0}
    face = asdict(sensed().face)
    _edit_card(settings.graphs, preprocessing={"face": face, "voice": voice})
    assert pack(settings).manifest.preprocessing.voice.mean == -7.0


def test_pack_refuses_cards_with_strange_or_missing_keys(
    settings: PackSettings,
) -> None:
    """The card says neither more nor less than the manifest needs."""
    _edit_card(settings.graphs, colour="blue")
    with pytest.raises(BundleError, match=r"card\.json: unknown key 'colour'"):
        pack(settings)
    (settings.graphs / "card.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BundleError, match=r"card\.json: the key 'licence' is missing"):
        pack(settings)
    (settings.graphs / "card.json").unlink()
    with pytest.raises(BundleError, match=r"card\.json: is not there; expected --card"):
        pack(settings)


def test_pack_without_the_cards_default_takes_what_all_graphs_have(
    settings: PackSettings,
) -> None:
    """A bundle for one target needs no card of its own."""
    for path in sorted(settings.graphs.glob("*.cpu-fp32.onnx")):
        path.rename(path.with_name(path.name.replace("fp32", "int8")))
    packed = pack(settings)
    assert packed.targets == ("cpu-int8",)
    assert packed.default_target == "cpu-int8"


def test_pack_takes_several_targets_of_each_graph(settings: PackSettings) -> None:
    """Every file goes in; the card says which target is the default."""
    for graph in ("face", "voice", "affect"):
        content = (settings.graphs / f"{graph}.cpu-fp32.onnx").read_bytes()
        (settings.graphs / f"{graph}.cpu-int8.onnx").write_bytes(content)
    packed = pack(settings)
    assert packed.targets == ("cpu-fp32", "cpu-int8")
    assert packed.default_target == "cpu-fp32"
    _edit_card(settings.graphs, default_target="cpu-int8")
    assert pack(settings).default_target == "cpu-int8"
    (settings.graphs / "voice.cpu-int8.onnx").unlink()
    with pytest.raises(BundleError, match="a target that the graph voice has"):
        pack(settings)


@pytest.mark.parametrize("name", ["pose.cpu-fp32.onnx", "face.gpu.onnx", "face.onnx"])
def test_pack_refuses_files_that_are_no_graph_of_a_bundle(
    settings: PackSettings, name: str
) -> None:
    """A file whose name is no graph and target is named."""
    (settings.graphs / name).write_bytes(b"x")
    with pytest.raises(BundleError, match=f"got {name}, expected nothing but GRAPH"):
        pack(settings)


def test_pack_refuses_folders_without_graphs(
    settings: PackSettings, tmp_path: Path
) -> None:
    """An empty or a missing folder is one clear error."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match="got no graph"):
        pack(replace(settings, graphs=tmp_path / "empty"))
    with pytest.raises(BundleError, match="cannot be read"):
        pack(replace(settings, graphs=tmp_path / "missing"))


def test_pack_refuses_graphs_that_are_not_plain_onnx(settings: PackSettings) -> None:
    """What the runtime would refuse is not packed."""
    (settings.graphs / "face.cpu-fp32.onnx").write_bytes(b"\x3a\x02\x08\x01")
    with pytest.raises(BundleError, match="is not an ONNX graph"):
        pack(settings)
    assert not settings.out.exists()


def test_pack_takes_figures_of_these_graphs(
    settings: PackSettings, tmp_path: Path
) -> None:
    """Our figures go into the manifest with their intervals; a peer's do not."""
    entry = pack(settings).manifest.graphs["face"]["cpu-fp32"]
    peer = {**FIGURE, "model": "mini-xception", "value": 0.6}
    result = _result(tmp_path / "r.json", {"face.cpu-fp32": entry.sha256}, FIGURE, peer)
    (figure,) = pack(replace(settings, figures=(result,))).manifest.figures
    assert (figure.value, figure.low, figure.high, figure.n) == (0.8, 0.79, 0.81, 3500)


def test_pack_refuses_figures_of_other_graphs(
    settings: PackSettings, tmp_path: Path
) -> None:
    """Stale figures cannot be packed with new weights."""
    result = _result(tmp_path / "r.json", {"face.cpu-fp32": "0" * 64}, FIGURE)
    with pytest.raises(BundleError, match=r"r\.json: its figures are of another face"):
        pack(replace(settings, figures=(result,)))


def test_pack_refuses_figures_of_a_quick_look(
    settings: PackSettings, tmp_path: Path
) -> None:
    """Figures of a part of the examples are in no manifest."""
    run = {"bundle": {"graphs": {}}, "limit": 100}
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"run": run, "records": [FIGURE]}), encoding="utf-8")
    with pytest.raises(BundleError, match=r"r\.json: was measured with --limit"):
        pack(replace(settings, figures=(path,)))


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"run": {}, "records": []}', '{"records": {"a": 1}}']
)
def test_pack_refuses_files_that_hold_no_figures(
    settings: PackSettings, tmp_path: Path, content: str
) -> None:
    """Something else than a result file is named."""
    path = tmp_path / "r.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BundleError, match=r"r\.json"):
        pack(replace(settings, figures=(path,)))


def test_pack_says_when_there_are_too_many_figures(
    settings: PackSettings, tmp_path: Path
) -> None:
    """A manifest that the runtime would refuse for its size is not written."""
    result = _result(tmp_path / "r.json", {}, *([FIGURE] * 500))
    with pytest.raises(BundleError, match="give fewer --figures"):
        pack(replace(settings, figures=(result,)))
