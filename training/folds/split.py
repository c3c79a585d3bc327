"""Which utterances of EmoDB each fold trains on and is tested on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge_affect.errors import DataError
from training.data.emodb import Utterance

FOLDS = (("03", "08"), ("09", "10"), ("11", "14"), ("12", "16"))
"""Speakers that each fold leaves unheard: a man and a woman in each."""
SENTENCES = (("a01", "a04", "a07", "b02", "b09"), ("a02", "a05", "b01", "b03", "b10"))
"""Two halves of the sentences, short and long ones in each."""
PROTOCOLS = ("speakers", "sentences")
"""Unheard speakers; unheard speakers who say unheard sentences."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows of a list of utterances."""

    train: tuple[int, ...]
    """Heard in training, selection included."""
    test: tuple[int, ...]
    """Of two unheard speakers."""


def folds(utterances: Sequence[Utterance], protocol: str) -> Iterator[Fold]:
    """Yield the folds of ``protocol``; together their tests hold each utterance once.

    Raises:
        DataError: The speakers or the sentences are not those of the folds, so that
            the figures would be of something else.
    """
    _check({u.speaker for u in utterances}, FOLDS, "speaker")
    _check({u.text for u in utterances}, SENTENCES, "sentence")
    whole = (tuple(text for half in SENTENCES for text in half),)
    for speakers in FOLDS:
        for texts in SENTENCES if protocol == "sentences" else whole:
            rows = range(len(utterances))
            yield Fold(
                tuple(
                    row
                    for row in rows
                    if utterances[row].speaker not in speakers
                    and (protocol == "speakers" or utterances[row].text not in texts)
                ),
                tuple(
                    row
                    for row in rows
                    if utterances[row].speaker in speakers
                    and utterances[row].text in texts
                ),
            )


def _check(found: set[str], groups: Sequence[Sequence[str]], told: str) -> None:
    known = {name for group in groups for name in group}
    if found != known:
        raise DataError(
            f"EmoDB: got the {told}s {', '.join(sorted(found))}; the folds are made of "
            f"{', '.join(sorted(known))}"
        )
