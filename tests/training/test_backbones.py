"""Frozen backbones: tiny models made in code, saved and opened like real ones."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_affect.errors import ConfigError, DataError, MissingDependencyError
from training.features.base import Floats, newest_by

pytest.importorskip("torch")
transformers: Any = pytest.importorskip("transformers")

import torch  # noqa: E402

from training.features.open import open_face_backbone, open_sound_backbone  # noqa: E402
from training.features.text import text_vectors  # noqa: E402
from training.features.transformers_sound import (  # noqa: E402
    SAMPLE_RATE_HZ,
    past_windows,
)

pytestmark = pytest.mark.torch
TINY = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
PICTURE = {"image_size": 16, "patch_size": 8}
EXACT = 1e-5
"""Batches of other sizes may round otherwise in the last bits."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a tiny CLIP, ViT, Wav2Vec 2.0 and AST with their processors' settings."""
    root = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    _save_clip(root / "clip")
    _save_picture_settings(root / "clip")
    vit = transformers.ViTConfig(**TINY, **PICTURE)
    transformers.ViTModel(vit).save_pretrained(root / "vit")
    _save_picture_settings(root / "vit")
    wav2vec2 = transformers.Wav2Vec2Config(
        **TINY,
        conv_dim=(8, 8),
        conv_stride=(40, 8),
        conv_kernel=(40, 8),
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    transformers.Wav2Vec2Model(wav2vec2).save_pretrained(root / "wav2vec2")
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(root / "wav2vec2")
    ast = transformers.ASTConfig(**TINY, max_length=32, num_mel_bins=16)
    transformers.ASTModel(ast).save_pretrained(root / "ast")
    transformers.ASTFeatureExtractor(max_length=32, num_mel_bins=16).save_pretrained(
        root / "ast"
    )
    return root


def _save_clip(folder: Path) -> None:
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    text = {
        **TINY,
        "vocab_size": len(tokens),
        "max_position_embeddings": 32,
        "bos_token_id": vocabulary["<|startoftext|>"],
        "eos_token_id": vocabulary["<|endoftext|>"],
        "pad_token_id": vocabulary["<|endoftext|>"],
    }
    config = transformers.CLIPConfig(
        text_config=text, vision_config={**TINY, **PICTURE}, projection_dim=6
    )
    transformers.CLIPModel(config).save_pretrained(folder)
    transformers.CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)


def _save_picture_settings(folder: Path) -> None:
    settings = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(settings), encoding="utf-8")


def _pictures(count: int = 3) -> Any:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, 16, 16, 3), np.uint8)


def _sound(seconds: float) -> Floats:
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.1, round(seconds * SAMPLE_RATE_HZ))
    return noise.astype(np.float32)


@pytest.mark.parametrize(
    ("kind", "folder", "width"),
    [("clip", "clip", 6), ("vit", "vit", 16), ("vit-mean", "vit", 16)],
)
def test_face_backbone_gives_each_picture_a_vector_of_its_own(
    models: Path, kind: str, folder: str, width: int
) -> None:
    """Each picture gets one finite vector that the others in the batch do not touch."""
    backbone = open_face_backbone(f"{kind}:{models / folder}")
    pictures = _pictures()
    vectors = backbone.embed(pictures)
    assert (backbone.size_px, backbone.width) == (16, width)
    assert vectors.shape == (3, width)
    assert vectors.dtype == np.float32
    alone = backbone.embed(pictures[1:2])
    np.testing.assert_allclose(vectors[1:2], alone, atol=EXACT)
    assert backbone.embed(pictures[:0]).shape == (0, width)


def test_clip_face_is_the_projection_of_evenly_lit_pictures(models: Path) -> None:
    """The picture is scaled to 0 to 1, less the stored mean, over the deviation."""
    net = transformers.CLIPModel.from_pretrained(models / "clip").eval()
    pictures = _pictures(2)
    lit = (pictures.astype(np.float32) / 255 - 0.5) / 0.25
    with torch.no_grad():
        given = net.get_image_features(torch.from_numpy(lit).permute(0, 3, 1, 2))
    vectors = open_face_backbone(f"clip:{models / 'clip'}").embed(pictures)
    expected = given.pooler_output.numpy()
    np.testing.assert_allclose(vectors, expected, atol=EXACT)


@pytest.mark.parametrize("kind", ["wav2vec2", "ast"])
def test_sound_backbone_hears_nothing_later_than_its_time(
    models: Path, kind: str
) -> None:
    """Sound after t changes no feature up to t, and what came before does."""
    backbone = open_sound_backbone(f"{kind}:{models / kind}")
    sound = _sound(3.2)
    times_s = np.arange(0, 3.2, 0.1)
    before = backbone.embed(sound, times_s)
    assert before.shape == (len(times_s), backbone.width)
    changed = sound.copy()
    changed[2 * SAMPLE_RATE_HZ :] *= -3
    after = backbone.embed(changed, times_s)
    np.testing.assert_allclose(before[:21], after[:21], atol=EXACT)
    assert np.abs(before[31] - after[31]).max() > EXACT
    assert not before[times_s < 0.45].any()


@pytest.mark.parametrize("kind", ["wav2vec2", "ast"])
def test_sound_backbone_takes_a_sound_shorter_than_a_hop(
    models: Path, kind: str
) -> None:
    """Before the first window has ended there is a vector of 0."""
    backbone = open_sound_backbone(f"{kind}:{models / kind}")
    assert not backbone.embed(_sound(0.1), np.array([0.0, 0.1])).any()


def test_past_windows_end_on_hops_and_begin_in_silence() -> None:
    """Window k ends with sample (k + 1) hops; what is left over makes none."""
    sound = np.arange(1, 2 * SAMPLE_RATE_HZ + 8, dtype=np.float32)
    windows = past_windows(sound, 1.0, SAMPLE_RATE_HZ + 2)
    assert windows.shape == (2, SAMPLE_RATE_HZ + 2)
    assert windows[0, :3].tolist() == [0, 0, 1]
    assert windows[0, -1] == SAMPLE_RATE_HZ
    assert windows[1, -1] == 2 * SAMPLE_RATE_HZ


def test_newest_by_counts_a_hop_that_ends_at_the_time_itself() -> None:
    """At 0.2 s the hop that ends there is known, a hair before it is not."""
    features = np.array([[1.0], [2.0]], np.float32)
    times_s = np.array([0.0, 0.1, 0.19, 0.2, 5.0])
    assert newest_by(features, 0.1, times_s, 1)[:, 0].tolist() == [0, 1, 1, 2, 2]


def test_keys_tell_kinds_and_weights_apart(models: Path) -> None:
    """Another pooling or other weights are other features; a key is a folder's name."""
    pooled = open_face_backbone(f"vit:{models / 'vit'}").key
    mean = open_face_backbone(f"vit-mean:{models / 'vit'}").key
    assert re.fullmatch(r"[\w.-]+", pooled)
    assert pooled != mean
    sound = open_sound_backbone(f"wav2vec2:{models / 'wav2vec2'}").key
    assert re.fullmatch(r"[\w.-]+", sound)


def test_key_changes_with_the_weights(models: Path, tmp_path: Path) -> None:
    """The same name with other weights is kept apart from the old features."""
    folder = tmp_path / "vit"
    torch.manual_seed(1)
    config = transformers.ViTConfig(**TINY, **PICTURE)
    transformers.ViTModel(config).save_pretrained(folder)
    _save_picture_settings(folder)
    old = open_face_backbone(f"vit:{models / 'vit'}").key
    assert open_face_backbone(f"vit:{folder}").key != old


@pytest.mark.parametrize("name", ["", "clip", "clip:", "resnet:x", "Ours"])
def test_open_refuses_unknown_names(name: str) -> None:
    """A name of no kind is refused with the kinds there are."""
    with pytest.raises(ConfigError, match="expected one of ours, ours:CHECKPOINT"):
        open_face_backbone(name)
    with pytest.raises(ConfigError, match="expected one of ours, ours:CHECKPOINT"):
        open_sound_backbone(name)


def test_open_says_how_to_mend_a_model_that_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without network, an unknown name and an empty folder give one line each."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for source in ("nobody/nothing", str(tmp_path)):
        with pytest.raises(DataError, match="give its folder: vit:FOLDER") as caught:
            open_face_backbone(f"vit:{source}")
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="give its folder: ast:FOLDER"):
        open_sound_backbone(f"ast:{tmp_path}")


def test_open_refuses_damaged_weights(models: Path, tmp_path: Path) -> None:
    """A cut weight file is one clear error."""
    for path in (models / "vit").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match="got neither a folder with a model"):
        open_face_backbone(f"vit:{tmp_path}")


def test_open_refuses_a_model_saved_without_its_pooler(
    models: Path, tmp_path: Path
) -> None:
    """A pooler drawn at random is no backbone; the mean of the patches still is one."""
    net = transformers.ViTModel.from_pretrained(models / "vit", add_pooling_layer=False)
    net.save_pretrained(tmp_path)
    _save_picture_settings(tmp_path)
    with pytest.raises(DataError, match=r"lacks 2 of .* pooler\.dense\.bias"):
        open_face_backbone(f"vit:{tmp_path}")
    mean = open_face_backbone(f"vit-mean:{tmp_path}").embed(_pictures())
    whole = open_face_backbone(f"vit-mean:{models / 'vit'}").embed(_pictures())
    np.testing.assert_array_equal(mean, whole)


def test_open_names_the_extra_that_brings_transformers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the package is missing, the error says how to install it."""
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingDependencyError, match=r"pip install .\.\[train\]"):
        open_face_backbone("clip:any")


def test_ours_opens_the_committed_weights() -> None:
    """The preset ``small`` needs nothing that is not in the repository."""
    assert open_face_backbone("ours").width == 64
    assert open_sound_backbone("ours").width == 32


def test_text_vectors_come_from_the_text_tower(models: Path) -> None:
    """Each prompt gets the unit vector of its own projected text features."""
    name = f"clip:{models / 'clip'}"
    vectors = text_vectors(name, ("a sad face", "a glad face", "a face"))
    assert vectors.shape == (3, 6)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3))
    assert torch.allclose(vectors[1:2], text_vectors(name, ("a glad face",)), atol=1e-5)
    assert not torch.allclose(vectors[0], vectors[1])


def test_text_prototypes_depend_on_the_seed_alone() -> None:
    """Class prototypes are unit vectors, the same ones for the same seed."""
    prompts = ("a", "b", "c")
    first = text_vectors("prototypes", prompts, seed=1)
    assert torch.allclose(first.norm(dim=1), torch.ones(3))
    assert torch.equal(first, text_vectors("prototypes", prompts, seed=1))
    assert not torch.equal(first, text_vectors("prototypes", prompts, seed=2))


def test_text_orthonormal_rows_are_orthonormal() -> None:
    """The control's vectors say nothing about which classes are alike."""
    vectors = text_vectors("orthonormal", tuple("abcdefghi"))
    assert torch.allclose(vectors @ vectors.T, torch.eye(9), atol=1e-5)


def test_shuffled_text_gives_every_class_the_vector_of_another() -> None:
    """The control holds the same vectors, none at its own place."""
    prompts = tuple("abcdefgh")
    given = text_vectors("prototypes", prompts, seed=3)
    shuffled = text_vectors("shuffled:prototypes", prompts, seed=3)
    found = (shuffled[:, None] == given[None]).all(dim=2)
    assert found.sum(dim=0).tolist() == [1] * 8
    assert not found.diagonal().any()


def test_text_vectors_refuse_unknown_names() -> None:
    """A name of no kind is refused with the kinds there are."""
    with pytest.raises(ConfigError, match="text: got 'bert:x', expected one of"):
        text_vectors("bert:x", ("a",))
