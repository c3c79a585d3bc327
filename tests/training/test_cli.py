"""The command ``python -m training``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.training.aff_wild2_tree import write_tree
from training.cli import main
from training.data.aff_wild2 import load_aff_wild2
from training.engine.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.engine.config import from_plain, to_plain
from training.models.face import FaceConfig, FaceNet
from training.models.load import load_face_net
from training.registry import RECIPES, open_recipe


def test_list_names_every_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a recipe."""
    assert main(["list"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == list(RECIPES)


@pytest.mark.torch
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_offers_what_the_registry_says(name: str) -> None:
    """Its presets, the default first, are configurations that survive JSON."""
    module = open_recipe(name)
    assert tuple(module.PRESETS) == RECIPES[name].presets
    for preset in module.PRESETS.values():
        assert from_plain(type(preset), to_plain(preset)) == preset


@pytest.mark.torch
@pytest.mark.parametrize("recipe", ["face", "voice"])
def test_train_refuses_an_incomplete_data_root(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that names the missing file, exit code 1, nothing written."""
    out = tmp_path / "run"
    assert main(["train", recipe, "--data", str(tmp_path), "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert ".csv: is not there" in error
    assert not out.exists()


def test_train_needs_a_data_root(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without flag and variable the message names both; exit code 2."""
    monkeypatch.delenv("EDGE_AFFECT_DATA", raising=False)
    assert main(["train", "face", "--out", str(tmp_path)]) == 2
    assert "EDGE_AFFECT_DATA" in capsys.readouterr().err


@pytest.mark.torch
def test_train_affect_needs_the_other_checkpoints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says which flags."""
    arguments = ["train", "affect", "--data", str(tmp_path), "--out", str(tmp_path)]
    assert main(arguments) == 2
    assert "--face" in capsys.readouterr().err


@pytest.mark.torch
def test_train_refuses_no_epochs(
    made_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Zero passes are wrong usage."""
    arguments = ["train", "voice", "--data", str(made_root), "--out", str(tmp_path)]
    assert main([*arguments, "--set", "epochs=0"]) != 0
    assert "epochs" in capsys.readouterr().err


@pytest.mark.torch
@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("ephocs=3", "unknown key ephocs"),
        ("epochs=true", "expected a value of type int"),
        ("net.widths=7", "net.widths"),
        ("epochs", "KEY=VALUE"),
    ],
)
def test_train_refuses_settings_in_one_line(
    setting: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown keys, other types and half settings are named."""
    arguments = ["train", "face", "--data", str(tmp_path), "--out", str(tmp_path)]
    assert main([*arguments, "--set", setting]) != 0
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_a_missing_package_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the package and the extra; a missing module of ours is a fault."""

    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("training.cli.open_recipe", lambda _: absent("torch._C"))
    assert main(["train", "byel", "--data", ".", "--out", "o"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "'torch'" in line
    assert "pip install '.[train]'" in line
    monkeypatch.setattr("training.cli.open_recipe", lambda _: absent("training.gone"))
    with pytest.raises(ModuleNotFoundError):
        main(["train", "byel", "--data", ".", "--out", "o"])


def test_an_unknown_recipe_is_wrong_usage() -> None:
    """The parser ends with 2."""
    with pytest.raises(SystemExit) as ended:
        main(["train", "smile", "--out", "x"])
    assert ended.value.code == 2


@pytest.mark.torch
def test_condense_keeps_what_an_export_needs(tmp_path: Path) -> None:
    """Half floats of the averaged weights load as a network, in half the bytes."""
    net = FaceNet(FaceConfig(widths=(2, 2, 2, 2), blocks=(0, 0, 0)))
    whole = Checkpoint(
        "face",
        {"net": to_plain(net.config)},
        3,
        net.state_dict(),
        net.state_dict(),
        {},
        {"dev_accuracy": 0.5},
    )
    save_checkpoint(tmp_path / "whole.safetensors", whole)
    out = tmp_path / "small.safetensors"
    source = str(tmp_path / "whole.safetensors")
    assert main(["condense", "face", "--checkpoint", source, "--out", str(out)]) == 0
    loaded = load_face_net(out)
    for name, value in net.state_dict().items():
        assert torch.allclose(loaded.state_dict()[name], value, atol=1e-3)
    assert load_checkpoint(out, "face").metrics == whole.metrics


CLIP_RECIPES = (
    "mtl_kd",
    "cross_attention",
    "soft_prompt",
    "masked_transformer",
    "capnet",
)


TINY = {name: ["hop=4"] for name in CLIP_RECIPES} | {
    "mtl_kd": ["hop=4", "sound_past_s=1.0"],
    "capnet": ["hop=4", "window_s=1.0"],
}
"""Settings that fit clips of three seconds, beside one epoch."""


@pytest.fixture(scope="module")
def long_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a root whose clips are as long as the recipes' windows."""
    return write_tree(tmp_path_factory.mktemp("clips"), frames=90)


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.parametrize("name", CLIP_RECIPES)
def test_recipes_on_clips_train_measure_and_label(
    name: str, long_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a root to a checkpoint, figures and soft targets, all by the command."""
    pytest.importorskip("av")
    shared = ["--data", str(long_tree), "--cache", str(tmp_path / "cache")]
    settings = ["epochs=1", "batch=2", *TINY[name]]
    flags = [flag for setting in settings for flag in ("--set", setting)]
    out = str(tmp_path / "run")
    assert main(["train", name, *shared, "--out", out, *flags]) == 0
    best = capsys.readouterr().out.strip()
    assert main(["evaluate", name, "--checkpoint", best, *shared]) == 0
    assert json.loads(capsys.readouterr().out)
    targets = str(tmp_path / "targets")
    command = ["label", name, "--checkpoint", best, *shared, "--out", targets]
    assert main(command) == 0
    assert list(Path(targets).glob("clips/train/*.npz"))


@pytest.mark.torch
def test_a_clip_without_crops_is_unseen_and_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the validator promises: a warning there, no error here."""
    pytest.importorskip("av")
    root = write_tree(tmp_path / "root", frames=30)
    clip = load_aff_wild2(root, "train", ("VA",))[0]
    shutil.rmtree(clip.crops)
    shared = ["--data", str(root), "--cache", str(tmp_path / "cache")]
    settings = [f for s in ("epochs=1", "batch=2", "hop=4") for f in ("--set", s)]
    command = ["train", "masked_transformer", *shared, "--out", str(tmp_path / "run")]
    assert main([*command, *settings]) == 0
    assert Path(capsys.readouterr().out.strip()).is_file()


@pytest.mark.torch
def test_show_prints_settings_that_config_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is printed is read back as the same settings."""
    assert main(["show", "mtl_kd", "--preset", "paper", "--set", "epochs=7"]) == 0
    shown = capsys.readouterr().out
    assert json.loads(shown)["epochs"] == 7
    file = tmp_path / "mtl_kd.json"
    file.write_text(shown, encoding="utf-8")
    assert main(["show", "mtl_kd", "--config", str(file)]) == 0
    assert capsys.readouterr().out == shown
    assert main(["show", "mtl_kd", "--preset", "none"]) == 2
    assert "--preset: got 'none', expected one of" in capsys.readouterr().err


@pytest.mark.torch
def test_checkpoints_are_as_readable_as_other_files(tmp_path: Path) -> None:
    """A folder of runs may be shared: the user's own mask decides, and nothing else."""
    net = FaceNet(FaceConfig(widths=(2, 2, 2, 2), blocks=(0, 0, 0)))
    weights = net.state_dict()
    path = tmp_path / "best.safetensors"
    save_checkpoint(path, Checkpoint("face", {}, 1, weights, weights))
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.torch
def test_a_folder_is_no_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the file that is probably meant."""
    command = ["evaluate", "face", "--checkpoint", str(tmp_path), "--data", "none"]
    assert main(command) == 1
    assert "is a folder, expected a checkpoint in it" in capsys.readouterr().err
