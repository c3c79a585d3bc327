"""Keep emotion heads away from purposes that may not have them."""

from __future__ import annotations

from edge_affect import bundles
from edge_affect.config import check_purpose_name
from edge_affect.errors import PurposeError
from edge_affect.model.manifest import Manifest

EMOTION_HEADS = frozenset({"expression", "valence", "arousal", "voice_emotion"})
"""Heads that infer an emotion; action units and driver signals do not."""


def is_emotion_free(manifest: Manifest) -> bool:
    """Tell whether the bundle was exported without any emotion head."""
    return not EMOTION_HEADS & manifest.heads.keys()


def check_purpose(purpose: str, manifest: Manifest) -> None:
    """Refuse a bundle that infers emotions for the purpose ``fleet``.

    Regulation (EU) 2024/1689, Article 5(1)(f), forbids inferring emotions at work.

    Raises:
        PurposeError: The purpose is unknown, or forbids this bundle.
    """
    check_purpose_name(purpose)
    if purpose == "fleet" and not is_emotion_free(manifest):
        found = ", ".join(head for head in manifest.heads if head in EMOTION_HEADS)
        raise PurposeError(
            f"purpose 'fleet': the bundle {manifest.name} {manifest.version} estimates "
            f"{found}; expected one without emotion heads, such as the shipped "
            f"{bundles.SIGNALS!r}"
        )
