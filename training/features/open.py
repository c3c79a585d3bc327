"""Open a frozen backbone by its name."""

from __future__ import annotations

from pathlib import Path

from edge_affect.errors import ConfigError
from training.features.base import FaceBackbone, SoundBackbone
from training.features.ours import OurFace, OurVoice

FACE_NAMES = (
    "ours",
    "ours:CHECKPOINT",
    "clip:MODEL",
    "vit:MODEL",
    "vit-mean:MODEL",
    "capnet:CHECKPOINT",
)
"""What sees; MODEL is a folder, or a name that ``transformers`` can fetch."""
SOUND_NAMES = ("ours", "ours:CHECKPOINT", "wav2vec2:MODEL", "ast:MODEL")
"""What hears."""


def open_face_backbone(name: str) -> FaceBackbone:
    """Open what ``name``, as one of ``FACE_NAMES``, stands for.

    ``clip`` gives CLIP's projected image features, ``vit`` the pooler's output,
    ``vit-mean`` the mean of the last layer's patch tokens.

    Raises:
        ConfigError: The name is none of these.
        DataError: The checkpoint, folder or model cannot be had or read.
        MissingDependencyError: ``transformers`` is not installed.
    """
    kind, _, source = name.partition(":")
    if kind in ("clip", "vit", "vit-mean") and source:
        from training.features.transformers_face import open_clip_face, open_vit_face

        if kind == "clip":
            return open_clip_face(source)
        return open_vit_face(source, patches=kind == "vit-mean")
    if kind == "capnet" and source:
        from training.features.capnet import CapnetFace

        return CapnetFace(Path(source))
    if kind == "ours":
        return OurFace(Path(source)) if source else OurFace()
    raise ConfigError(
        f"face_backbone: got {name!r}, expected one of {', '.join(FACE_NAMES)}"
    )


def open_sound_backbone(name: str) -> SoundBackbone:
    """Open what ``name``, as one of ``SOUND_NAMES``, stands for.

    Raises:
        ConfigError: The name is none of these.
        DataError: The checkpoint, folder or model cannot be had or read.
        MissingDependencyError: ``transformers`` is not installed.
    """
    kind, _, source = name.partition(":")
    if kind in ("wav2vec2", "ast") and source:
        from training.features.transformers_sound import AstSound, Wav2Vec2Sound

        return AstSound(source) if kind == "ast" else Wav2Vec2Sound(source)
    if kind == "ours":
        return OurVoice(Path(source)) if source else OurVoice()
    raise ConfigError(
        f"sound_backbone: got {name!r}, expected one of {', '.join(SOUND_NAMES)}"
    )
